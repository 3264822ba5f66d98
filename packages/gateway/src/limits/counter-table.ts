import { randomBytes } from 'node:crypto'
import { PERIODS } from './calendar-window.ts'
import { FULL, MAX_WINDOWS_AHEAD, OUTDATED, RecordAllocator, isLater } from './record-allocator.ts'
import type { TimelineWords } from './timeline.ts'

/**
 * Counters in shared memory, exact for every thread of the process that opens the same table.
 *
 * Each period has a ring of segments, one per window, so that all counters of a segment end together and nothing has to
 * be swept. A segment is a hash index (open addressing, linear probing, at most half full) over records handed out one
 * after the other:
 *
 *     allocator    see `record-allocator.ts`
 *     index word   tag of the window (12 bits) | record number (20 bits); 0 = never used
 *     record       hash low | hash high | window ordinal | (padding) | count (64 bits)
 *
 * A thread fills in a fresh record alone and publishes it with one compare-and-swap of an index word. Inside a window
 * words only go from stale to taken, so two threads that add the same key meet in the same word and one of them wins.
 * There is no lock: a thread that dies at any point leaves at most one unused record behind.
 */
export interface CounterTable {
  readonly buffer: SharedArrayBuffer
  /** Counters per period and window. */
  readonly slots: number
}

/** Windows of one period whose counters exist side by side: the current one and the one before. */
const RING = 2
const RECORD_BITS = 20
const RECORD_MASK = (1 << RECORD_BITS) - 1
const TAG_MASK = ~RECORD_MASK
/** Tags count 1…4095 and around again; 0 is what fresh memory holds. */
const TAGS = 4095

const RECORD_INTS = 6
const ORDINAL = 2
const COUNT = 4

const HEADER_INTS = 32
const KEY_0 = 0
const KEY_1 = 1
const OVERFLOWED = 2
const LOOKED_AT = 3
const ASLEEP = 4
/** A 64-bit word, hence even. */
const TIME_OFFSET = 6

/** Largest number of records whose numbers fit into an index word. */
const MAX_RECORDS = RECORD_MASK
/** With the records set aside just 2¹⁷, so that the index is a power of two without waste. */
const DEFAULT_SLOTS = 122_880
/** Records set aside for scopes that find the table full; see `CounterStore.locate`. */
const SHARED_BUCKETS = 4096

/**
 * Memory for counters; hand it to every worker. Untouched pages cost address space only.
 *
 * @param slots Counters per period and window, at most 1,040,000. About 32 bytes each, twice while windows change.
 */
export function createCounterTable({
  slots = DEFAULT_SLOTS,
}: { slots?: number } = {}): CounterTable {
  const { totalInts } = layout(slots)
  const buffer = new SharedArrayBuffer(totalInts * Int32Array.BYTES_PER_ELEMENT)
  const key = randomBytes(8)
  const header = new Int32Array(buffer, 0, HEADER_INTS)
  header[KEY_0] = key.readInt32LE(0)
  header[KEY_1] = key.readInt32LE(4)
  return { buffer, slots }
}

interface Layout {
  readonly records: number
  readonly indexMask: number
  /** Index of the first int of a segment's record 0, relative to the segment. */
  readonly recordsAt: number
  readonly segmentInts: number
  readonly totalInts: number
}

function layout(slots: number): Layout {
  const records = slots + 2 * sharedBuckets(slots)
  if (!Number.isSafeInteger(slots) || slots < 1 || records > MAX_RECORDS) {
    throw new RangeError(
      `a counter table has between 1 and ${MAX_RECORDS - 2 * SHARED_BUCKETS} slots`,
    )
  }
  const indexSize = 2 ** Math.ceil(Math.log2(2 * records))
  // The allocator's 64-bit word comes first.
  const recordsAt = 2 + indexSize
  const segmentInts = recordsAt + records * RECORD_INTS
  return {
    records,
    indexMask: indexSize - 1,
    recordsAt,
    segmentInts,
    totalInts: HEADER_INTS + segmentInts * RING * PERIODS.length,
  }
}

function sharedBuckets(slots: number): number {
  return Math.min(SHARED_BUCKETS, 2 ** Math.ceil(Math.log2(Math.max(2, slots / 16))))
}

/** One thread's view of a table. A *counter* is the position of a record; it is valid while its window lasts. */
export class CounterStore {
  /** For the one `Timeline` of each thread. */
  readonly timelineWords: TimelineWords
  readonly #header: Int32Array
  readonly #ints: Int32Array
  readonly #longs: BigInt64Array
  readonly #allocator: RecordAllocator
  readonly #layout: Layout
  readonly #slots: number
  readonly #bucketMask: number

  constructor({ buffer, slots }: CounterTable) {
    this.#layout = layout(slots)
    this.#slots = slots
    this.#bucketMask = sharedBuckets(slots) - 1
    this.#header = new Int32Array(buffer, 0, HEADER_INTS)
    this.timelineWords = {
      offset: new BigInt64Array(buffer, TIME_OFFSET * Int32Array.BYTES_PER_ELEMENT, 1),
      lookedAt: new Int32Array(buffer, LOOKED_AT * Int32Array.BYTES_PER_ELEMENT, 1),
      asleep: new Int32Array(buffer, ASLEEP * Int32Array.BYTES_PER_ELEMENT, 1),
    }
    this.#ints = new Int32Array(buffer)
    this.#longs = new BigInt64Array(buffer)
    this.#allocator = new RecordAllocator(this.#longs)
  }

