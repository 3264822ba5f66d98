/**
 * The bytes that buffered bodies of this process may take together. Whoever takes gives back the same amount exactly
 * once, on every path; a refusal becomes `503 overloaded`.
 */
export class MemoryBudget {
  readonly limit: number
  #used = 0

  /** @param limit in bytes. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes taken and not given back. */
  get used(): number {
    return this.#used
  }

  /** @returns `false` when less than `bytes` are left; then nothing was taken. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false
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
