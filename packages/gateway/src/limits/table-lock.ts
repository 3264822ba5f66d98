const FREE = 0
/** Set beside the owner by a thread that sleeps until the lock is free. */
const AWAITED = 0x40000000
const SPINS = 200
/** A sleeper looks again by itself after this long; it is woken up when the lock is given back. */
const NAP_MS = 20
/** Naps, not a time: a process that was stopped and goes on has slept through one nap only. */
const NAPS_UNTIL_DEAD = 50

/** Words that a lock takes: whose it is, and how often it was taken. */
export const LOCK_INTS = 2

/**
 * A lock in shared memory that says whose it is, so that what a thread that died was holding can be given back (F50).
 * What it guards must be valid after every single store.
 *
 * The main thread frees the lock of a thread when it hears of its end (`releaseOf`). It cannot hear of anything while it
 * waits for the lock itself: then it takes the lock over once nobody has taken or given it back for a second, although
 * whoever has it needs microseconds. All others wait for the main thread.
 */
export class TableLock {
  readonly #words: Int32Array
  readonly #at: number
  readonly #own: number

  /** @param thread number of this thread, 0 = main; no two living threads have the same. */
  constructor(words: Int32Array, at: number, thread: number) {
    this.#words = words
    this.#at = at
    this.#own = thread + 1
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#words, this.#at, FREE, this.#own) !== FREE) this.#contend()
    this.#words[this.#at + 1] = ((this.#words[this.#at + 1] ?? 0) + 1) | 0
  }

  release(): void {
    this.#free(this.#own)
  }

  /** For the main thread, once a thread has ended. */
  releaseOf(thread: number): void {
    this.#free(thread + 1)
  }

  /** Leaves it alone when it is not, or no longer, the owner's. */
  #free(owner: number): void {
    if (Atomics.compareExchange(this.#words, this.#at, owner, FREE) === owner) return
    const awaited = owner | AWAITED
    if (Atomics.compareExchange(this.#words, this.#at, awaited, FREE) !== awaited) return
    Atomics.notify(this.#words, this.#at, 1)
  }

  #contend(): void {
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(this.#words, this.#at, FREE, this.#own) === FREE) return
    }
    let turn = Atomics.load(this.#words, this.#at + 1)
    let naps = 0
    for (;;) {
      // Others may sleep as well, and whoever gives the lock back wakes one of them only if it says so.
      const held = Atomics.compareExchange(this.#words, this.#at, FREE, this.#own | AWAITED)
      if (held === FREE) return
      const awaited = held | AWAITED
      if (
        held !== awaited &&
        Atomics.compareExchange(this.#words, this.#at, held, awaited) !== held
      ) {
        continue
      }
      if (Atomics.wait(this.#words, this.#at, awaited, NAP_MS) === 'timed-out') naps++
      const newest = Atomics.load(this.#words, this.#at + 1)
      if (newest !== turn) naps = 0
      turn = newest
      if (naps >= NAPS_UNTIL_DEAD && this.#own === 1 && this.#takeOver(awaited)) return
    }
  }

  #takeOver(held: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, held, this.#own | AWAITED) === held
  }
}
