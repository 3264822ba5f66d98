import type { Diagnostic } from '../config/index.ts'
import { readClientTotals, type Metrics } from '../observe/index.ts'
import type { AdminState, RefusedConfiguration } from './admin-state.ts'
import { json, message, type AdminResponse } from './respond.ts'

/** Kong's hash of a configuration that is not there (kong.md §4.3). */
const NO_HASH = '0'.repeat(32)

export interface StatusDependencies {
  readonly state: AdminState
  readonly metrics: Metrics
  readonly version: string
  /** The container's limit, bytes. */
  readonly memoryLimitBytes: number | undefined
}

/** `unit` and `scale` of the memory figures (kong.md §4.3). */
export interface MemoryFormat {
  readonly unit: string | null
  readonly scale: string | null
}

/**
 * `GET /status`: Kong's fields, and ours under `pratu`.
 *
 * @param privileged whether positions in the configuration may be shown: diagnostics quote it.
 */
export function statusResponse(
  { state, metrics, version, memoryLimitBytes }: StatusDependencies,
  format: MemoryFormat,
  privileged: boolean,
): AdminResponse {
  const memory = formatterOf(format)
  if (memory === undefined) {
    return message(400, 'unit must be one of: b, k, m, g; scale an integer from 0 to 10')
  }
  const usage = process.memoryUsage()
  const current = state.current()
  const failure = state.failure()
  metrics.sample()
  const clients = readClientTotals(metrics)
  return json(200, {
    memory: {
      workers_lua_vms: [{ http_allocated_gc: memory(usage.heapUsed), pid: process.pid }],
      lua_shared_dicts: {},
    },
    server: {
      connections_active: clients.active,
      connections_reading: 0,
      connections_writing: clients.writing,
      connections_waiting: clients.waiting,
      connections_accepted: clients.accepted,
      connections_handled: clients.accepted,
      total_requests: clients.received,
    },
    configuration_hash: current?.hash ?? NO_HASH,
    pratu: {
      version,
      phase: phaseOf(state),
      uptime_seconds: Math.round(process.uptime()),
      generation: current?.generation ?? 0,
      applied_at: current === undefined ? null : isoTime(current.appliedAtMs),
      stale_since: failure === undefined || current === undefined ? null : isoTime(failure.atMs),
      last_error: failure === undefined ? null : errorOf(failure, privileged),
      workers: state.workers(),
      memory: {
        rss_bytes: usage.rss,
        heap_used_bytes: usage.heapUsed,
        limit_bytes: memoryLimitBytes ?? null,
        buffer_bytes: metrics.total('pratu_memory_buffer_bytes'),
        cache_bytes: metrics.total('pratu_cache_bytes'),
      },
    },
  })
}

function phaseOf(state: AdminState): 'starting' | 'serving' | 'draining' {
  if (state.draining() || state.withdrawn()) return 'draining'
  return state.current() === undefined ? 'starting' : 'serving'
}

function errorOf(failure: RefusedConfiguration, privileged: boolean): Record<string, unknown> {
  const { atMs, origin, message: text, problems } = failure
  const errors = problems.filter(({ severity }) => severity === 'error')
  const common = { at: isoTime(atMs), origin, problem_count: errors.length }
  return privileged ? { ...common, message: text, problems: errors.map(problemOf) } : common
}

function problemOf(diagnostic: Diagnostic): Record<string, unknown> {
  const { file, line, column, path, message: text, hint } = diagnostic
  return { file, line, column, path, message: text, ...(hint === undefined ? {} : { hint }) }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

const UNITS: ReadonlyMap<string, { readonly bytes: number; readonly suffix: string }> = new Map([
  ['b', { bytes: 1, suffix: '' }],
  ['k', { bytes: 2 ** 10, suffix: 'KiB' }],
  ['m', { bytes: 2 ** 20, suffix: 'MiB' }],
  ['g', { bytes: 2 ** 30, suffix: 'GiB' }],
])

/** Kong prints `30.50 MiB`; bytes are a bare number. */
function formatterOf({
  unit,
  scale,
}: MemoryFormat): ((bytes: number) => string | number) | undefined {
  const known = UNITS.get((unit ?? 'm').toLowerCase())
  const digits = Number(scale ?? 2)
  if (known === undefined || !Number.isInteger(digits) || digits < 0 || digits > 10)
    return undefined
  if (known.suffix === '') return (bytes) => bytes
  return (bytes) => `${(bytes / known.bytes).toFixed(digits)} ${known.suffix}`
}
