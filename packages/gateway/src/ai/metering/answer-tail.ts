/** Usage stands at the end of an answer, and is small. */
const TAIL_BYTES = 16 * 1024

/** The last bytes of an answer that passes unread, and how many there were in all. */
export class AnswerTail {
  /** Whether the bytes mean something to us; encoded ones do not. */
  readonly readable: boolean
  #bytes: Buffer = Buffer.alloc(0)
  #totalBytes = 0

  constructor(readable: boolean) {
    this.readable = readable
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  add(chunk: Buffer): void {
    this.#totalBytes += chunk.length
    if (!this.readable) return
    this.#bytes =
      chunk.length >= TAIL_BYTES
        ? chunk.subarray(chunk.length - TAIL_BYTES)
        : Buffer.concat([this.#bytes.subarray(-(TAIL_BYTES - chunk.length)), chunk])
  }
}
