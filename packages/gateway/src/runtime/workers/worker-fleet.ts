import { MessageChannel, Worker, type ResourceLimits } from 'node:worker_threads'
import { createCounterTable, type CounterTable } from '../../limits/index.ts'
import type { ListenAddress, NodeSettings } from '../../config/index.ts'
import {
  receiveLogs,
  type Logger,
  type LogSink,
  type Metrics,
  type MetricStorage,
} from '../../observe/index.ts'
import type { Candidate } from '../candidate.ts'
import type { Fleet } from '../fleet.ts'
import { isReport, type Command, type Report, type WorkerStart } from './messages.ts'
import { SharedState } from './shared-state.ts'

export interface WorkerFleetDeps {
  readonly settings: NodeSettings
  readonly metrics: Metrics
  readonly storage: MetricStorage
  readonly logger: Logger
  /** Where the lines of workers go, by log name. */
  readonly sinks: ReadonlyMap<string, LogSink>
  readonly terminal: boolean
  readonly timings?: Partial<FleetTimings>
}

export interface FleetTimings {
  /** A worker without a sign of life for this long is stuck and is ended (F50). */
  readonly stuckMs: number
  readonly checkMs: number
  /** First and longest pause before a worker that keeps dying is started again. */
  readonly firstRestartMs: number
  readonly lastRestartMs: number
  /** How long a worker may take to answer a command. */
  readonly answerMs: number
}

const TIMINGS: FleetTimings = {
  stuckMs: 5000,
  checkMs: 500,
  firstRestartMs: 50,
  lastRestartMs: 10_000,
  answerMs: 30_000,
}

/** A worker that lived this long was no crash loop. */
const STABLE_MS = 30_000

interface Slot {
  readonly worker: number
  thread: Worker | undefined
  startedAt: number
  restartMs: number
  beats: number
  beatAt: number
  /** Its defect is known: it finishes what it has, and its place is taken already. */
  waiting: Map<Report['kind'], (report: Report) => void>
}

/**
 * Serving threads that listen on one port (`SO_REUSEPORT`). A thread is replaced only after a fault; what it was
 * answering breaks, everything else goes on (F50).
 */
export class WorkerFleet implements Fleet {
  readonly #deps: WorkerFleetDeps
  readonly #timings: FleetTimings
  readonly #counters: CounterTable = createCounterTable()
  readonly #state: SharedState
  readonly #slots: Slot[]
  readonly #watch: NodeJS.Timeout
  #addresses: readonly ListenAddress[] | undefined
  #committed: { readonly generation: number; readonly portions: readonly Uint8Array[] } | undefined
  #candidate: { readonly generation: number; readonly portions: readonly Uint8Array[] } | undefined
  #stopping = false

