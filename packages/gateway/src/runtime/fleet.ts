import type { CachedResponse } from '@pratu/plugin-kit'
import type { CacheLabels } from '../cache/index.ts'
import type { LimitReading, LimitsQuestion } from '../admin/index.ts'
import type { ListenAddress } from '../config/index.ts'
import type { Candidate } from './candidate.ts'
import type { PinnedSnapshot } from './pinned-snapshot.ts'
import type { Serving } from './serving.ts'

/**
 * All serving threads of this process as one. A configuration takes over in two phases: everyone prepares, and only
 * when everyone could does anyone commit (architecture §4).
 */
export interface Fleet {
  listen(): Promise<readonly ListenAddress[]>
  /** What each worker serves right now. */
  workers(): readonly FleetWorker[]
  /** @throws {Error} when a thread cannot use the configuration; then none does. */
  prepare(candidate: Candidate): Promise<void>
  /** Follows a successful `prepare`. */
  commit(generation: number): void
  /** Lets go of what was prepared. */
  abort(generation: number): void
  /** What any worker keeps of an answer. */
  readCached(owner: string, key: string): Promise<CachedResponse | undefined>
  /** @returns whether any worker kept it. */
  removeCached(owner: string, key: string): Promise<boolean>
  /** Drops every answer that these owners keep; with `labels` only those that carry all of them. */
  purgeCached(owners: readonly string[], labels?: CacheLabels): Promise<void>
  /** What is counted, as all workers know it. */
  readLimits(question: LimitsQuestion): Promise<readonly LimitReading[]>
  /** @returns of how many meters. @throws {Error} when a store is away. */
  resetLimits(meter: string | undefined, scope: string): Promise<number>
  /** Readiness goes off in every thread; nothing else changes. */
  withdraw(): void
  readonly withdrawn: boolean
  /** Whether a store of limits that any worker uses is away. */
  readonly storeAway: boolean
  drain(): void
  stopAccepting(): void
  settled(timeoutMs: number): Promise<boolean>
  /** @returns how many exchanges were ended. */
  interruptAll(): Promise<number>
  close(graceMs: number): Promise<void>
}

export interface FleetWorker {
  /** From 0. */
  readonly worker: number
  /** 0 before the first, and while a worker is being replaced. */
  readonly generation: number
}

/** One worker: this thread serves itself. */
export class LocalFleet implements Fleet {
  withdrawn = false
  readonly #serving: Serving
  #prepared: PinnedSnapshot | undefined

  constructor(serving: Serving) {
    this.#serving = serving
  }

  listen(): Promise<readonly ListenAddress[]> {
    return this.#serving.listen()
  }

  workers(): readonly FleetWorker[] {
    return [{ worker: 0, generation: this.#serving.generation }]
  }

  async prepare({ entities, generation }: Candidate): Promise<void> {
    this.#prepared = await this.#serving.prepare(entities, generation)
  }

  commit(generation: number): void {
    if (this.#prepared?.generation !== generation)
      throw new Error(`generation ${generation} was not prepared`)
    this.#serving.commit(this.#prepared)
    this.#prepared = undefined
  }

  abort(): void {
    this.#prepared?.retire()
    this.#prepared = undefined
  }

  async readCached(owner: string, key: string): Promise<CachedResponse | undefined> {
    return this.#serving.cache.read(owner, key)
  }

  async removeCached(owner: string, key: string): Promise<boolean> {
    return this.#serving.cache.delete(owner, key)
  }

  purgeCached(owners: readonly string[], labels?: CacheLabels): Promise<void> {
    return this.#serving.purgeCached(owners, labels)
  }

  readLimits(question: LimitsQuestion): Promise<readonly LimitReading[]> {
    return this.#serving.readLimits(question)
  }

  resetLimits(meter: string | undefined, scope: string): Promise<number> {
    return this.#serving.resetLimits(meter, scope)
  }

  withdraw(): void {
    this.withdrawn = true
  }

  get storeAway(): boolean {
    return this.#serving.storeAway
  }

  drain(): void {
    this.#serving.drain()
  }

  stopAccepting(): void {
    this.#serving.stopAccepting()
  }

  settled(timeoutMs: number): Promise<boolean> {
    return this.#serving.settled(timeoutMs)
  }

  async interruptAll(): Promise<number> {
    return this.#serving.interruptAll()
  }

  close(graceMs: number): Promise<void> {
    return this.#serving.close(graceMs)
  }
}
