import { readFileSync, readdirSync } from 'node:fs'
import { readCgroup, type CgroupFacts } from '../config/index.ts'
import type { Metrics } from './metrics.ts'
import type { ComputedSample } from './text-format.ts'

export interface NodeMetricsOptions {
  /** Kong's `node_id`: a UUID per process. */
  readonly nodeId: string
  /** Of this gateway. */
  readonly version: string
  /** Whether the container's memory is exported under cAdvisor's names (`NodeSettings.containerMetrics`). */
  readonly containerMetrics: boolean
  /** Replaces the reading of the cgroup, for tests. */
  readonly readMemory?: () => ContainerMemory
}

type ContainerMemory = Pick<CgroupFacts, 'memoryUsageBytes' | 'memoryLimitBytes'>

/**
 * Everything about the process and the node that is read at a scrape. Only for the thread that renders: a second one
 * would count the process twice.
 */
export function registerNodeMetrics(metrics: Metrics, options: NodeMetricsOptions): void {
  registerKongNode(metrics, options)
  registerProcess(metrics)
  if (options.containerMetrics) registerContainer(metrics, options.readMemory ?? readCgroup)
  metrics.gauge('pratu_build_info', [options.version, process.versions.node]).set(1)
}

/** The families that Kong always has (kong.md §3.6). There are no Lua dictionaries here, so those have no series. */
function registerKongNode(metrics: Metrics, { nodeId, version }: NodeMetricsOptions): void {
  // Computed from series that the same scrape has read just before.
  metrics.collect('kong_nginx_connections_total', () => {
    const { accepted, active, received, writing, waiting } = readClientTotals(metrics)
    const states = { accepted, handled: accepted, total: received, active, writing, waiting }
    return Object.entries({ ...states, reading: 0 }).map(([state, value]): ComputedSample => [
      [nodeId, 'http', state],
      value,
    ])
  })
  metrics.collect('kong_nginx_requests_total', () => [
    [[nodeId, 'http'], readClientTotals(metrics).received],
  ])
  metrics.gauge('kong_nginx_timers', ['running']).set(0)
  metrics.gauge('kong_nginx_timers', ['pending']).set(0)
  metrics.counter('kong_nginx_metric_errors_total').add(0)
  metrics.gauge('kong_datastore_reachable').set(1)
  metrics.gauge('kong_node_info', [nodeId, version]).set(1)
  metrics.sampled(
    'kong_memory_workers_lua_vms_bytes',
    [nodeId, String(process.pid), 'http'],
    () => process.memoryUsage().heapUsed,
  )
}

/** Clients of the proxy port over all threads, as nginx counts them. */
export interface ClientTotals {
  readonly accepted: number
  readonly received: number
  readonly active: number
  /** Being answered. */
  readonly writing: number
  /** Between requests. */
  readonly waiting: number
}

/** As of the last `metrics.sample()` of each thread. */
export function readClientTotals(metrics: Metrics): ClientTotals {
  const active = metrics.total('pratu_connections_open')
  const writing = metrics.total('pratu_requests_in_flight')
  return {
    accepted: metrics.total('pratu_connections_accepted_total'),
    received: metrics.total('pratu_requests_received_total'),
    active,
    writing,
    waiting: Math.max(0, active - writing),
  }
}

function registerProcess(metrics: Metrics): void {
  metrics.sampled('process_cpu_seconds_total', [], () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.sampled('process_resident_memory_bytes', [], () => process.memoryUsage.rss())
  metrics.sampled('process_heap_bytes', [], () => process.memoryUsage().heapUsed)
  metrics.sampled('process_open_fds', [], openFileDescriptors)
  const limit = maxFileDescriptors()
  if (limit !== undefined) metrics.gauge('process_max_fds').set(limit)
  const started = Math.round(Date.now() / 1000 - process.uptime())
  metrics.gauge('process_start_time_seconds').set(started)
}

/** As cAdvisor would report it. No limit is no series: a limit of 0 would make the article's ratio infinite. */
function registerContainer(metrics: Metrics, read: () => ContainerMemory): void {
  if (read().memoryUsageBytes === undefined) return
  metrics.sampled('container_memory_usage_bytes', [], () => read().memoryUsageBytes)
  metrics.sampled('container_spec_memory_limit_bytes', [], () => read().memoryLimitBytes)
}

function openFileDescriptors(): number | undefined {
  if (process.platform !== 'linux') return undefined
  // One of them is the directory that is being read.
  return readdirSync('/proc/self/fd').length - 1
}

function maxFileDescriptors(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return line === null ? undefined : Number(line[1])
}
