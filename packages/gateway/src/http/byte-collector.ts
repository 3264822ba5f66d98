import type { MemoryBudget } from './memory-budget.ts'

/** The first buffer that is grown into, bytes. */
const FIRST_CAPACITY = 16 * 1024

const NOTHING = Buffer.alloc(0)

/**
 * Gathers the bytes of one body in memory and charges them to the process's budget. What arrives in one piece is kept as
 * it is; otherwise one buffer grows, so that a body sent byte by byte costs no more memory than any other.
 */
export class ByteCollector {
  readonly #budget: MemoryBudget
  readonly #expectedBytes: number | undefined
  #buffer: Uint8Array = NOTHING
  #length = 0
  #charged = 0

  /** @param expectedBytes the final length where it is known; keeps the buffer from growing beyond it. */
  constructor(budget: MemoryBudget, expectedBytes: number | undefined) {
    this.#budget = budget
    this.#expectedBytes = expectedBytes
  }

  get length(): number {
    return this.#length
  }

  /** @returns `false` when the process has no memory to spare; then nothing was added. `chunk` is kept, not copied, where possible. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length
    if (this.#length === 0) {
      if (!this.#charge(chunk.length)) return false
      this.#buffer = chunk
    } else {
      if (length > this.#buffer.length && !this.#grow(length)) return false
      this.#buffer.set(chunk, this.#length)
    }
    this.#length = length
    return true
  }

  /** Everything gathered so far, as a view; valid until the next `add`. */
  view(): Uint8Array {
    return this.#length === this.#buffer.length
      ? this.#buffer
      : this.#buffer.subarray(0, this.#length)
  }

  /** Forgets the bytes and gives their memory back. Harmless when repeated. */
  release(): void {
    this.#buffer = NOTHING
    this.#length = 0
    this.giveBack()
  }

  /** Gives the memory back to the budget, for an owner that is done, while the bytes stay readable. Harmless when repeated. */
  giveBack(): void {
    const charged = this.#charged
    this.#charged = 0
    if (charged > 0) this.#budget.give(charged)
  }

  #grow(needed: number): boolean {
    let capacity = Math.max(needed, this.#buffer.length * 2, FIRST_CAPACITY)
    if (this.#expectedBytes !== undefined)
      capacity = Math.min(capacity, Math.max(needed, this.#expectedBytes))
    if (!this.#charge(capacity - this.#charged)) return false
    const grown = Buffer.allocUnsafeSlow(capacity)
    grown.set(this.view())
    this.#buffer = grown
    return true
  }

  #charge(bytes: number): boolean {
    if (!this.#budget.take(bytes, this.#charged)) return false
    this.#charged += bytes
    return true
  }
}
