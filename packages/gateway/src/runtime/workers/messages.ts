import type { MessagePort } from 'node:worker_threads'
import type { CachedResponse } from '@pratu/plugin-kit'
import type { CacheLabels } from '../../cache/index.ts'
import type { LimitReading, LimitsQuestion } from '../../admin/index.ts'
import type { ListenAddress, NodeSettings } from '../../config/index.ts'
import type { CounterTable } from '../../limits/index.ts'
import type { MetricStorage } from '../../observe/index.ts'
import type { JournalSecrets } from '../open-journal.ts'

/** Everything that a worker starts with; plain data and shared memory. */
export interface WorkerStart {
  readonly worker: number
  readonly workers: number
  /** Whether this thread counts budgets again: the first one of a process. */
  readonly rebuilds: boolean
  /** Without the admin token: workers serve no admin requests, and a `Secret` does not travel. */
  readonly settings: NodeSettings
  readonly secrets: JournalSecrets
  readonly counters: CounterTable
  readonly metrics: MetricStorage
  /** Which part of `metrics` this thread writes: its alone while it lives. */
  readonly region: number
  /** Of the `SharedState` of all threads. */
  readonly state: SharedArrayBuffer
  /** Of this thread's own `Pulse`. */
  readonly pulse: SharedArrayBuffer
  /** The way of log lines to the main thread. */
  readonly logs: MessagePort
  /** Log destinations that are terminals. */
  readonly terminals: ReadonlySet<string>
}

/** Main thread to worker. */
export type Command =
  | {
      readonly kind: 'prepare'
      readonly generation: number
      readonly portions: readonly Uint8Array[]
    }
  | { readonly kind: 'abort'; readonly generation: number }
  /** The committed generation has changed: a worker without requests would not notice by itself. */
  | { readonly kind: 'adopt' }
  | { readonly kind: 'listen'; readonly addresses: readonly ListenAddress[] }
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop-accepting' }
  | { readonly kind: 'await-settled'; readonly timeoutMs: number }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'close'; readonly graceMs: number }
  | { readonly kind: 'read-cached'; readonly owner: string; readonly key: string }
  | { readonly kind: 'remove-cached'; readonly owner: string; readonly key: string }
  | {
      readonly kind: 'purge-cached'
      readonly owners: readonly string[]
      readonly labels: CacheLabels | undefined
    }
  | { readonly kind: 'read-limits'; readonly question: LimitsQuestion }
  | { readonly kind: 'reset-limits'; readonly meter: string | undefined; readonly scope: string }

/** What the answer to a command holds. */
export interface Answers {
  readonly prepare: undefined
  readonly abort: undefined
  readonly adopt: undefined
  readonly listen: readonly ListenAddress[]
  readonly drain: undefined
  readonly 'stop-accepting': undefined
  /** Whether every exchange had settled in time. */
  readonly 'await-settled': boolean
  /** How many exchanges were ended. */
  readonly interrupt: number
  readonly close: undefined
  readonly 'read-cached': CachedResponse | undefined
  /** Whether there was such an answer. */
  readonly 'remove-cached': boolean
  readonly 'purge-cached': undefined
  readonly 'read-limits': readonly LimitReading[]
  /** Of how many meters. */
  readonly 'reset-limits': number
}

export interface Order {
  readonly id: number
  readonly command: Command
}

/** Worker to main thread. */
export type Report =
  | { readonly kind: 'done'; readonly id: number; readonly value: Answers[Command['kind']] }
  | { readonly kind: 'refused'; readonly id: number; readonly error: SentError }
  /** A defect was caught: replace this worker, it finishes what it has and ends. */
  | { readonly kind: 'failing'; readonly reason: string }

/** What of an error survives the way between threads, a system error's code included. */
export interface SentError {
  readonly message: string
  readonly code: string | undefined
  readonly syscall: string | undefined
  readonly port: number | undefined
}

export function toSentError(error: unknown): SentError {
  if (!(error instanceof Error))
    return { message: String(error), code: undefined, syscall: undefined, port: undefined }
  const { code, syscall } = error as NodeJS.ErrnoException
  const port = 'port' in error && typeof error.port === 'number' ? error.port : undefined
  return { message: error.message, code, syscall, port }
}

export function fromSentError({ message, code, syscall, port }: SentError): Error {
  const error = new Error(message)
  return code === undefined ? error : Object.assign(error, { code, syscall, port })
}
