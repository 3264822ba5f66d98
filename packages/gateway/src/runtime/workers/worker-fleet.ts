import type { CachedResponse } from '@pratu/plugin-kit'
import type { CacheLabels } from '../../cache/index.ts'
import type { LimitReading, LimitsQuestion } from '../../admin/index.ts'
import type { ListenAddress, NodeSettings } from '../../config/index.ts'
import { createCounterTable } from '../../limits/index.ts'
import { probeAddress } from '../../listener/index.ts'
import type { Logger, LogSink, Metrics, MetricStorage } from '../../observe/index.ts'
import type { Candidate } from '../candidate.ts'
import type { Fleet, FleetWorker } from '../fleet.ts'
import { mergeReadings } from '../known-limits.ts'
import type { JournalSecrets } from '../open-journal.ts'
import type { Command } from './messages.ts'
import { regionCount } from './regions.ts'
import { SharedState } from './shared-state.ts'
import { WorkerPool, type PoolTimings } from './worker-pool.ts'
import { WorkerEnded, type WorkerThread } from './worker-thread.ts'

export interface WorkerFleetDeps {
  readonly settings: NodeSettings
  readonly secrets: JournalSecrets
  readonly metrics: Metrics
  /** With a region for the main thread and two for each worker. */
  readonly storage: MetricStorage
  readonly logger: Logger
  /** Where the lines of workers go, by destination. */
  readonly sinks: ReadonlyMap<string, LogSink>
  readonly timings?: Partial<FleetTimings>
}

export interface FleetTimings extends PoolTimings {
  /** How long a worker may take to answer a command. */
  readonly answerMs: number
}

const TIMINGS: FleetTimings = {
  stuckMs: 5000,
  startMs: 60_000,
  checkMs: 500,
  firstRestartMs: 10,
  lastRestartMs: 10_000,
  stableMs: 30_000,
  answerMs: 60_000,
}

/** At the end: a worker whose event loop turns answers at once, any other is not waited for (F48). */
const LAST_ANSWER_MS = 300

/** A configuration as threads get it. */
interface Sent {
  readonly generation: number
  readonly portions: readonly Uint8Array[]
}

/**
 * Serving threads that listen on one port (`SO_REUSEPORT`). What a thread that dies was answering breaks, everything
 * else goes on (F50).
 */
export class WorkerFleet implements Fleet {
  readonly #settings: NodeSettings
  readonly #timings: FleetTimings
  readonly #state = new SharedState()
  readonly #pool: WorkerPool
  #addresses: readonly ListenAddress[] = []
  #committed: Sent | undefined
  #candidate: Sent | undefined

