/**
 * The one list of metric names. Everything that records or renders a metric names it from here; `docs/metrics.md` is
 * held to exactly this list by a test.
 *
 * Names that start with `kong_` follow kong.md §3.6, except the three that only the article has (`origin: 'article'`);
 * names without a prefix are fixed by others: the HPA's adapter, cAdvisor, the Prometheus client libraries.
 */

import { LIMIT_METRICS } from './limit-metrics.ts'
import type { MetricDefinition } from './metric-definition.ts'

export type { MetricDefinition } from './metric-definition.ts'

/** Kong's own buckets, milliseconds (kong.md §3.6). */
const KONG_LATENCY_BUCKETS_MS = [
  1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000,
] as const
const KONG_REQUEST_BUCKETS_MS = [
  25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10_000, 30_000, 60_000,
] as const
/** Completions run for minutes: Kong's upper bound of 60 s would put them all into `+Inf`. */
const DURATION_BUCKETS_MS = [
  5, 10, 25, 50, 100, 250, 500, 750, 1000, 1500, 2500, 5000, 10_000, 20_000, 30_000, 60_000,
  120_000, 300_000, 600_000,
] as const
const OVERHEAD_BUCKETS_SECONDS = [
  0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5,
] as const
const FIRST_TOKEN_BUCKETS_SECONDS = [
  0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 120, 300, 600,
] as const

