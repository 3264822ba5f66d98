import {
  createNoteKey,
  type Exchange,
  type ExchangeRecord,
  type NoteKey,
  type Outcome,
  type RouteRef,
  type ServiceRef,
} from '@pratu/plugin-kit'
import type { Counter, Histogram } from './metric-handles.ts'
import type { Metrics } from './metrics.ts'

/** The flags of Kong's prometheus plugin that decide per-route families (kong.md §3.6). */
export interface PrometheusFlags {
  readonly perConsumer: boolean
  readonly statusCodeMetrics: boolean
  readonly latencyMetrics: boolean
  readonly bandwidthMetrics: boolean
}

/**
 * Where the prometheus plugin leaves its flags, one constant object per instance, in any phase up to `log`. Without it:
 * every family with an empty `consumer`; under `compatibility: kong` none of Kong's per-route families.
 */
export const PROMETHEUS_FLAGS: NoteKey<PrometheusFlags> = createNoteKey('prometheus-flags')

const ALWAYS: PrometheusFlags = {
  perConsumer: false,
  statusCodeMetrics: true,
  latencyMetrics: true,
  bandwidthMetrics: true,
}

/** What an exchange must offer to be recorded; the plugin contract's `Exchange` does. */
export type RecordedExchange = Pick<Exchange, 'record' | 'consumer' | 'note'>

/** Kong's only workspace without Enterprise. */
const WORKSPACE = 'default'
/** nginx's status of a client that left before it was answered. */
const CLIENT_LEFT = 499
/** A status that no server should send; one series for all of them. */
const STRANGE = 999
/** Shown as 0 from a route's first request on, so that `rate()` sees the first failure as an increase. */
const ALARMING = [500, 502, 503, 504]

/** Labels of Kong's families: the service's name, else its host; the route's name, else its id (kong.md §3.6). */
export interface SeriesLabels {
  readonly service: string
  readonly route: string
}

export function seriesLabels(
  route: Pick<RouteRef, 'id' | 'name'>,
  service: Pick<ServiceRef, 'name' | 'host'> | undefined,
): SeriesLabels {
  return { service: service?.name ?? service?.host ?? '', route: route.name ?? route.id }
}

/**
 * The series of one route and service, looked up once when the snapshot is built and registered at the first request,
 * so that thousands of idle routes cost nothing.
 */
export class RouteSeries {
  readonly labels: SeriesLabels
  readonly #metrics: Metrics
  readonly #namespace: string
  readonly #kong: boolean
  #routed: Counter | undefined
  #article: { readonly duration: Histogram; readonly byStatus: (Counter | undefined)[] } | undefined
  #latencies: Latencies | undefined
  readonly #byOutcome = new Map<Outcome, Counter>()
  /** Of requests that are not counted by consumer. */
  readonly #everybody: ConsumerSeries = noSeries()
  /** By username: as many as the configuration has consumers. */
  readonly #byConsumer = new Map<string, ConsumerSeries>()

  constructor(metrics: Metrics, labels: SeriesLabels, options: RouteSeriesOptions) {
    this.#metrics = metrics
    this.labels = labels
    this.#namespace = options.namespace
    this.#kong = options.compatibility === 'kong'
  }