  constructor(deps: WorkerFleetDeps) {
    this.#settings = deps.settings
    this.#timings = { ...TIMINGS, ...deps.timings }
    this.#pool = new WorkerPool({
      ...deps,
      counters: createCounterTable({ threads: regionCount(deps.settings.workers) }),
      state: this.#state,
      timings: this.#timings,
      bringUp: (thread) => this.#bringUp(thread),
    })
  }

  /** One per worker, but for those that are being replaced. */
  threads(): readonly WorkerThread[] {
    return this.#pool.threads()
  }

  workers(): readonly FleetWorker[] {
    return this.#pool.generations().map((generation, worker) => ({ worker, generation }))
  }

  async listen(): Promise<readonly ListenAddress[]> {
    for (const address of this.#settings.proxyListen) await probeAddress(address)
    const [first, ...others] = this.#pool.threads()
    if (first === undefined) throw new Error('no worker could be started')
    // With port 0 the first worker finds a free port that the others then share.
    const addresses = await this.#listen(first, this.#settings.proxyListen)
    await Promise.all(others.map((thread) => this.#listen(thread, addresses)))
    this.#addresses = addresses
    this.#pool.keepAlive()
    return addresses
  }

  #listen(
    thread: WorkerThread,
    addresses: readonly ListenAddress[],
  ): Promise<readonly ListenAddress[]> {
    return thread.ask({ kind: 'listen', addresses }, this.#timings.answerMs)
  }

  /** A replacement gets the configuration in use, one that is about to be, then the port. */
  async #bringUp(thread: WorkerThread): Promise<void> {
    // Asked for at once: whatever comes later is sent to this thread as to every other.
    const wanted = [this.#committed, this.#candidate].filter((sent) => sent !== undefined)
    await Promise.all(wanted.map((sent) => this.#prepare(thread, sent)))
    await this.#listen(thread, this.#addresses)
  }

  #prepare(thread: WorkerThread, sent: Sent): Promise<undefined> {
    return thread.ask({ kind: 'prepare', ...sent }, this.#timings.answerMs)
  }

  async prepare({ generation, portions }: Candidate): Promise<void> {
    const candidate: Sent = { generation, portions: portions().map(toShared) }
    this.#candidate = candidate
    const threads = this.#pool.threads()
    const outcomes = await Promise.allSettled(
      threads.map((thread) => this.#prepare(thread, candidate)),
    )
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected')
    for (const { reason } of failures) {
      // Who ended for a reason of his own has no say: his replacement gets what is committed then.
      const innocent = reason instanceof WorkerEnded && !reason.outOfMemory
      if (!innocent || failures.length === threads.length) throw reason
    }
  }

  commit(generation: number): void {
    if (this.#candidate?.generation !== generation)
      throw new Error(`generation ${generation} was not prepared`)
    this.#committed = this.#candidate
    this.#candidate = undefined
    this.#state.generation = generation
    this.#tellAll({ kind: 'adopt' })
  }

  abort(generation: number): void {
    this.#candidate = undefined
    this.#tellAll({ kind: 'abort', generation })
  }

  async readCached(owner: string, key: string): Promise<CachedResponse | undefined> {
    const answers = await this.#askAll({ kind: 'read-cached', owner, key }, this.#timings.answerMs)
    return answers.find((found) => found !== undefined)
  }

  async removeCached(owner: string, key: string): Promise<boolean> {
    const answers = await this.#askAll(
      { kind: 'remove-cached', owner, key },
      this.#timings.answerMs,
    )
    return answers.includes(true)
  }

  async purgeCached(owners: readonly string[], labels?: CacheLabels): Promise<void> {
    await this.#askAll({ kind: 'purge-cached', owners, labels }, this.#timings.answerMs)
  }

  /** Counters are shared; which scopes there are is known to the worker that charged them. */
  async readLimits(question: LimitsQuestion): Promise<readonly LimitReading[]> {
    const answers = await this.#askAll({ kind: 'read-limits', question }, this.#timings.answerMs)
    return mergeReadings(answers.filter((readings) => readings !== undefined))
  }

  async resetLimits(meter: string | undefined, scope: string): Promise<number> {
    const [first] = this.#pool.threads()
    if (first === undefined) throw new Error('no worker is there to reset a limit; try again')
    return first.ask({ kind: 'reset-limits', meter, scope }, this.#timings.answerMs)
  }

  withdraw(): void {
    this.#state.withdraw()
  }

  get withdrawn(): boolean {
    return this.#state.withdrawn
  }

  get storeAway(): boolean {
    return this.#pool.threads().some(({ storeAway }) => storeAway)
  }

  drain(): void {
    this.#pool.stopReplacing()
    this.#state.startDraining()
    this.#tellAll({ kind: 'drain' })
  }

  stopAccepting(): void {
    this.#tellAll({ kind: 'stop-accepting' })
  }

  async settled(timeoutMs: number): Promise<boolean> {
    const limitMs = timeoutMs + this.#timings.stuckMs
    const answers = await this.#askAll({ kind: 'await-settled', timeoutMs }, limitMs)
    return answers.every((settled) => settled !== false)
  }

  async interruptAll(): Promise<number> {
    const counts = await this.#askAll({ kind: 'interrupt' }, LAST_ANSWER_MS)
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  }

  async close(graceMs: number): Promise<void> {
    await this.#askAll({ kind: 'close', graceMs }, graceMs + LAST_ANSWER_MS)
    await this.#pool.end()
  }

  /** @returns an answer per thread; `undefined` of one that has ended or is stuck: it has nothing left to lose. */
  async #askAll<C extends Command>(command: C, timeoutMs: number) {
    const outcomes = await Promise.allSettled(
      this.#pool.everyThread().map((thread) => thread.ask(command, timeoutMs)),
    )
    return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined))
  }

  /** For commands whose answers change nothing: a worker that has ended needs no telling. */
  #tellAll(command: Command): void {
    void this.#askAll(command, this.#timings.answerMs)
  }
}

/** All threads read the same memory. */
function toShared(portion: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(portion.byteLength))
  shared.set(portion)
  return shared
}