export const METRICS = {
  // The article's three
  kong_request_duration_ms: {
    type: 'histogram',
    help: 'Request latency in ms; for event streams the time to the first token',
    labels: ['service', 'route'],
    buckets: DURATION_BUCKETS_MS,
    origin: 'article',
  },
  kong_requests_total: {
    type: 'counter',
    help: 'Requests answered, by status; service and route are empty when none matched, 499 is a client that left unanswered',
    labels: ['service', 'route', 'status'],
    origin: 'article',
  },
  kong_rate_limiting_count_total: {
    type: 'counter',
    help: 'Grows per counted request by period in seconds / limit, so that rate() is the share of the limit in use',
    labels: ['service', 'route', 'limit_period'],
    origin: 'article',
  },

  // Kong's families
  kong_http_requests_total: {
    type: 'counter',
    help: 'HTTP status codes per consumer/service/route',
    labels: ['service', 'route', 'code', 'source', 'workspace', 'consumer'],
  },
  kong_kong_latency_ms: {
    type: 'histogram',
    help: 'Latency added by the gateway before the upstream is called, in ms',
    labels: ['service', 'route', 'workspace'],
    buckets: KONG_LATENCY_BUCKETS_MS,
  },
  kong_upstream_latency_ms: {
    type: 'histogram',
    help: 'Latency of the upstream until its response headers, in ms',
    labels: ['service', 'route', 'workspace'],
    buckets: KONG_REQUEST_BUCKETS_MS,
  },
  kong_request_latency_ms: {
    type: 'histogram',
    help: 'Total latency of a request, in ms',
    labels: ['service', 'route', 'workspace'],
    buckets: KONG_REQUEST_BUCKETS_MS,
  },
  kong_bandwidth_bytes: {
    type: 'counter',
    help: 'Bytes received from clients (ingress) and sent to them (egress)',
    labels: ['service', 'route', 'direction', 'workspace', 'consumer'],
  },
  kong_upstream_target_health: {
    type: 'gauge',
    help: 'Health of the targets of upstreams: 1 in the state that holds',
    labels: ['upstream', 'target', 'address', 'state', 'subsystem'],
  },
  kong_nginx_connections_total: {
    type: 'gauge',
    help: 'Client connections by state',
    labels: ['node_id', 'subsystem', 'state'],
  },
  kong_nginx_requests_total: {
    type: 'gauge',
    help: 'Requests received',
    labels: ['node_id', 'subsystem'],
  },
  kong_nginx_timers: {
    type: 'gauge',
    help: 'Timers by state; always 0, there is no nginx',
    labels: ['state'],
  },
  kong_nginx_metric_errors_total: {
    type: 'counter',
    help: 'Metrics that could not be read for a scrape',
    labels: [],
  },
  kong_datastore_reachable: {
    type: 'gauge',
    help: 'Datastore reachable from the node; always 1, there is none',
    labels: [],
  },
  kong_node_info: { type: 'gauge', help: 'Node metadata', labels: ['node_id', 'version'] },
  kong_memory_workers_lua_vms_bytes: {
    type: 'gauge',
    help: 'Memory of the script heaps (JavaScript here), in bytes',
    labels: ['node_id', 'pid', 'kong_subsystem'],
  },

  // For the autoscaler's adapter and the article's memory alert
  http_requests_total: {
    type: 'counter',
    help: 'Requests that matched a route, counted when they match; no probes, no scrapes',
    labels: ['namespace', 'service', 'route'],
  },
  container_memory_usage_bytes: {
    type: 'gauge',
    help: "The container's memory in use, from its cgroup, in bytes",
    labels: [],
  },
  container_spec_memory_limit_bytes: {
    type: 'gauge',
    help: "The container's memory limit, from its cgroup, in bytes; absent when there is none",
    labels: [],
  },

  // AI traffic
  pratu_llm_tokens_total: {
    type: 'counter',
    help: 'Tokens by kind: input, cache_read, cache_write, output, reasoning',
    labels: ['service', 'provider', 'model', 'kind', 'usage_source'],
  },
  pratu_llm_requests_total: {
    type: 'counter',
    help: 'AI calls that were metered',
    labels: ['service', 'provider', 'model', 'outcome'],
  },
  pratu_llm_cost_dollars_total: {
    type: 'counter',
    help: 'Cost of metered calls in US dollars; calls without a known price are in pratu_llm_unpriced_total instead',
    labels: ['service', 'provider', 'model', 'consumer'],
  },
  pratu_llm_unpriced_total: {
    type: 'counter',
    help: 'Metered calls whose price is not known',
    labels: ['service', 'provider', 'model'],
  },
  pratu_llm_time_to_first_token_seconds: {
    type: 'histogram',
    help: 'Arrival of the request to the first content of the answer, in seconds',
    labels: ['service', 'provider', 'model'],
    buckets: FIRST_TOKEN_BUCKETS_SECONDS,
  },
  pratu_llm_attempts_total: {
    type: 'counter',
    help: 'Tries of a provider, by result: ok or the error code',
    labels: ['provider', 'model', 'result'],
  },
  pratu_llm_usage_anomalies_total: {
    type: 'counter',
    help: 'Usage reports that were missing or impossible and were estimated instead',
    labels: ['service', 'reason'],
  },

  // Traffic
  pratu_exchanges_total: {
    type: 'counter',
    help: 'Exchanges by how they ended',
    labels: ['service', 'route', 'outcome'],
  },
  pratu_gateway_overhead_seconds: {
    type: 'histogram',
    help: 'Time to the first byte of the answer minus the time the upstream took to answer, in seconds',
    labels: [],
    buckets: OVERHEAD_BUCKETS_SECONDS,
  },
  pratu_streams_open: { type: 'gauge', help: 'Event streams open to clients', labels: [] },
  pratu_cache_requests_total: {
    type: 'counter',
    help: 'Requests seen by a cache, by status: hit, follow (given the answer to an equal request under way), miss, refresh, bypass',
    labels: ['service', 'route', 'status'],
  },
  pratu_cache_saved_dollars_total: {
    type: 'counter',
    help: 'What answers from a cache had cost when they were made, in US dollars; without those whose price is not known',
    labels: ['service', 'route'],
  },
  pratu_cache_saved_tokens_total: {
    type: 'counter',
    help: 'Tokens of answers from a cache, by kind: input, output',
    labels: ['service', 'route', 'kind'],
  },
  pratu_cache_bytes: { type: 'gauge', help: 'Bytes kept in response caches', labels: [] },
  pratu_upstream_events_total: {
    type: 'counter',
    help: 'What happened on the way to upstreams, by kind: retry, resolution-failed, addresses-changed, …',
    labels: ['event'],
  },
  pratu_upstream_connections_open: {
    type: 'gauge',
    help: 'Sockets open to upstreams',
    labels: [],
  },
  pratu_rate_limit_counters: {
    type: 'gauge',
    help: 'Counters of limits in use in the current windows, of all periods',
    labels: [],
    // One table for all threads: each reports the same.
    across: 'max',
  },
  pratu_rate_limit_overflows_total: {
    type: 'counter',
    help: 'Times that a limit was counted together with others because its window had no free counter',
    labels: [],
    across: 'max',
  },
  ...LIMIT_METRICS,

  // The listener
  pratu_requests_received_total: {
    type: 'counter',
    help: 'Requests received on the proxy port, health checks included',
    labels: [],
  },
  pratu_requests_in_flight: { type: 'gauge', help: 'Requests being answered', labels: [] },
  pratu_connections_open: { type: 'gauge', help: 'Client connections open', labels: [] },
  pratu_connections_accepted_total: {
    type: 'counter',
    help: 'Client connections accepted',
    labels: [],
  },
  pratu_connections_refused_total: {
    type: 'counter',
    help: 'Client connections refused because there were too many',
    labels: [],
  },
  pratu_client_timeouts_total: {
    type: 'counter',
    help: 'Clients that were too slow, by phase: headers, body, write',
    labels: ['phase'],
  },
  pratu_refused_requests_total: {
    type: 'counter',
    help: 'Requests the gateway itself refused or failed, by error code',
    labels: ['code'],
  },

  // The node
  pratu_build_info: { type: 'gauge', help: 'Always 1', labels: ['version', 'node_version'] },
  pratu_config_generation: {
    type: 'gauge',
    help: 'Number of the configuration in use; 0 before the first',
    labels: [],
    across: 'max',
  },
  pratu_config_reloads_total: {
    type: 'counter',
    help: 'Attempts to load a configuration, by result: success, failure',
    labels: ['result'],
  },
  pratu_config_last_applied_timestamp_seconds: {
    type: 'gauge',
    help: 'When the configuration in use was applied, epoch seconds',
    labels: [],
    across: 'max',
  },
  pratu_config_stale_since_seconds: {
    type: 'gauge',
    help: 'Since when newer configurations are refused, epoch seconds; 0 while the newest is in use',
    labels: [],
    across: 'max',
  },
  pratu_log_dropped_total: {
    type: 'counter',
    help: 'Log lines dropped because their reader was too slow or gone, by destination',
    labels: ['destination'],
  },
  pratu_metrics_dropped_total: {
    type: 'counter',
    help: 'Values recorded under "other", or not at all, because a metric had too many series',
    labels: ['metric'],
  },
  pratu_memory_buffer_bytes: {
    type: 'gauge',
    help: 'Bytes of buffered bodies, of the memory budget',
    labels: [],
  },
  pratu_memory_buffer_limit_bytes: {
    type: 'gauge',
    help: 'The memory budget for buffered bodies, in bytes',
    labels: [],
  },
  pratu_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'Delay of the event loop: the worst 10 s of the last 30 s and the slowest worker',
    labels: ['percentile'],
    across: 'max',
  },
  pratu_workers: {
    type: 'gauge',
    help: 'Serving threads',
    labels: [],
    across: 'max',
  },
  pratu_worker_restarts_total: {
    type: 'counter',
    help: 'Serving threads that were replaced after a fault',
    labels: [],
  },
  pratu_drain_forced_streams_total: {
    type: 'counter',
    help: 'Answers cut because the time to drain was over',
    labels: [],
  },
  process_cpu_seconds_total: {
    type: 'counter',
    help: 'User and system CPU time of the process, in seconds',
    labels: [],
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of the process, in bytes',
    labels: [],
  },
  process_heap_bytes: { type: 'gauge', help: 'JavaScript heap in use, in bytes', labels: [] },
  process_open_fds: { type: 'gauge', help: 'Open file descriptors', labels: [] },
  process_max_fds: { type: 'gauge', help: 'Limit of open file descriptors', labels: [] },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'Start of the process, epoch seconds',
    labels: [],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof METRICS

type NamesOf<Type extends MetricDefinition['type']> = {
  [Name in MetricName]: (typeof METRICS)[Name]['type'] extends Type ? Name : never
}[MetricName]

export type CounterName = NamesOf<'counter'>
export type GaugeName = NamesOf<'gauge'>
export type HistogramName = NamesOf<'histogram'>

/** One text per label, in the order of the definition. */
type Texts<Labels extends readonly string[]> = { readonly [Index in keyof Labels]: string }

/** What a look-up takes after the name: nothing for a metric without labels. */
export type LabelArguments<Name extends MetricName> =
  (typeof METRICS)[Name]['labels'] extends readonly []
    ? readonly []
    : readonly [labels: Texts<(typeof METRICS)[Name]['labels']>]

/** A metric's definition without its literal types. */
export function metricDefinition(name: MetricName): MetricDefinition {
  return METRICS[name]
}

export function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name)
}
