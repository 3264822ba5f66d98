/** A record that waits to be written. */
interface Waiting {
  readonly line: string
  readonly bytes: number
  /** Called once the line is kept, or will not be. */
  readonly onKept: ((kept: boolean) => void) | undefined
}

/** Lines on their way to a place that can be slow or gone; bounded in bytes, so that it never grows into the heap (F78). */
export class WaitingLines {
  readonly #maxBytes: number
  #lines: Waiting[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#lines.length
  }

  /** @returns whether there was room. */
  add(line: string, onKept?: (kept: boolean) => void): boolean {
    const bytes = Buffer.byteLength(line)
    if (this.#bytes + bytes > this.#maxBytes) return false
    this.#lines.push({ line, bytes, onKept })
    this.#bytes += bytes
    return true
  }

  /** The oldest lines, up to so many bytes but at least one; they stay in here until `remove`. */
  peek(maxBytes: number): { readonly lines: readonly string[]; readonly bytes: number } {
    const lines: string[] = []
    let bytes = 0
    for (const waiting of this.#lines) {
      if (lines.length > 0 && bytes + waiting.bytes > maxBytes) break
      lines.push(waiting.line)
      bytes += waiting.bytes
    }
    return { lines, bytes }
  }

  /** Takes the oldest out, and tells who waits for them. */
  remove(count: number, kept: boolean): void {
    for (const { bytes, onKept } of this.#lines.splice(0, count)) {
      this.#bytes -= bytes
      onKept?.(kept)
    }
  }

  /** Tells everyone who waits that it will not be soon; the lines go on waiting. */
  releaseWaiters(): void {
    this.#lines = this.#lines.map((waiting) => {
      waiting.onKept?.(false)
      return waiting.onKept === undefined ? waiting : { ...waiting, onKept: undefined }
    })
  }
}