  /** A request matched the route: what the autoscaler counts, so that long streams count when they come. */
  routed(): void {
    this.#routed ??= this.#metrics.counter('http_requests_total', [
      this.#namespace,
      this.labels.service,
      this.labels.route,
    ])
    this.#routed.add(1)
  }

  /** @see ExchangeMetrics.record */
  record(exchange: RecordedExchange, outcome: Outcome, firstTokenMs: number): void {
    const { record } = exchange
    const status = statusOf(record)
    if (!this.#kong)
      this.#recordArticle(status, firstTokenMs >= 0 ? firstTokenMs : record.requestLatencyMs)
    this.#outcome(outcome).add(1)

    const noted = exchange.note(PROMETHEUS_FLAGS)
    const flags = this.#kong ? noted : ALWAYS
    if (flags === undefined) return
    const consumer = noted?.perConsumer === true ? (exchange.consumer?.username ?? '') : ''
    if (flags.statusCodeMetrics) this.#code(status, record.source, consumer).add(1)
    if (flags.latencyMetrics) this.#recordLatencies(exchange)
    if (flags.bandwidthMetrics) this.#recordBandwidth(exchange, consumer)
  }

  #recordArticle(status: number, durationMs: number): void {
    const { service, route } = this.labels
    const article = (this.#article ??= {
      duration: this.#metrics.histogram('kong_request_duration_ms', [service, route]),
      byStatus: [],
    })
    article.duration.observe(durationMs)
    if (article.byStatus.length === 0) {
      for (const alarming of ALARMING) {
        article.byStatus[alarming] = this.#metrics.counter('kong_requests_total', [
          service,
          route,
          String(alarming),
        ])
      }
    }
    let counter = article.byStatus[status]
    if (counter === undefined) {
      counter = this.#metrics.counter('kong_requests_total', [service, route, String(status)])
      article.byStatus[status] = counter
    }
    counter.add(1)
  }

  #outcome(outcome: Outcome): Counter {
    const known = this.#byOutcome.get(outcome)
    if (known !== undefined) return known
    const { service, route } = this.labels
    const counter = this.#metrics.counter('pratu_exchanges_total', [service, route, outcome])
    this.#byOutcome.set(outcome, counter)
    return counter
  }

  #seriesOf(consumer: string): ConsumerSeries {
    if (consumer === '') return this.#everybody
    let series = this.#byConsumer.get(consumer)
    if (series === undefined) this.#byConsumer.set(consumer, (series = noSeries()))
    return series
  }

  #code(status: number, source: 'service' | 'kong', consumer: string): Counter {
    const byStatus = this.#seriesOf(consumer)[source]
    return (byStatus[status] ??= this.#metrics.counter('kong_http_requests_total', [
      this.labels.service,
      this.labels.route,
      String(status),
      source,
      WORKSPACE,
      consumer,
    ]))
  }

  /** Kong's three: before the upstream (all of it when there was none), the upstream, the whole (kong.md §3.6). */
  #recordLatencies({ record }: RecordedExchange): void {
    const { service, route } = this.labels
    const labels = [service, route, WORKSPACE] as const
    const latencies = (this.#latencies ??= {
      kong: this.#metrics.histogram('kong_kong_latency_ms', labels),
      upstream: this.#metrics.histogram('kong_upstream_latency_ms', labels),
      request: this.#metrics.histogram('kong_request_latency_ms', labels),
    })
    const total = record.requestLatencyMs
    latencies.kong.observe(record.proxyLatencyMs >= 0 ? record.proxyLatencyMs : total)
    if (record.upstreamLatencyMs >= 0) latencies.upstream.observe(record.upstreamLatencyMs)
    latencies.request.observe(total)
  }

  #recordBandwidth({ record }: RecordedExchange, consumer: string): void {
    const series = this.#seriesOf(consumer)
    series.ingress ??= this.#bytes('ingress', consumer)
    series.egress ??= this.#bytes('egress', consumer)
    series.ingress.add(record.requestBytes)
    series.egress.add(record.responseBytes)
  }

  #bytes(direction: 'ingress' | 'egress', consumer: string): Counter {
    const { service, route } = this.labels
    return this.#metrics.counter('kong_bandwidth_bytes', [
      service,
      route,
      direction,
      WORKSPACE,
      consumer,
    ])
  }
}

/** What is counted apart for each consumer where the prometheus plugin says so; by status and source of the answer. */
interface ConsumerSeries {
  readonly service: (Counter | undefined)[]
  readonly kong: (Counter | undefined)[]
  ingress: Counter | undefined
  egress: Counter | undefined
}

function noSeries(): ConsumerSeries {
  return { service: [], kong: [], ingress: undefined, egress: undefined }
}

export function statusOf(record: ExchangeRecord): number {
  const { status } = record
  if (status === 0) return CLIENT_LEFT
  return status >= 100 && status <= 599 ? status : STRANGE
}

interface Latencies {
  readonly kong: Histogram
  readonly upstream: Histogram
  readonly request: Histogram
}

export interface RouteSeriesOptions {
  /** The pod's own namespace; empty outside Kubernetes. */
  readonly namespace: string
  readonly compatibility: 'pratu' | 'kong'
}