  /** The table's hash key, equal in all threads. */
  get key(): readonly [number, number] {
    return [this.#header[KEY_0] ?? 0, this.#header[KEY_1] ?? 0]
  }

  /** How often a scope found the table full and was counted together with others. */
  get overflowed(): number {
    return Atomics.load(this.#header, OVERFLOWED) >>> 0
  }

  /** Counters in use, for a window that is current. */
  usedSlots(period: number, ordinal: number): number {
    return this.#allocator.taken(this.#segment(period, ordinal) >> 1, ordinal)
  }

  /**
   * Finds a key's counter in a window, or adds it with count 0.
   *
   * When all slots of the window are taken, scopes that are not in the table share a fixed number of counters, chosen by
   * their hash: they may be refused early, never admitted beyond their limit, and `overflowed` grows.
   *
   * @returns a counter, or `OUTDATED`.
   */
  locate(period: number, ordinal: number, low: number, high: number): number {
    const found = this.#findOrAdd(period, ordinal, low, high, this.#slots)
    if (found !== FULL) return found
    // Another thread may have taken the last record for this very key and not have published it yet.
    this.#allocator.awaitPublication(this.#segment(period, ordinal) >> 1, ordinal)
    const late = this.#findOrAdd(period, ordinal, low, high, 0)
    if (late !== FULL) return late
    Atomics.add(this.#header, OVERFLOWED, 1)
    const bucket = (high >>> 8) & this.#bucketMask
    const shared = this.#findOrAdd(
      period,
      ordinal,
      Math.imul(bucket + 1, 0x9e3779b1),
      ~bucket,
      this.#layout.records,
    )
    // Twice as many records are set aside as there are buckets, and only racing threads waste any.
    if (shared === FULL) throw new Error('the counter table has lost its shared counters')
    return shared
  }

  /** As `locate`, without making a counter. @returns `undefined` when nothing is counted. */
  find(period: number, ordinal: number, low: number, high: number): number | undefined {
    const found = this.#findOrAdd(period, ordinal, low, high, 0)
    return found === FULL || found === OUTDATED ? undefined : found
  }

  count(counter: number): number {
    return Number(Atomics.load(this.#longs, counter))
  }

  /**
   * Adds when the sum stays within the limit.
   *
   * @returns whether it was added.
   */
  addWithin(counter: number, amount: number, limit: number): boolean {
    for (;;) {
      const before = Atomics.load(this.#longs, counter)
      const after = Number(before) + amount
      if (after > limit) return false
      if (Atomics.compareExchange(this.#longs, counter, before, BigInt(after)) === before)
        return true
    }
  }

  /** Whether a counter still is that of the window in which it was located. */
  isCurrent(counter: number, ordinal: number): boolean {
    return this.#ints[2 * counter - COUNT + ORDINAL] === ordinal
  }

  /** Adds or takes away whatever the limit, never below 0. */
  adjust(counter: number, difference: number): void {
    for (;;) {
      const before = Atomics.load(this.#longs, counter)
      const after = BigInt(Math.max(0, Number(before) + difference))
      if (Atomics.compareExchange(this.#longs, counter, before, after) === before) return
    }
  }

  #segment(period: number, ordinal: number): number {
    return HEADER_INTS + (period * RING + (ordinal & (RING - 1))) * this.#layout.segmentInts
  }

  /** @param capacity Records that may be in use after adding one; 0 to find only. */
  #findOrAdd(period: number, ordinal: number, low: number, high: number, capacity: number): number {
    const ints = this.#ints
    const { indexMask, recordsAt } = this.#layout
    const segment = this.#segment(period, ordinal)
    const index = segment + 2
    const tag = tagOf(ordinal)
    let fresh = -1
    let at = low & indexMask
    for (let probes = 0; probes <= indexMask;) {
      const word = Atomics.load(ints, index + at)
      const record = segment + recordsAt + (word & RECORD_MASK) * RECORD_INTS
      if ((word & TAG_MASK) === tag) {
        if (ints[record + ORDINAL] === ordinal) {
          if (ints[record] !== low || ints[record + 1] !== high) {
            at = (at + 1) & indexMask
            probes++
            continue
          }
          if (fresh >= 0) this.#allocator.giveBack(segment >> 1, ordinal, fresh)
          return (record + COUNT) >> 1
        }
        // The same tag 4095 windows ago: stale like any other.
      } else if (isAhead(word, tag) && isLater(ints[record + ORDINAL] ?? 0, ordinal)) {
        return OUTDATED
      }
      if (fresh < 0) {
        fresh = this.#allocator.take(segment >> 1, ordinal, capacity)
        if (fresh < 0) return fresh
        this.#fill(segment + recordsAt + fresh * RECORD_INTS, ordinal, low, high)
      }
      if (Atomics.compareExchange(ints, index + at, word, tag | fresh) === word) {
        this.#allocator.published(segment >> 1, ordinal)
        return (segment + recordsAt + fresh * RECORD_INTS + COUNT) >> 1
      }
      // Another thread took this word; it may have added the same key, so look at it again.
    }
    return FULL
  }

  #fill(record: number, ordinal: number, low: number, high: number): void {
    this.#ints[record] = low
    this.#ints[record + 1] = high
    this.#ints[record + ORDINAL] = ordinal
    Atomics.store(this.#longs, (record + COUNT) >> 1, 0n)
  }
}

function tagOf(ordinal: number): number {
  // Windows before 2020 have negative numbers: a machine whose clock is not set yet.
  return ((((ordinal % TAGS) + TAGS) % TAGS) + 1) << RECORD_BITS
}

/** Whether a word may belong to a window that is newer than the thread's own; tags come around, so ask the record. */
function isAhead(word: number, tag: number): boolean {
  const windows = ((word >>> RECORD_BITS) - (tag >>> RECORD_BITS) + TAGS) % TAGS
  return windows > 0 && windows <= MAX_WINDOWS_AHEAD
}
