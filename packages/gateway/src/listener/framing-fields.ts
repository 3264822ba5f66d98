import { refuseHead, type HeadRefusal } from './head-refusal.ts'

/** More digits than any body has, and still an exact number. */
const MAX_LENGTH_DIGITS = 15

const DIGITS = /^[0-9]+$/

/** What the header fields of one request say about its framing and its connection, collected field by field. */
export class FramingFields {
  host: string | undefined
  /** Of `Content-Length`; `undefined` for a chunked body; 0 when there is none. Final after `resolve`. */
  contentLength: number | undefined = 0
  keepAlive = true
  expectsContinue = false
  #lengthSeen = false
  #transferEncoding: string | undefined
  #saysClose = false
  #saysKeepAlive = false

  /** @returns why the request must be refused, if this field alone says so. */
  add(lowerCaseName: string, value: string): HeadRefusal | undefined {
    switch (lowerCaseName) {
      case 'host':
        return this.#addHost(value)
      case 'expect':
        return this.#addExpect(value)
      case 'connection':
        this.#addConnection(value)
        return undefined
      case 'content-length':
        return this.#addLength(value)
      case 'transfer-encoding':
        this.#transferEncoding =
          this.#transferEncoding === undefined ? value : `${this.#transferEncoding},${value}`
        return undefined
      default:
        return undefined
    }
  }

  /** Decides the framing (RFC 9112 §6.3, S01). @returns why it is refused, if it is ambiguous. */
  resolve(http10: boolean): HeadRefusal | undefined {
    this.keepAlive = !this.#saysClose && (!http10 || this.#saysKeepAlive)
    // RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
    if (http10) this.expectsContinue = false
    const coding = this.#transferEncoding
    if (coding === undefined) return undefined
    if (http10) return refuseHead('invalid_framing', 'Transfer-Encoding in HTTP/1.0')
    if (this.#lengthSeen)
      return refuseHead('invalid_framing', 'Content-Length beside Transfer-Encoding')
    this.contentLength = undefined
    if (coding === 'chunked' || coding.toLowerCase() === 'chunked') return undefined
    return isCodedThenChunked(coding)
      ? refuseHead('transfer_coding_not_supported', 'transfer coding other than chunked')
      : refuseHead('invalid_framing', 'Transfer-Encoding does not end in one chunked')
  }

  #addHost(value: string): HeadRefusal | undefined {
    if (this.host !== undefined) return refuseHead('invalid_host', 'repeated Host')
    this.host = value
    return undefined
  }

  #addExpect(value: string): HeadRefusal | undefined {
    if (value.toLowerCase() !== '100-continue')
      return refuseHead('expectation_failed', 'unknown expectation')
    this.expectsContinue = true
    return undefined
  }

  #addLength(value: string): HeadRefusal | undefined {
    // Equal repetitions are refused too: whoever is behind us might take the other one.
    if (this.#lengthSeen) return refuseHead('invalid_framing', 'repeated Content-Length')
    this.#lengthSeen = true
    if (value.length === 0) return refuseHead('invalid_framing', 'Content-Length is empty')
    if (!DIGITS.test(value)) return refuseHead('invalid_framing', 'Content-Length is no number')
    if (value.length > MAX_LENGTH_DIGITS)
      return refuseHead('body_too_large', 'Content-Length beyond any limit')
    this.contentLength = Number(value)
    return undefined
  }

  #addConnection(value: string): void {
    if (value === 'keep-alive') this.#saysKeepAlive = true
    else if (value === 'close') this.#saysClose = true
    else {
      for (const option of value.toLowerCase().split(',')) {
        const name = option.trim()
        if (name === 'close') this.#saysClose = true
        else if (name === 'keep-alive') this.#saysKeepAlive = true
      }
    }
  }
}

/** Whether the codings are known in form: others first, then exactly one `chunked` (RFC 9112 §6.1). */
function isCodedThenChunked(coding: string): boolean {
  const names = coding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  return names.length > 1 && names.indexOf('chunked') === names.length - 1 && !names.includes('')
}
