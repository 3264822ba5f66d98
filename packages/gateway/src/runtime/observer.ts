import { completionTokens, METERED, promptTokens, type MeteredUsage } from '../ai/index.ts'
import { CHARGES } from '../journal/index.ts'
import {
  PROMETHEUS_FLAGS,
  type ExchangeMetrics,
  type FieldRule,
  type LlmMetrics,
  type Logger,
} from '../observe/index.ts'
import type { ExchangeObserver, PinnedExchange } from '../pipeline/index.ts'
import type { ModelNames } from './model-names.ts'
import type { SpendKeeper } from './spend-keeper.ts'
import type { UsageRecords } from './usage-records.ts'

export interface ObserverDeps {
  readonly exchangeMetrics: ExchangeMetrics
  readonly llmMetrics: LlmMetrics
  readonly models: ModelNames
  readonly logger: Logger
  /** `undefined` when the usage journal is off. */
  readonly usageRecords: UsageRecords | undefined
  /** What is kept out of logs. */
  readonly rule: FieldRule
  /** Told of what was charged. */
  readonly spend: SpendKeeper
  /** `undefined` when the access log is off. */
  readonly accessLog: ((exchange: PinnedExchange) => void) | undefined
}

/** Tells metrics, logs and the usage journal of every exchange, at its end. */
export function createObserver(deps: ObserverDeps): ExchangeObserver {
  const { exchangeMetrics, llmMetrics, models, logger, accessLog, usageRecords, spend, rule } = deps
  return {
    settled(exchange) {
      const { outcome } = exchange
      const metered = exchange.note(METERED)
      if (outcome.startsWith('rejected_'))
        exchangeMetrics.refused(outcome.slice('rejected_'.length))
      exchangeMetrics.record(
        exchange.bound?.series,
        exchange,
        outcome,
        firstTokenMs(exchange, metered),
      )
      if (metered !== undefined) {
        models.seen(metered, exchange.record.upstreamStatus)
        recordUsage(llmMetrics, exchange, metered)
        if (accessLog !== undefined) exchange.annotate('ai', usageFields(metered, rule))
      }
      accessLog?.(exchange)
      usageRecords?.settled(exchange)
      const charges = exchange.note(CHARGES)
      if (charges !== undefined) spend.charged(charges)
    },
    failed(exchange, error) {
      logger.error('a request failed inside the gateway', { request_id: exchange.id, error })
    },
  }
}

function firstTokenMs(exchange: PinnedExchange, metered: MeteredUsage | undefined): number {
  if (!exchange.eventStream) return -1
  return metered?.timeToFirstTokenMs ?? exchange.record.firstByteLatencyMs
}

function recordUsage(
  llmMetrics: LlmMetrics,
  exchange: PinnedExchange,
  { model, usage, cost, anomaly, cut, timeToFirstTokenMs }: MeteredUsage,
): void {
  const service = exchange.service?.name ?? exchange.service?.host ?? ''
  llmMetrics.record({
    service,
    provider: exchange.service?.provider ?? exchange.service?.host ?? '',
    model: model ?? 'unknown',
    outcome: exchange.outcome,
    consumer: consumerLabel(exchange),
    tokens: {
      input: usage.inputUncached + usage.audioInput,
      cache_read: usage.cacheRead,
      cache_write: usage.cacheWrite + usage.cacheWriteLong,
      output: usage.outputText + usage.audioOutput,
      reasoning: usage.reasoning,
    },
    usageSource: usage.source,
    costNanoDollars: cost.nanoDollars,
    firstTokenMs: timeToFirstTokenMs ?? -1,
  })
  if (anomaly) llmMetrics.anomaly(service, 'impossible_count')
  else if (usage.source === 'estimated' && exchange.outcome === 'ok' && !cut) {
    llmMetrics.anomaly(service, 'missing')
  }
}

/** As in Kong's families: only where the prometheus plugin says so (kong.md §3.6). */
function consumerLabel(exchange: PinnedExchange): string {
  const perConsumer = exchange.note(PROMETHEUS_FLAGS)?.perConsumer === true
  return perConsumer ? (exchange.consumer?.username ?? '') : ''
}

/** The `ai` member of the log line: figures only, never a prompt or an answer (S47). */
function usageFields(
  { model, streamed, usage, cost, cut, timeToFirstTokenMs }: MeteredUsage,
  rule: FieldRule,
): object {
  const { nanoDollars } = cost
  return {
    model: model === undefined ? undefined : rule.shown('model', model),
    streamed,
    cut_by_limit: cut || undefined,
    // Nine decimals at most, and the nearest double is written with just these.
    cost_dollars: nanoDollars === undefined ? undefined : nanoDollars / 1e9,
    priced: nanoDollars !== undefined,
    cost_estimated: cost.estimated || undefined,
    price_provider: cost.provider,
    service_tier: usage.serviceTier,
    usage: {
      prompt_tokens: promptTokens(usage),
      completion_tokens: completionTokens(usage),
      cached_tokens: usage.cacheRead,
      reasoning_tokens: usage.reasoning,
      source: usage.source,
    },
    time_to_first_token_ms:
      timeToFirstTokenMs === undefined ? undefined : Math.round(timeToFirstTokenMs),
  }
}
