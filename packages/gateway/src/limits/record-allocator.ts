/** The thread's window is not the newest any more: read the time again. */
export const OUTDATED = -1
/** Every record of the window is taken. */
export const FULL = -2

/** How far ahead of a thread's window another thread may be before the clock, not the thread, is to blame. */
export const MAX_WINDOWS_AHEAD = 8
/** Looks at the word before a thread that never published is taken for dead: some ten microseconds. */
const PATIENCE = 2_000

const ORDINAL_SHIFT = 32n
const PENDING_SHIFT = 20n
const ONE_PENDING = 1n << PENDING_SHIFT
const NEXT_MASK = ONE_PENDING - 1n
const PENDING_MASK = 0xfffn << PENDING_SHIFT

/**
 * Hands out the numbers of a window's records, from 0. All that it knows is one 64-bit word of shared memory, so that a
 * new window starts over by itself:
 *
 *     window ordinal (32 bits) | records taken but not published yet (12 bits) | next record (20 bits)
 */
export class RecordAllocator {
  readonly #words: BigInt64Array

  constructor(words: BigInt64Array) {
    this.#words = words
  }

  /** @returns a record that is the caller's alone until it is published or given back, `FULL` or `OUTDATED`. */
  take(at: number, ordinal: number, capacity: number): number {
    let word = Atomics.load(this.#words, at)
    for (;;) {
      const window = Number(word >> ORDINAL_SHIFT)
      if (isLater(window, ordinal)) return OUTDATED
      const current = window === ordinal ? word : BigInt(ordinal) << ORDINAL_SHIFT
      const next = Number(current & NEXT_MASK)
      if (next >= capacity) return FULL
      const seen = Atomics.compareExchange(this.#words, at, word, current + ONE_PENDING + 1n)
      if (seen === word) return next
      word = seen
    }
  }

  published(at: number, ordinal: number): void {
    this.#settle(at, ordinal, -1)
  }

  /** For a record that was not needed after all; it is wasted only when others were taken after it. */
  giveBack(at: number, ordinal: number, record: number): void {
    this.#settle(at, ordinal, record)
  }

  #settle(at: number, ordinal: number, unneeded: number): void {
    for (;;) {
      const word = Atomics.load(this.#words, at)
      if (Number(word >> ORDINAL_SHIFT) !== ordinal) return
      const last = Number(word & NEXT_MASK) - 1 === unneeded
      const settled = word - ONE_PENDING - (last ? 1n : 0n)
      if (Atomics.compareExchange(this.#words, at, word, settled) === word) return
    }
  }

  /** Waits until every record taken is published, but never for a thread that died in between. */
  awaitPublication(at: number, ordinal: number): void {
    for (let looks = 0; looks < PATIENCE; looks++) {
      const word = Atomics.load(this.#words, at)
      if ((word & PENDING_MASK) === 0n || Number(word >> ORDINAL_SHIFT) !== ordinal) return
    }
  }

  /** Records in use in a window; 0 when it is not the current one. */
  taken(at: number, ordinal: number): number {
    const word = Atomics.load(this.#words, at)
    return Number(word >> ORDINAL_SHIFT) === ordinal ? Number(word & NEXT_MASK) : 0
  }
}

/** Whether a window is newer than the thread's own, by no more than another thread can be ahead. */
export function isLater(ordinal: number, own: number): boolean {
  return ordinal > own && ordinal <= own + MAX_WINDOWS_AHEAD
}
