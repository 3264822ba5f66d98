import { findHeadEnd, headStart, type HeadSizeLimits } from './head-finder.ts'
import { isRefusal, parseHead, type HeadLimits, type RequestHead } from './head-parser.ts'
import type { HeadRefusal } from './head-refusal.ts'

/** Bytes that a connection received and nobody has consumed, and the heads in them. */
export class Inbox {
  /** Bytes of the last head that was read, its empty lines included. */
  headBytes = 0
  /** Whether the last refused head asked for no body. */
  refusedHead = false
  #data: Buffer | undefined

  get size(): number {
    return this.#data === undefined ? 0 : this.#data.length
  }

  add(chunk: Buffer): void {
    this.#data = this.#data === undefined ? chunk : Buffer.concat([this.#data, chunk])
  }

  /** Everything that is here; the inbox is empty afterwards. */
  take(): Buffer | undefined {
    const data = this.#data
    this.#data = undefined
    return data
  }

  /**
   * Takes the next head off.
   *
   * @returns `begun` when a part of it is missing, `nothing` when not one byte of it is here.
   */
  readHead(limits: HeadSizeLimits & HeadLimits): RequestHead | HeadRefusal | 'begun' | 'nothing' {
    const data = this.#data
    if (data === undefined) return 'nothing'
    const start = headStart(data)
    const end = findHeadEnd(data, start, limits)
    this.refusedHead = false
    if (typeof end !== 'number') return end
    if (end < 0) return start < data.length ? 'begun' : 'nothing'
    this.#data = end < data.length ? data.subarray(end) : undefined
    this.headBytes = end
    const head = parseHead(data, start, end - 2, limits)
    if (isRefusal(head)) this.refusedHead = data.toString('latin1', start, start + 5) === 'HEAD '
    return head
  }
}