  constructor(deps: WorkerFleetDeps) {
    this.#deps = deps
    this.#timings = { ...TIMINGS, ...deps.timings }
    const { workers } = deps.settings
    this.#state = new SharedState(workers)
    const now = performance.now()
    this.#slots = Array.from({ length: workers }, (_, worker) => ({
      worker,
      thread: undefined,
      startedAt: now,
      restartMs: this.#timings.firstRestartMs,
      beats: 0,
      beatAt: now,
      waiting: new Map(),
    }))
    for (const slot of this.#slots) this.#spawn(slot)
    this.#watch = setInterval(this.#endStuckWorkers, this.#timings.checkMs)
    this.#watch.unref()
    deps.metrics.gauge('pratu_workers').set(workers)
  }

  #spawn(slot: Slot): void {
    const { settings, storage, sinks, terminal, logger } = this.#deps
    const errors = new MessageChannel()
    const accesses = new MessageChannel()
    const start: WorkerStart = {
      worker: slot.worker,
      workers: this.#slots.length,
      settings: { ...settings, adminToken: undefined },
      counters: this.#counters,
      metrics: storage,
      state: this.#state.buffer,
      terminal,
      logs: { error: errors.port2, access: accesses.port2 },
    }
    receiveLogs(errors.port1, sinks)
    receiveLogs(accesses.port1, sinks)
    // The compiler does not rewrite this path: in the package the entry ends in .js.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
      workerData: start,
      transferList: [errors.port2, accesses.port2],
      resourceLimits: heapLimits(settings, this.#slots.length),
    })
    slot.thread = thread
    slot.startedAt = performance.now()
    slot.beats = this.#state.beats(slot.worker)
    slot.beatAt = performance.now()
    thread.on('message', (message: unknown) => {
      if (isReport(message)) this.#receive(slot, thread, message)
    })
    thread.on('error', (error) => {
      logger.error('a worker died', { worker: slot.worker, error })
    })
    thread.on('exit', (code) => this.#exited(slot, thread, code))
  }

  #receive(slot: Slot, thread: Worker, report: Report): void {
    if (report.kind === 'failing') {
      this.#deps.logger.error('a worker has a defect and is replaced', {
        worker: slot.worker,
        reason: report.reason,
      })
      if (slot.thread === thread) this.#replace(slot)
      return
    }
    if (slot.thread !== thread) return
    const resolve = slot.waiting.get(report.kind)
    slot.waiting.delete(report.kind)
    resolve?.(report)
  }

  #exited(slot: Slot, thread: Worker, code: number): void {
    if (slot.thread !== thread) return
    for (const [kind, resolve] of slot.waiting) resolve(failureOf(kind))
    slot.waiting.clear()
    if (this.#stopping) {
      slot.thread = undefined
      return
    }
    this.#deps.logger.error('a worker ended and is replaced', { worker: slot.worker, code })
    this.#replace(slot)
  }

  /** Restarts at once the first time, then with growing pauses while it keeps dying. */
  #replace(slot: Slot): void {
    slot.thread = undefined
    if (this.#stopping) return
    const stable = performance.now() - slot.startedAt > STABLE_MS
    if (stable) slot.restartMs = this.#timings.firstRestartMs
    const pauseMs = slot.restartMs
    slot.restartMs = Math.min(slot.restartMs * 2, this.#timings.lastRestartMs)
    const timer = setTimeout(() => {
      if (this.#stopping) return
      this.#spawn(slot)
      void this.#bringUp(slot)
    }, pauseMs)
    timer.unref()
  }

  /** A replacement gets the configuration in use, then the port. */
  async #bringUp(slot: Slot): Promise<void> {
    const { logger } = this.#deps
    try {
      if (this.#committed !== undefined) await this.#prepareOne(slot, this.#committed)
      if (this.#candidate !== undefined) await this.#prepareOne(slot, this.#candidate)
      if (this.#addresses !== undefined) await this.#listenOne(slot, this.#addresses)
      logger.info('a worker is back', { worker: slot.worker })
    } catch (error) {
      logger.error('a replaced worker could not start', { worker: slot.worker, error })
      void slot.thread?.terminate()
    }
  }

  readonly #endStuckWorkers = (): void => {
    const now = performance.now()
    for (const slot of this.#slots) {
      const beats = this.#state.beats(slot.worker)
      if (beats !== slot.beats || slot.thread === undefined) {
        slot.beats = beats
        slot.beatAt = now
      } else if (now - slot.beatAt > this.#timings.stuckMs) {
        this.#deps.logger.error('a worker is stuck and is ended', { worker: slot.worker })
        slot.beatAt = now
        void slot.thread.terminate()
      }
    }
  }

  #ask<Kind extends Report['kind']>(
    slot: Slot,
    command: Command,
    kind: Kind,
  ): Promise<Extract<Report, { kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        slot.waiting.delete(kind)
        reject(new Error(`worker ${slot.worker} did not answer '${command.kind}'`))
      }, this.#timings.answerMs)
      slot.waiting.set(kind, (report) => {
        clearTimeout(timer)
        // `waiting` is keyed by the report's kind.
        resolve(report as Extract<Report, { kind: Kind }>)
      })
      slot.thread?.postMessage(command)
    })
  }

  #tellAll(command: Command): void {
    for (const { thread } of this.#slots) thread?.postMessage(command)
  }

  async listen(): Promise<readonly ListenAddress[]> {
    const [first, ...others] = this.#slots
    if (first === undefined) throw new Error('a fleet has at least one worker')
    // With port 0 the first worker finds a free port that the others then share.
    this.#addresses = await this.#listenOne(first, this.#deps.settings.proxyListen)
    const addresses = this.#addresses
    await Promise.all(others.map((slot) => this.#listenOne(slot, addresses)))
    return addresses
  }

  async #listenOne(
    slot: Slot,
    wanted: readonly ListenAddress[],
  ): Promise<readonly ListenAddress[]> {
    const report = await this.#ask(slot, { kind: 'listen', addresses: wanted }, 'listening')
    if (report.error !== undefined) throw new Error(report.error)
    return report.addresses
  }

  async prepare({ generation, portions }: Candidate): Promise<void> {
    this.#candidate = { generation, portions: portions() }
    const candidate = this.#candidate
    await Promise.all(
      this.#slots
        .filter(({ thread }) => thread !== undefined)
        .map((slot) => this.#prepareOne(slot, candidate)),
    )
  }

  async #prepareOne(
    slot: Slot,
    {
      generation,
      portions,
    }: { readonly generation: number; readonly portions: readonly Uint8Array[] },
  ): Promise<void> {
    const report = await this.#ask(slot, { kind: 'prepare', generation, portions }, 'prepared')
    if (report.error !== undefined) throw new Error(report.error)
  }

  commit(generation: number): void {
    this.#committed = this.#candidate
    this.#candidate = undefined
    this.#state.generation = generation
  }

  abort(generation: number): void {
    this.#candidate = undefined
    this.#tellAll({ kind: 'abort', generation })
  }

  drain(): void {
    this.#state.startDraining()
    this.#tellAll({ kind: 'drain' })
  }

  stopAccepting(): void {
    this.#tellAll({ kind: 'stop-accepting' })
  }

  async settled(timeoutMs: number): Promise<boolean> {
    const reports = await Promise.all(
      this.#living().map((slot) =>
        this.#ask(slot, { kind: 'await-settled', timeoutMs }, 'settled'),
      ),
    )
    return reports.every(({ all }) => all)
  }

  async interruptAll(): Promise<number> {
    const reports = await Promise.all(
      this.#living().map((slot) => this.#ask(slot, { kind: 'interrupt' }, 'interrupted')),
    )
    return reports.reduce((sum, { count }) => sum + count, 0)
  }

  async close(graceMs: number): Promise<void> {
    this.#stopping = true
    clearInterval(this.#watch)
    const living = this.#living()
    await Promise.all(living.map((slot) => this.#ask(slot, { kind: 'close', graceMs }, 'closed')))
    await Promise.all(living.map(async ({ thread }) => thread?.terminate()))
  }

  purgeCache(owner: string | undefined): void {
    this.#tellAll({ kind: 'purge-cache', owner })
  }

  #living(): readonly Slot[] {
    return this.#slots.filter(({ thread }) => thread !== undefined)
  }
}

/** What a command's waiter is told when its worker has ended. */
function failureOf(kind: Report['kind']): Report {
  const error = 'the worker ended'
  switch (kind) {
    case 'prepared':
      return { kind, generation: 0, error }
    case 'listening':
      return { kind, addresses: [], error }
    case 'settled':
      return { kind, all: true }
    case 'interrupted':
      return { kind, count: 0 }
    case 'closed':
      return { kind }
    case 'failing':
      return { kind, reason: error }
  }
}

/** Each thread gets its share of what the caches leave of the container's memory (F52). */
function heapLimits({ memory }: NodeSettings, workers: number): ResourceLimits {
  if (memory.limitBytes === undefined) return {}
  const heap = (memory.limitBytes - memory.cacheBytes) / 2 / workers
  return { maxOldGenerationSizeMb: Math.max(64, Math.floor(heap / (1024 * 1024))) }
}
