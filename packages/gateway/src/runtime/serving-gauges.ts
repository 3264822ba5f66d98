import type { MemoryCache } from '../cache/index.ts'
import type { MemoryBudget } from '../http/index.ts'
import type { LimitLedger } from '../limits/index.ts'
import type { Listener } from '../listener/index.ts'
import type { CounterName, Metrics } from '../observe/index.ts'
import type { ActiveExchanges, InterruptibleExchange } from '../pipeline/index.ts'
import type { UpstreamClient } from '../upstream/index.ts'

/** What one serving thread is asked for whenever its metrics are read. */
export interface ServingParts {
  /** Grows as listeners are opened. */
  readonly listeners: readonly Listener[]
  readonly active: ActiveExchanges<InterruptibleExchange>
  readonly upstream: UpstreamClient
  readonly budget: MemoryBudget
  readonly cache: MemoryCache
  readonly ledger: LimitLedger
}

/** Has the metrics of a serving thread read where they are kept; nothing is counted twice. */
export function sampleServing(metrics: Metrics, parts: ServingParts): void {
  const { listeners, active, upstream, budget, cache, ledger } = parts
  const sum = (read: (listener: Listener) => number): number =>
    listeners.reduce((total, listener) => total + read(listener), 0)
  // A thread that replaces another goes on counting where that one stopped.
  const countOn = (name: CounterName, read: () => number): void => {
    const before = metrics.counterOf(name, []).value
    metrics.sampled(name, [], () => before + read())
  }
  countOn('pratu_connections_accepted_total', () => sum((listener) => listener.accepted))
  countOn('pratu_requests_received_total', () => sum((listener) => listener.received))
  metrics.sampled('pratu_connections_open', [], () => sum((listener) => listener.connections))
  metrics.sampled('pratu_requests_in_flight', [], () => active.size)
  metrics.sampled('pratu_streams_open', [], () => openStreams(active))
  metrics.sampled('pratu_upstream_connections_open', [], () => upstream.connections())
  metrics.sampled('pratu_memory_buffer_bytes', [], () => budget.used)
  metrics.sampled('pratu_memory_buffer_limit_bytes', [], () => budget.limit)
  metrics.sampled('pratu_cache_bytes', [], () => cache.usage().usedBytes)
  metrics.sampled('pratu_rate_limit_counters', [], () => ledger.usage().counters)
  metrics.sampled('pratu_rate_limit_overflows_total', [], () => ledger.usage().overflowed)
  metrics.sampled('pratu_limits_degraded', [], () => (ledger.degraded ? 1 : 0))
  const waiting = (): number => ledger.corrections().waitingBytes
  metrics.sampled('pratu_limits_corrections_waiting_bytes', [], waiting)
  countOn('pratu_limits_corrections_lost_total', () => ledger.corrections().lost)
}

function openStreams(active: ActiveExchanges<InterruptibleExchange>): number {
  let streams = 0
  for (const exchange of active.toArray()) if (exchange.eventStream) streams++
  return streams
}
