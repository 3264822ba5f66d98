import { FIELD_VALUE, HEX_DIGIT, TOKEN } from '../http/index.ts'
import { refuseHead, type HeadRefusal } from './head-refusal.ts'

export interface ChunkedLimits {
  /** Bytes of the trailer section, which is read and dropped. */
  readonly trailerBytes: number
  readonly trailerFields: number
  /** Bytes of all chunk extensions of one body together (F12). */
  readonly extensionBytes: number
}

/** More digits than any body has, leading zeros included. */
const MAX_SIZE_DIGITS = 12

const CR = 0x0d
const LF = 0x0a
const SP = 0x20
const HTAB = 0x09
const SEMICOLON = 0x3b
const COLON = 0x3a

type State =
  | 'size'
  | 'before-extension'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer-start'
  | 'trailer-name'
  | 'trailer-value'
  | 'trailer-lf'
  | 'final-lf'
  | 'done'

/**
 * Takes the chunked coding off a body (RFC 9112 §7.1), as the bytes arrive. Strict: a bare LF, a bare CR, white space
 * after a size or a size that is no plain hexadecimal number is refused (S01). Trailers are checked and dropped.
 */
export class ChunkedDecoder {
  /** Bytes of the last input that belong to this body; what follows is the next request. */
  consumed = 0
  /** Set when the coding is broken; nothing can be read after it. */
  refusal: HeadRefusal | undefined
  readonly #limits: ChunkedLimits
  #state: State = 'size'
  #digits = 0
  /** Of the size line: the chunk's size; in data: what is left of it. */
  #size = 0
  #extensionBytes = 0
  #trailerBytes = 0
  #trailerFields = 0

  constructor(limits: ChunkedLimits) {
    this.#limits = limits
  }

  /** Whether the last chunk and its trailer section have been read. */
  get done(): boolean {
    return this.#state === 'done'
  }

  /**
   * @param input the next bytes. Overwritten: payload that is split over several chunks is moved together in it.
   * @returns the payload as a view of `input`, or `undefined` when there is none.
   */
  decode(input: Buffer): Buffer | undefined {
    let payloadStart = 0
    let payloadEnd = 0
    let at = 0
    while (at < input.length && this.#state !== 'done') {
      if (this.#state !== 'data') {
        this.refusal = this.#step(input[at] ?? 0)
        if (this.refusal !== undefined) break
        at++
        continue
      }
      const length = Math.min(this.#size, input.length - at)
      if (payloadEnd === payloadStart) {
        payloadStart = at
        payloadEnd = at + length
      } else {
        input.copyWithin(payloadEnd, at, at + length)
        payloadEnd += length
      }
      at += length
      this.#size -= length
      if (this.#size === 0) this.#state = 'data-cr'
    }
    this.consumed = at
    return payloadEnd > payloadStart ? input.subarray(payloadStart, payloadEnd) : undefined
  }

  /** One byte that is not payload. */
  #step(byte: number): HeadRefusal | undefined {
    switch (this.#state) {
      case 'size':
        return this.#sizeDigit(byte)
      case 'before-extension':
        if (byte !== SP && byte !== HTAB && byte !== SEMICOLON)
          return broken('white space after a chunk size')
        if (byte === SEMICOLON) this.#state = 'extension'
        return this.#countExtension()
      case 'extension':
        if (byte === CR) this.#state = 'size-lf'
        else if (FIELD_VALUE[byte] !== 1) return broken('control character in a chunk extension')
        return this.#countExtension()
      case 'size-lf':
        if (byte !== LF) return broken('bare CR after a chunk size')
        this.#state = this.#size === 0 ? 'trailer-start' : 'data'
        this.#digits = 0
        return undefined
      case 'data-cr':
        this.#state = 'data-lf'
        return byte === CR ? undefined : broken('chunk longer than its size')
      case 'data-lf':
        this.#state = 'size'
        return byte === LF ? undefined : broken('bare CR after a chunk')
      default:
        return this.#trailerByte(byte)
    }
  }

  #sizeDigit(byte: number): HeadRefusal | undefined {
    const digit = HEX_DIGIT[byte] ?? 0
    if (digit > 0) {
      this.#size = this.#size * 16 + (digit - 1)
      this.#digits++
      return this.#digits > MAX_SIZE_DIGITS
        ? refuseHead('body_too_large', 'chunk size beyond any limit')
        : undefined
    }
    if (this.#digits === 0) return broken('chunk size is no hexadecimal number')
    if (byte === CR) this.#state = 'size-lf'
    else if (byte === SEMICOLON) this.#state = 'extension'
    else if (byte === SP || byte === HTAB) this.#state = 'before-extension'
    else return broken('chunk size is no hexadecimal number')
    return undefined
  }

  #countExtension(): HeadRefusal | undefined {
    this.#extensionBytes++
    return this.#extensionBytes > this.#limits.extensionBytes
      ? refuseHead('body_too_large', 'chunk extensions too long')
      : undefined
  }

  #trailerByte(byte: number): HeadRefusal | undefined {
    this.#trailerBytes++
    if (this.#trailerBytes > this.#limits.trailerBytes) {
      return refuseHead('headers_too_large', 'trailer section too long')
    }
    switch (this.#state) {
      case 'trailer-start':
        if (byte === CR) {
          this.#state = 'final-lf'
          return undefined
        }
        this.#state = 'trailer-name'
        this.#trailerFields++
        if (this.#trailerFields > this.#limits.trailerFields) {
          return refuseHead('headers_too_large', 'too many trailer fields')
        }
        return TOKEN[byte] === 1 ? undefined : broken('malformed trailer field')
      case 'trailer-name':
        if (byte === COLON) this.#state = 'trailer-value'
        else if (TOKEN[byte] !== 1) return broken('malformed trailer field')
        return undefined
      case 'trailer-value':
        if (byte === CR) this.#state = 'trailer-lf'
        else if (FIELD_VALUE[byte] !== 1) return broken('control character in a trailer field')
        return undefined
      case 'trailer-lf':
        this.#state = 'trailer-start'
        return byte === LF ? undefined : broken('bare CR in a trailer field')
      default:
        if (byte !== LF) return broken('bare CR at the end of the body')
        this.#state = 'done'
        return undefined
    }
  }
}

function broken(reason: string): HeadRefusal {
  return refuseHead('invalid_framing', reason)
}
