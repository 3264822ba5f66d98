import { MalformedRequest } from './request-head.ts'
import type { RequestHead } from './request-head.ts'

const CR = 13
const LF = 10
const MAX_CHUNK_LINE_BYTES = 16_384

type ChunkState = 'size' | 'data' | 'data-end' | 'trailer'

/** Takes a request body off the wire: the bytes as sent and the bytes that they mean. */
export class RequestBody {
  readonly chunked: boolean
  readonly #maxBytes: number
  readonly #raw: Buffer[] = []
  readonly #decoded: Buffer[] = []
  #decodedBytes = 0
  /** Bytes missing of the body, or of the chunk in progress. */
  #missing: number
  #state: ChunkState = 'size'
  #line = ''
  #done: boolean

  /** @param maxBytes more decoded bytes than this are refused. */
  constructor(kind: RequestHead['body'], maxBytes: number) {
    this.chunked = kind.kind === 'chunked'
    this.#maxBytes = maxBytes
    this.#missing = kind.kind === 'length' ? kind.bytes : 0
    this.#done = !this.chunked && this.#missing === 0
    if (this.#missing > maxBytes) throw new BodyTooLarge(maxBytes)
  }

  get done(): boolean {
    return this.#done
  }

  /** Everything received so far, chunk framing included. */
  get raw(): Buffer {
    return join(this.#raw)
  }

  /** The payload received so far. */
  get decoded(): Buffer {
    return join(this.#decoded)
  }

  /**
   * @returns how many bytes of `bytes`, from `offset` on, belong to this body.
   * @throws {MalformedRequest} when the chunk framing is broken.
   * @throws {BodyTooLarge}
   */
  push(bytes: Buffer, offset: number): number {
    const end = this.chunked ? this.#pushChunked(bytes, offset) : this.#pushLength(bytes, offset)
    if (end > offset) this.#raw.push(bytes.subarray(offset, end))
    return end - offset
  }

  #pushLength(bytes: Buffer, offset: number): number {
    const end = Math.min(bytes.length, offset + this.#missing)
    this.#take(bytes.subarray(offset, end))
    this.#done = this.#missing === 0
    return end
  }

  #pushChunked(bytes: Buffer, offset: number): number {
    let at = offset
    while (at < bytes.length && !this.#done) {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, at + this.#missing)
        this.#take(bytes.subarray(at, end))
        at = end
        if (this.#missing === 0) this.#state = 'data-end'
        continue
      }
      const feed = bytes.indexOf(LF, at)
      const end = feed < 0 ? bytes.length : feed + 1
      this.#line += bytes.toString('latin1', at, end)
      at = end
      if (this.#line.length > MAX_CHUNK_LINE_BYTES)
        throw new MalformedRequest('chunk line longer than 16 KiB')
      if (feed >= 0) this.#finishLine()
    }
    return at
  }

  #finishLine(): void {
    const line = this.#line
    this.#line = ''
    if (line.charCodeAt(line.length - 2) !== CR)
      throw new MalformedRequest('chunk line ends in a bare LF')
    const text = line.slice(0, -2)
    if (this.#state === 'data-end') {
      if (text !== '') throw new MalformedRequest('chunk data longer than its size')
      this.#state = 'size'
    } else if (this.#state === 'trailer') {
      this.#done = text === ''
    } else {
      const size = /^([0-9A-Fa-f]{1,12})(?:[ \t]*;[^\r\n]*)?$/.exec(text)
      if (size === null)
        throw new MalformedRequest(`chunk size line ${JSON.stringify(text.slice(0, 80))}`)
      this.#missing = Number.parseInt(size[1] ?? '', 16)
      if (this.#decodedBytes + this.#missing > this.#maxBytes)
        throw new BodyTooLarge(this.#maxBytes)
      this.#state = this.#missing === 0 ? 'trailer' : 'data'
    }
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#missing -= bytes.length
    this.#decodedBytes += bytes.length
    this.#decoded.push(bytes)
  }
}

/** The body is larger than the simulator keeps. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge'

  constructor(maxBytes: number) {
    super(`request body longer than ${maxBytes} bytes (the simulator's maxBodyBytes)`)
  }
}

const EMPTY = Buffer.alloc(0)

function join(parts: Buffer[]): Buffer {
  if (parts.length === 0) return EMPTY
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const whole = Buffer.concat(parts)
  parts.splice(0, parts.length, whole)
  return whole
}
