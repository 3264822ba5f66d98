import type { MessagePort } from 'node:worker_threads'
import type { ListenAddress, NodeSettings } from '../../config/index.ts'
import type { CounterTable } from '../../limits/index.ts'
import type { MetricStorage } from '../../observe/index.ts'

/** Everything that a worker starts with; plain data and shared memory. */
export interface WorkerStart {
  readonly worker: number
  readonly workers: number
  /** Without the admin token: workers serve no admin requests, and a `Secret` does not travel. */
  readonly settings: NodeSettings
  readonly counters: CounterTable
  readonly metrics: MetricStorage
  readonly state: SharedArrayBuffer
  readonly terminal: boolean
  /** A channel per log, so that each counts its own bytes under way. */
  readonly logs: { readonly error: MessagePort; readonly access: MessagePort }
}

/** Main thread to worker. */
export type Command =
  | {
      readonly kind: 'prepare'
      readonly generation: number
      readonly portions: readonly Uint8Array[]
    }
  | { readonly kind: 'abort'; readonly generation: number }
  | { readonly kind: 'listen'; readonly addresses: readonly ListenAddress[] }
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop-accepting' }
  | { readonly kind: 'await-settled'; readonly timeoutMs: number }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'close'; readonly graceMs: number }
  | { readonly kind: 'purge-cache'; readonly owner: string | undefined }

/** Worker to main thread; `reply` answers the command of the same kind. */
export type Report =
  | { readonly kind: 'prepared'; readonly generation: number; readonly error: string | undefined }
  | {
      readonly kind: 'listening'
      readonly addresses: readonly ListenAddress[]
      readonly error: string | undefined
    }
  | { readonly kind: 'settled'; readonly all: boolean }
  | { readonly kind: 'interrupted'; readonly count: number }
  | { readonly kind: 'closed' }
  /** A defect was caught: replace this worker, it finishes what it has and ends. */
  | { readonly kind: 'failing'; readonly reason: string }

export function isReport(message: unknown): message is Report {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    typeof message.kind === 'string' &&
    REPORT_KINDS.has(message.kind)
  )
}

const REPORT_KINDS: ReadonlySet<string> = new Set<Report['kind']>([
  'prepared',
  'listening',
  'settled',
  'interrupted',
  'closed',
  'failing',
])

export function isCommand(message: unknown): message is Command {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    typeof message.kind === 'string' &&
    COMMAND_KINDS.has(message.kind)
  )
}

const COMMAND_KINDS: ReadonlySet<string> = new Set<Command['kind']>([
  'prepare',
  'abort',
  'listen',
  'drain',
  'stop-accepting',
  'await-settled',
  'interrupt',
  'close',
  'purge-cache',
])
