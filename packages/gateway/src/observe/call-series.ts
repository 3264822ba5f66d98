import type { Outcome } from '@pratu/plugin-kit'
import type { Counter, Histogram } from './metric-handles.ts'
import type { Metrics } from './metrics.ts'

export type TokenKind = 'input' | 'cache_read' | 'cache_write' | 'output' | 'reasoning'
export type UsageSource = 'provider' | 'estimated' | 'none'

/** The series of AI calls with the same service, provider and model, each registered when it is first needed. */
export class CallSeries {
  readonly #metrics: Metrics
  readonly #labels: readonly [service: string, provider: string, model: string]
  readonly #byOutcome = new Map<Outcome, Counter>()
  readonly #tokens: Record<UsageSource, Partial<Record<TokenKind, Counter>>> = {
    provider: {},
    estimated: {},
    none: {},
  }
  readonly #costByConsumer = new Map<string, Counter>()
  #unpriced: Counter | undefined
  #firstToken: Histogram | undefined

  constructor(metrics: Metrics, labels: readonly [string, string, string]) {
    this.#metrics = metrics
    this.#labels = labels
  }

  outcome(outcome: Outcome): Counter {
    let counter = this.#byOutcome.get(outcome)
    if (counter === undefined) {
      counter = this.#metrics.counter('pratu_llm_requests_total', [...this.#labels, outcome])
      this.#byOutcome.set(outcome, counter)
    }
    return counter
  }

  tokens(kind: TokenKind, source: UsageSource): Counter {
    const bySource = this.#tokens[source]
    return (bySource[kind] ??= this.#metrics.counter('pratu_llm_tokens_total', [
      ...this.#labels,
      kind,
      source,
    ]))
  }

  cost(consumer: string): Counter {
    let counter = this.#costByConsumer.get(consumer)
    if (counter === undefined) {
      counter = this.#metrics.counter('pratu_llm_cost_dollars_total', [...this.#labels, consumer])
      this.#costByConsumer.set(consumer, counter)
    }
    return counter
  }

  unpriced(): Counter {
    return (this.#unpriced ??= this.#metrics.counter('pratu_llm_unpriced_total', this.#labels))
  }

  firstToken(): Histogram {
    return (this.#firstToken ??= this.#metrics.histogram(
      'pratu_llm_time_to_first_token_seconds',
      this.#labels,
    ))
  }
}
