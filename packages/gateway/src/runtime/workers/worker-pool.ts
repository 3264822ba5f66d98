import type { NodeSettings } from '../../config/index.ts'
import { releaseThread, type CounterTable } from '../../limits/index.ts'
import {
  zeroGauges,
  type Logger,
  type LogSink,
  type Metrics,
  type MetricStorage,
} from '../../observe/index.ts'
import { planHeaps } from '../memory-plan.ts'
import type { JournalSecrets } from '../open-journal.ts'
import { regionsOf } from './regions.ts'
import type { SharedState } from './shared-state.ts'
import { StuckWatch } from './stuck-watch.ts'
import { WorkerThread, type WorkerEnded } from './worker-thread.ts'

export interface WorkerPoolDeps {
  readonly settings: NodeSettings
  readonly secrets: JournalSecrets
  readonly metrics: Metrics
  /** With a region for the main thread and two for each worker. */
  readonly storage: MetricStorage
  readonly logger: Logger
  /** Where the lines of workers go, by destination. */
  readonly sinks: ReadonlyMap<string, LogSink>
  readonly counters: CounterTable
  readonly state: SharedState
  readonly timings: PoolTimings
  /** Gives a replacement all that it needs to serve. One that rejects is ended, and replaced again. */
  readonly bringUp: (thread: WorkerThread) => Promise<void>
}

export interface PoolTimings {
  /** A worker without a sign of life for this long is stuck and is ended (F50). */
  readonly stuckMs: number
  /** A new worker may take this long to its first sign of life. */
  readonly startMs: number
  readonly checkMs: number
  /** First and longest pause before a worker that keeps dying is started again. */
  readonly firstRestartMs: number
  readonly lastRestartMs: number
  /** A worker that lived this long was no crash loop. */
  readonly stableMs: number
}

/** One of the workers that there shall be, whichever thread it is right now. */
interface Place {
  readonly worker: number
  /** `undefined` while the next one is waited for. */
  thread: WorkerThread | undefined
  /** Pause before the next restart. */
  restartMs: number
}

