import { randomBytes } from 'node:crypto'
import { heldIn } from './concurrency-meter.ts'
import { RecordTable, tableInts, type TableShape } from './record-table.ts'
import { SLIDING_DOUBLES } from './sliding-meter.ts'
import { TableLock } from './table-lock.ts'
import type { TimelineWords } from './timeline.ts'

/** Counters in shared memory, for every thread of the process that opens the same table. */
export interface CounterTable {
  readonly buffer: SharedArrayBuffer
  /** Counters of calendar windows and GCRA; a quarter as many of sliding windows and of concurrency. */
  readonly slots: number
  /** Threads that may count at the same time. */
  readonly threads: number
}

const HEADER_INTS = 32
const KEY_0 = 0
const KEY_1 = 1
const OVERFLOWED = 2
const LOOKED_AT = 3
const ASLEEP = 4
/** 64-bit words, hence even. */
const TIME_OFFSET = 6
const NEWEST = 8
/** Two words. */
const LOCK = 10

const MAX_SLOTS = 2 ** 24
const DEFAULT_SLOTS = 2 ** 19
/** Counters that the scopes of a meter share that find the table full. */
const SHARED_BUCKETS = 4096
/** Set aside for meters that find those taken as well: one for all further scopes of a meter. */
const LAST_RESORT = 1024

/**
 * Memory for counters; hand it to every worker. Untouched pages cost address space only.
 *
 * @param slots at most 2²⁴; some 36 bytes each.
 * @param threads that count at the same time, numbered from 0.
 */
export function createCounterTable({
  slots = DEFAULT_SLOTS,
  threads = 1,
}: { slots?: number; threads?: number } = {}): CounterTable {
  if (!Number.isSafeInteger(slots) || slots < 1 || slots > MAX_SLOTS) {
    throw new RangeError(`a counter table has between 1 and ${MAX_SLOTS} slots`)
  }
  const buffer = new SharedArrayBuffer(4 * layout(slots, threads).totalInts)
  const key = randomBytes(8)
  const header = new Int32Array(buffer, 0, HEADER_INTS)
  header[KEY_0] = key.readInt32LE(0)
  header[KEY_1] = key.readInt32LE(4)
  return { buffer, slots, threads }
}

interface Layout {
  readonly small: TableShape
  readonly sliding: TableShape
  readonly concurrency: TableShape
  readonly slidingAt: number
  readonly concurrencyAt: number
  readonly totalInts: number
}

function layout(slots: number, threads: number): Layout {
  const fewer = Math.max(1, Math.ceil(slots / 4))
  const small = { slots, ...setAside(slots), doubles: 2 }
  const sliding = { slots: fewer, ...setAside(fewer), doubles: SLIDING_DOUBLES }
  const concurrency = { slots: fewer, ...setAside(fewer), doubles: 1 + threads }
  const slidingAt = HEADER_INTS + even(tableInts(small))
  const concurrencyAt = slidingAt + even(tableInts(sliding))
  const totalInts = concurrencyAt + even(tableInts(concurrency))
  return { small, sliding, concurrency, slidingAt, concurrencyAt, totalInts }
}

function setAside(slots: number): { readonly shared: number; readonly lastResort: number } {
  return { shared: 2 * sharedBuckets(slots), lastResort: LAST_RESORT }
}

function even(ints: number): number {
  return ints + (ints & 1)
}

function sharedBuckets(slots: number): number {
  return Math.min(SHARED_BUCKETS, 2 ** Math.ceil(Math.log2(Math.max(2, slots / 16))))
}

/** One thread's view of a table. */
export class CounterStore {
  readonly timelineWords: TimelineWords
  readonly lock: TableLock
  readonly doubles: Float64Array
  readonly small: RecordTable
  readonly sliding: RecordTable
  readonly concurrency: RecordTable
  readonly buckets: number
  readonly #header: Int32Array

  constructor({ buffer, slots, threads }: CounterTable, thread: number) {
    const at = layout(slots, threads)
    this.#header = new Int32Array(buffer, 0, HEADER_INTS)
    this.doubles = new Float64Array(buffer)
    this.timelineWords = {
      offset: new BigInt64Array(buffer, TIME_OFFSET * 4, 1),
      lookedAt: new Int32Array(buffer, LOOKED_AT * 4, 1),
      asleep: new Int32Array(buffer, ASLEEP * 4, 1),
    }
    this.lock = new TableLock(this.#header, LOCK, thread)
    this.buckets = sharedBuckets(Math.max(1, Math.ceil(slots / 4)))
    this.small = new RecordTable(buffer, HEADER_INTS, at.small)
    this.sliding = new RecordTable(buffer, at.slidingAt, at.sliding)
    this.concurrency = new RecordTable(
      buffer,
      at.concurrencyAt,
      at.concurrency,
      (state) => heldIn(this.doubles, state, threads) > 0,
    )
  }

  /** The table's hash key, equal in all threads. */
  get key(): readonly [number, number] {
    return [this.#header[KEY_0] ?? 0, this.#header[KEY_1] ?? 0]
  }

  get overflowed(): number {
    return (this.#header[OVERFLOWED] ?? 0) >>> 0
  }

  /** With the lock. */
  countOverflow(): void {
    this.#header[OVERFLOWED] = ((this.#header[OVERFLOWED] ?? 0) + 1) | 0
  }

  /** With the lock: never earlier than what any thread has seen. */
  notBefore(nowMs: number): number {
    const newest = this.doubles[NEWEST / 2] ?? 0
    if (nowMs <= newest) return newest
    this.doubles[NEWEST / 2] = nowMs
    return nowMs
  }
}

/**
 * Gives back what a thread that has ended was holding, its lock included (F50, F70). For the main thread, after the end
 * and before another thread gets the number.
 */
export function releaseThread(table: CounterTable, thread: number): void {
  const store = new CounterStore(table, thread)
  store.concurrency.clear(1 + thread)
  store.lock.releaseOf(thread)
}
