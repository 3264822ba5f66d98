import type { FieldRule, Logger } from '../observe/index.ts'
import { toLine } from './frame.ts'
import type { Journal, JournalEvents, SyncPolicy } from './journal.ts'
import type { UsageRecord } from './usage-record.ts'
import { WaitingLines } from './waiting-lines.ts'

/** Where lines are kept. */
export interface JournalTarget {
  /** For log lines. */
  readonly place: string
  /**
   * Keeps lines, in order, as many as it can at once; with `always` they are safe when it resolves.
   *
   * @returns how many of the first lines are kept, at least 1.
   * @throws {Error} when none are; these lines come again, perhaps with more after them, and must not be kept twice.
   */
  write(lines: readonly string[]): Promise<number>
  /** Makes safe what was written. */
  sync(): Promise<void>
  /** Told whenever it may be worth another try. */
  onBack?(listener: () => void): void
  /** For good. */
  close(): Promise<void>
  /** What could not be written before the end: perhaps there is another place for it. @returns what found one. */
  rescue?(lines: readonly string[]): number
}

export interface QueuedJournalOptions {
  readonly target: JournalTarget
  readonly sync: SyncPolicy
  /** Bytes that may wait. */
  readonly maxWaitingBytes: number
  readonly rule: FieldRule
  readonly logger: Logger
  readonly events: JournalEvents
  /** How long records are gathered before they are written together, ms. */
  readonly gatherMs?: number
  /** Between two tries while the target fails, ms. */
  readonly retryMs?: number
  /** An answer is held no longer than this, ms. */
  readonly holdMs?: number
}

const GATHER_MS = 20
const RETRY_MS = 1000
const HOLD_MS = 2000
const SYNC_MS = 1000
const BATCH_BYTES = 1024 * 1024

/** A journal that writes behind the requests' backs: a bounded queue, one write at a time, as much as there is. */
export class QueuedJournal implements Journal {
  readonly holdsAnswers: boolean
  failing = false
  readonly #options: QueuedJournalOptions
  readonly #waiting: WaitingLines
  #timer: NodeJS.Timeout | undefined
  #running = false
  #closed = false
  #unsafe = false
  #droppedNow = 0
  #idle: (() => void)[] = []
  readonly #syncTimer: NodeJS.Timeout | undefined

  constructor(options: QueuedJournalOptions) {
    this.#options = options
    this.holdsAnswers = options.sync === 'always'
    this.#waiting = new WaitingLines(options.maxWaitingBytes)
    options.target.onBack?.(() => this.#schedule(0))
    if (options.sync === '1s') {
      this.#syncTimer = setInterval(() => void this.#sync(), SYNC_MS)
      this.#syncTimer.unref()
    }
  }

  get waitingBytes(): number {
    return this.#waiting.bytes
  }

  append(record: UsageRecord): void {
    this.#add(record, undefined)
  }

  appendThen(record: UsageRecord, then: () => void): void {
    if (this.failing || this.#closed) {
      this.#add(record, undefined)
      then()
      return
    }
    let waiting = true
    const once = (): void => {
      if (!waiting) return
      waiting = false
      clearTimeout(limit)
      then()
    }
    const limit = setTimeout(once, this.#options.holdMs ?? HOLD_MS)
    limit.unref()
    if (!this.#add(record, once)) once()
  }

  #add(record: UsageRecord, onKept: (() => void) | undefined): boolean {
    if (this.#closed || !this.#waiting.add(toLine(record, this.#options.rule), onKept)) {
      this.#drop(1)
      return false
    }
    const { gatherMs = GATHER_MS } = this.#options
    // Answers that are held are gathered by the write before them.
    if (!this.failing) this.#schedule(onKept === undefined ? gatherMs : 0)
    return true
  }

  #drop(records: number): void {
    const { events, logger, target } = this.#options
    events.onDropped(records)
    if (this.#droppedNow === 0) {
      logger.error('usage records are dropped: they cannot be written as fast as they come', {
        journal: target.place,
        waiting_bytes: this.#waiting.bytes,
      })
    }
    this.#droppedNow += records
  }

  #schedule(ms: number): void {
    if (this.#running || (this.#timer !== undefined && ms > 0)) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#run(), ms)
    // Records alone do not keep a process alive; whoever ends it flushes.
    this.#timer.unref()
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#running) return
    this.#running = true
    try {
      while (this.#waiting.length > 0) await this.#writeBatch()
      this.#recovered()
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#running = false
      if (this.#waiting.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  async #writeBatch(): Promise<void> {
    const { target, events } = this.#options
    const { lines } = this.#waiting.peek(BATCH_BYTES)
    const kept = await target.write(lines)
    this.#unsafe = true
    this.#waiting.remove(kept, true)
    events.onWritten(kept)
  }

  #recovered(): void {
    const { logger, target } = this.#options
    if (this.failing) logger.warn('usage records are written again', { journal: target.place })
    this.failing = false
    if (this.#droppedNow === 0) return
    logger.error('usage records were lost', { journal: target.place, records: this.#droppedNow })
    this.#droppedNow = 0
  }

  #failed(error: unknown): void {
    const { logger, target, retryMs = RETRY_MS } = this.#options
    if (!this.failing) {
      logger.error('usage records cannot be written; they wait in memory', {
        journal: target.place,
        error,
      })
    }
    this.failing = true
    this.#waiting.releaseWaiters()
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#run(), retryMs)
    this.#timer.unref()
  }

  async #sync(): Promise<void> {
    if (!this.#unsafe) return
    this.#unsafe = false
    try {
      await this.#options.target.sync()
    } catch (error) {
      this.#unsafe = true
      const { logger, target } = this.#options
      logger.error('usage records may be lost if the machine fails', {
        journal: target.place,
        error,
      })
    }
  }

  async flush(maxMs: number): Promise<void> {
    const deadline = performance.now() + maxMs
    while (this.#waiting.length > 0 && performance.now() < deadline) {
      if (!this.#running) void this.#run()
      await this.#emptiedBefore(Math.min(deadline - performance.now(), FLUSH_RETRY_MS))
    }
    if (this.#options.sync !== 'never') await this.#sync()
  }

  #emptiedBefore(ms: number): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, ms))
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async close(maxMs: number): Promise<void> {
    if (this.#closed) return
    clearInterval(this.#syncTimer)
    await this.flush(maxMs)
    this.#closed = true
    clearTimeout(this.#timer)
    const { target, logger, events } = this.#options
    const { lines } = this.#waiting.peek(Number.MAX_SAFE_INTEGER)
    const lost = lines.length - (lines.length === 0 ? 0 : (target.rescue?.(lines) ?? 0))
    this.#waiting.remove(lines.length, false)
    if (lost > 0) {
      events.onDropped(lost)
      logger.error('usage records were lost at the end', { journal: target.place, records: lost })
    }
    await target.close()
  }
}

/** How often a flush tries again what fails, ms. */
const FLUSH_RETRY_MS = 100