/** Keeps as many workers alive as there shall be. A thread is replaced only after a fault (F50). */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps
  readonly #places: readonly Place[]
  /** Threads with a defect that finish what they have. */
  readonly #leaving = new Set<WorkerThread>()
  readonly #stuck: StuckWatch<WorkerThread>
  #replacing = false

  /** Starts the threads; none is replaced before `keepAlive`. */
  constructor(deps: WorkerPoolDeps) {
    const { settings, timings, logger, metrics } = deps
    this.#deps = deps
    this.#places = Array.from({ length: settings.workers }, (_, worker) => ({
      worker,
      thread: this.#startThread(worker),
      restartMs: timings.firstRestartMs,
    }))
    this.#stuck = new StuckWatch({
      ...timings,
      threads: () => this.everyThread(),
      onStuck: (thread) => {
        logger.error('a worker is stuck and is ended', { worker: thread.worker })
        void thread.end()
      },
    })
    metrics.sampled('pratu_workers', [], () => this.threads().length)
  }

  /** From now on a worker that fails is replaced; before, its failure is one of the start. */
  keepAlive(): void {
    this.#replacing = true
  }

  /** From now on nothing is replaced any more. */
  stopReplacing(): void {
    this.#replacing = false
  }

  /** Generation per worker; 0 while there is none. */
  generations(): readonly number[] {
    return this.#places.map(({ thread }) => thread?.generation ?? 0)
  }

  /** One per worker, but for those that are waited for. */
  threads(): readonly WorkerThread[] {
    return this.#places.flatMap(({ thread }) => (thread === undefined ? [] : [thread]))
  }

  /** Also those that have been replaced already and finish what they have. */
  everyThread(): readonly WorkerThread[] {
    return [...this.threads(), ...this.#leaving]
  }

  /** Ends all threads, whatever they are doing. */
  async end(): Promise<void> {
    this.#replacing = false
    this.#stuck.close()
    await Promise.all(this.everyThread().map((thread) => thread.end()))
  }

  #startThread(worker: number): WorkerThread {
    const { settings, secrets, storage, sinks, counters, state } = this.#deps
    const heaps = planHeaps(settings.memory, settings.workers)
    return new WorkerThread({
      start: {
        worker,
        workers: settings.workers,
        rebuilds: worker === 0 && !this.#replacing,
        settings: withoutSecrets(settings),
        secrets,
        counters,
        metrics: storage,
        region: this.#freeRegion(worker),
        state: state.buffer,
        terminals: new Set([...sinks].filter(([, sink]) => sink.terminal).map(([name]) => name)),
      },
      resourceLimits: heaps === undefined ? {} : { maxOldGenerationSizeMb: heaps.oldMb },
      sinks,
      onFailing: (thread, reason) => this.#failing(thread, reason),
      onEnded: (thread, reason) => this.#ended(thread, reason),
    })
  }

  /** A thread that is leaving still writes its own region. */
  #freeRegion(worker: number): number {
    const taken = new Set([...this.#leaving].map(({ region }) => region))
    const free = regionsOf(worker).find((region) => !taken.has(region))
    if (free === undefined) throw new Error(`worker ${worker} has no region for its metrics`)
    return free
  }

  #failing(thread: WorkerThread, reason: string): void {
    const { worker } = thread
    this.#deps.logger.error('a worker has a defect and is replaced', { worker, reason })
    const place = this.#placeOf(thread)
    if (place === undefined) return
    // Two that leave at once would leave no region for a third: the older one has had its time.
    const older = [...this.#leaving].filter((other) => other.worker === worker)
    this.#leaving.add(thread)
    this.#vacate(place, thread)
    for (const other of older) void other.end()
  }

  #ended(thread: WorkerThread, reason: WorkerEnded): void {
    zeroGauges(this.#deps.storage, thread.region)
    releaseThread(this.#deps.counters, thread.region)
    if (this.#leaving.delete(thread)) return
    const place = this.#placeOf(thread)
    if (place === undefined) return
    if (this.#replacing)
      this.#deps.logger.error('a worker ended and is replaced', {
        worker: thread.worker,
        error: reason,
      })
    this.#vacate(place, thread)
  }

  /** Restarts at once the first time, then with growing pauses while it keeps dying. */
  #vacate(place: Place, thread: WorkerThread): void {
    place.thread = undefined
    if (!this.#replacing) return
    const { firstRestartMs, lastRestartMs, stableMs } = this.#deps.timings
    if (performance.now() - thread.startedAt > stableMs) place.restartMs = firstRestartMs
    setTimeout(() => this.#refill(place), place.restartMs).unref()
    place.restartMs = Math.min(place.restartMs * 2, lastRestartMs)
  }

  #refill(place: Place): void {
    if (!this.#replacing) return
    const { worker } = place
    const { logger, metrics, bringUp } = this.#deps
    metrics.counter('pratu_worker_restarts_total').add(1)
    const thread = this.#startThread(worker)
    place.thread = thread
    bringUp(thread).then(
      () => {
        const seconds = Math.round(performance.now() - thread.startedAt) / 1000
        logger.info('a worker is back', { worker, seconds })
      },
      (error: unknown) => {
        // A thread that has ended by itself is replaced already.
        if (thread.ended) return
        logger.error('a replaced worker could not start', { worker, error })
        void thread.end()
      },
    )
  }

  #placeOf(thread: WorkerThread): Place | undefined {
    return this.#places.find((place) => place.thread === thread)
  }
}

/** A `Secret` does not travel between threads; what workers need of them goes beside. */
function withoutSecrets(settings: NodeSettings): NodeSettings {
  const { journal, redaction } = settings
  return {
    ...settings,
    adminToken: undefined,
    journal: { ...journal, redisUrl: undefined },
    redaction: { ...redaction, key: undefined },
  }
}
