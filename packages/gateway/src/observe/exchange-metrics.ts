import type { Outcome, RouteRef, ServiceRef } from '@pratu/plugin-kit'
import type { Counter, Histogram } from './metric-handles.ts'
import type { Metrics } from './metrics.ts'
import { RouteSeries, seriesLabels, statusOf, type RecordedExchange } from './route-series.ts'

/** Records exchanges at their end. One per thread, process-lived. */
export class ExchangeMetrics {
  readonly #metrics: Metrics
  readonly #namespace: string
  readonly #overhead: Histogram
  readonly #refused = new Map<string, Counter>()
  readonly #unrouted: (Counter | undefined)[] = []
  #kong = false

  constructor(metrics: Metrics, options: { readonly namespace: string | undefined }) {
    this.#metrics = metrics
    this.#namespace = options.namespace ?? ''
    this.#overhead = metrics.histogram('pratu_gateway_overhead_seconds')
  }

  /** Which names requests without a route are counted under; call it when a snapshot takes over. */
  useCompatibility(compatibility: 'pratu' | 'kong'): void {
    this.#kong = compatibility === 'kong'
  }

  /** The series of a route: call it when a snapshot is built and keep it with the route. */
  series(
    route: Pick<RouteRef, 'id' | 'name'>,
    service: Pick<ServiceRef, 'name' | 'host'> | undefined,
    compatibility: 'pratu' | 'kong',
  ): RouteSeries {
    return new RouteSeries(this.#metrics, seriesLabels(route, service), {
      namespace: this.#namespace,
      compatibility,
    })
  }

  /**
   * Records one exchange, once, after its log phase.
   *
   * @param series of the route that matched; `undefined` when none did: then only the article's requests by status, as
   * Kong records nothing for those (kong.md §3.6).
   * @param firstTokenMs for event streams: arrival to the first token (or body byte), ms; -1 for anything else.
   */
  record(
    series: RouteSeries | undefined,
    exchange: RecordedExchange,
    outcome: Outcome,
    firstTokenMs = -1,
  ): void {
    const { record } = exchange
    if (outcome === 'client_stalled') {
      this.#metrics.counter('pratu_client_timeouts_total', ['write']).add(1)
    }
    if (series === undefined) {
      this.#recordUnrouted(statusOf(record))
      return
    }
    series.record(exchange, outcome, firstTokenMs)
    if (record.status === 0) return
    this.#metrics.latency.record(firstTokenMs >= 0 ? firstTokenMs : record.requestLatencyMs)
    const answered =
      record.firstByteLatencyMs >= 0 ? record.firstByteLatencyMs : record.requestLatencyMs
    const upstream = Math.max(0, record.upstreamLatencyMs)
    this.#overhead.observe(Math.max(0, answered - upstream) / 1000)
  }

  /**
   * The gateway refused or failed a request.
   *
   * @param code of the error catalogue.
   */
  refused(code: string): void {
    let counter = this.#refused.get(code)
    if (counter === undefined) {
      counter = this.#metrics.counter('pratu_refused_requests_total', [code])
      this.#refused.set(code, counter)
    }
    counter.add(1)
  }

  /**
   * The listener answered a request that never became an exchange (malformed, too large, too many connections).
   *
   * @param code of the error catalogue.
   */
  refusedAtListener(code: string, status: number): void {
    this.refused(code)
    this.#recordUnrouted(status)
  }

  #recordUnrouted(status: number): void {
    if (this.#kong) return
    let counter = this.#unrouted[status]
    if (counter === undefined) {
      counter = this.#metrics.counter('kong_requests_total', ['', '', String(status)])
      this.#unrouted[status] = counter
    }
    counter.add(1)
  }
}

export function createExchangeMetrics(
  metrics: Metrics,
  options: { readonly namespace: string | undefined },
): ExchangeMetrics {
  return new ExchangeMetrics(metrics, options)
}
