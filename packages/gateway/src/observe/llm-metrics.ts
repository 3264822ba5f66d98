import type { Outcome } from '@pratu/plugin-kit'
import { CallSeries, type TokenKind } from './call-series.ts'
import type { Metrics } from './metrics.ts'

const TOKEN_KINDS: readonly TokenKind[] = [
  'input',
  'cache_read',
  'cache_write',
  'output',
  'reasoning',
]

/** One metered call. */
export interface LlmCall {
  readonly service: string
  readonly provider: string
  /** As the client asked for or the provider answered; becomes `other` when the configuration does not know it. */
  readonly model: string
  readonly outcome: Outcome
  /** Username; empty unless the prometheus plugin's `per_consumer` is on. */
  readonly consumer: string
  /** Disjoint counts. */
  readonly tokens: Readonly<Partial<Record<TokenKind, number>>>
  readonly usageSource: 'provider' | 'estimated' | 'none'
  /** Integer nano-dollars; `undefined` when the price is not known. */
  readonly costNanoDollars: number | undefined
  /** Arrival to the first content, ms; -1 when there was none. */
  readonly firstTokenMs: number
}

/** Metrics of AI traffic. Model names come from clients: only names that the configuration knows become labels (S46). */
export class LlmMetrics {
  readonly #metrics: Metrics
  readonly #models: ReadonlySet<string>
  readonly #series = new Map<string, Map<string, CallSeries>>()

  /** @param models which names become labels; read at every call. */
  constructor(metrics: Metrics, models: ReadonlySet<string>) {
    this.#metrics = metrics
    this.#models = models
  }

  /** The label for a model name that came from outside. */
  modelLabel(model: string): string {
    return this.#models.has(model) ? model : 'other'
  }

  record(call: LlmCall): void {
    const series = this.#seriesOf(call)
    series.outcome(call.outcome).add(1)
    for (const kind of TOKEN_KINDS) {
      const count = call.tokens[kind] ?? 0
      if (!Number.isFinite(count) || count < 0) this.anomaly(call.service, 'impossible_count')
      else if (count > 0) series.tokens(kind, call.usageSource).add(count)
    }
    const cost = call.costNanoDollars
    if (cost === undefined) series.unpriced().add(1)
    else if (!Number.isFinite(cost) || cost < 0) this.anomaly(call.service, 'impossible_cost')
    else series.cost(call.consumer).add(cost / 1e9)
    if (call.firstTokenMs >= 0) series.firstToken().observe(call.firstTokenMs / 1000)
  }

  /** Every label comes from the configuration, so that there are only so many. */
  #seriesOf({ service, provider, model }: LlmCall): CallSeries {
    const label = this.modelLabel(model)
    const key = service === provider ? service : `${service}\u0000${provider}`
    let byModel = this.#series.get(key)
    if (byModel === undefined) this.#series.set(key, (byModel = new Map()))
    let series = byModel.get(label)
    if (series === undefined) {
      byModel.set(label, (series = new CallSeries(this.#metrics, [service, provider, label])))
    }
    return series
  }

  /** @param result `ok` or the code of the failure. */
  attempt(provider: string, model: string, result: string): void {
    this.#metrics
      .counter('pratu_llm_attempts_total', [provider, this.modelLabel(model), result])
      .add(1)
  }

  /** A usage report that could not be believed (F32). */
  anomaly(
    service: string,
    reason: 'missing' | 'impossible_count' | 'impossible_cost' | 'late',
  ): void {
    this.#metrics.counter('pratu_llm_usage_anomalies_total', [service, reason]).add(1)
  }
}

export function createLlmMetrics(metrics: Metrics, models: ReadonlySet<string>): LlmMetrics {
  return new LlmMetrics(metrics, models)
}
