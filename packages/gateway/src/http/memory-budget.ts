/** Up to here a body is small: what a client sends in one or two writes. */
const SMALL_BYTES = 64 * 1024

/**
 * The bytes that buffered bodies of this process may take together. Whoever takes gives back the same amount exactly
 * once, on every path; a refusal becomes `503 overloaded`.
 */
export class MemoryBudget {
  readonly limit: number
  /** Where large bodies stop: an eighth is kept for small ones. */
  readonly #largeLimit: number
  #used = 0

  /** @param limit in bytes. */
  constructor(limit: number) {
    this.limit = limit
    this.#largeLimit = Math.floor(limit * (7 / 8))
  }

  /** Bytes taken and not given back. */
  get used(): number {
    return this.#used
  }

  /**
   * Large bodies that fill the budget must not keep small requests out, which need next to nothing (F52).
   *
   * @param held what the same body has taken before.
   * @returns `false` when less than `bytes` are left; then nothing was taken.
   */
  take(bytes: number, held = 0): boolean {
    const limit = held + bytes > SMALL_BYTES ? this.#largeLimit : this.limit
    if (this.#used + bytes > limit) return false
    this.#used += bytes
    return true
  }

  /** Gives back what was taken. @throws {RangeError} when more is given back than was taken: an accounting defect. */
  give(bytes: number): void {
    if (bytes > this.#used) {
      throw new RangeError(`memory budget: ${bytes} bytes given back, ${this.#used} taken`)
    }
    this.#used -= bytes
  }
}
