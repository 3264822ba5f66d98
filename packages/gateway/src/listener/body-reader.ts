import { GatewayError, type ErrorCode } from '../errors/index.ts'
import { ChunkedDecoder, type ChunkedLimits } from './chunked-decoder.ts'
import type { RequestHead } from './head-parser.ts'
import { IncomingBody, type BodyLimits, type BodySource } from './request-body.ts'

/** The connection, as the reader of one body sees it. */
export interface BodyWire {
  /** Coarse monotonic milliseconds. */
  readonly nowMs: number
  startReading(): void
  stopReading(): void
  sendContinue(): void
  /** Bytes that follow the body: the next request. */
  stash(rest: Buffer): void
  /** The body was refused; its exchange renders the answer. */
  bodyRefused(code: ErrorCode): void
}

export interface BodyPace {
  readonly timeoutMs: number
  readonly graceMs: number
  readonly floorBytesPerSecond: number
}

/** Reads one body off the connection: takes its framing off, hands the payload over, watches its pace (F02). */
export class BodyReader implements BodySource {
  readonly body: IncomingBody
  /** Body bytes taken from the connection, framing included. */
  wireBytes = 0
  readonly #wire: BodyWire
  readonly #pace: BodyPace
  readonly #decoder: ChunkedDecoder | undefined
  /** Still to come of a body with a length. */
  #leftBytes: number
  #continueOwed: boolean
  /** Time spent waiting for the client so far, and since when it is waited for; -1 while the body is paused. */
  #waitedMs = 0
  #waitingSinceMs = -1

  constructor(
    wire: BodyWire,
    head: RequestHead,
    limits: BodyLimits,
    chunked: ChunkedLimits,
    pace: BodyPace,
  ) {
    this.#wire = wire
    this.#pace = pace
    this.#leftBytes = head.contentLength ?? 0
    this.#decoder = head.contentLength === undefined ? new ChunkedDecoder(chunked) : undefined
    this.#continueOwed = head.expectsContinue
    this.body = new IncomingBody(this, head.contentLength, limits)
  }

  /** Takes what belongs to the body and hands its payload over. Bytes after a refused body are dropped. */
  feed(data: Buffer): void {
    if (this.body.closed) return
    if (this.#decoder === undefined) this.#feedLength(data)
    else this.#feedChunked(data, this.#decoder)
  }

  resumeBody(): void {
    if (this.body.closed) return
    if (this.#waitingSinceMs < 0) this.#waitingSinceMs = this.#wire.nowMs
    if (this.#continueOwed) {
      this.#continueOwed = false
      // A client that sent some of the body already does not wait (RFC 9110 §10.1.1).
      if (this.wireBytes === 0) this.#wire.sendContinue()
    }
    this.#wire.startReading()
  }

  pauseBody(): void {
    if (this.#waitingSinceMs >= 0) this.#waitedMs += this.#wire.nowMs - this.#waitingSinceMs
    this.#waitingSinceMs = -1
    if (!this.body.completed) this.#wire.stopReading()
  }

  /** Whether somebody waits for bytes from the client. */
  get waiting(): boolean {
    return this.#waitingSinceMs >= 0 && !this.body.closed
  }

  /** Refuses a body that is too slow. Time during which we did not read does not count against the client. */
  tick(nowMs: number): void {
    if (!this.waiting) return
    const { timeoutMs, graceMs, floorBytesPerSecond } = this.#pace
    const waitedMs = this.#waitedMs + nowMs - this.#waitingSinceMs
    const tooLong = waitedMs >= timeoutMs
    const tooSlow = waitedMs >= graceMs && this.wireBytes * 1000 < floorBytesPerSecond * waitedMs
    if (tooLong || tooSlow)
      this.#refuse('request_timeout', tooLong ? 'body timeout' : 'body below the floor rate')
  }

  #feedLength(data: Buffer): void {
    const taken = Math.min(this.#leftBytes, data.length)
    this.#leftBytes -= taken
    this.wireBytes += taken
    this.body.push(taken === data.length ? data : data.subarray(0, taken))
    if (this.#leftBytes === 0 && !this.body.closed) this.#finish(data, taken)
  }

  #feedChunked(data: Buffer, decoder: ChunkedDecoder): void {
    const payload = decoder.decode(data)
    this.wireBytes += decoder.consumed
    if (payload !== undefined) this.body.push(payload)
    if (this.body.closed) return
    const { refusal } = decoder
    if (refusal !== undefined) this.#refuse(refusal.code, refusal.reason)
    else if (decoder.done) this.#finish(data, decoder.consumed)
  }

  /** The next request is put aside first: completing a body may complete its exchange in the same call. */
  #finish(data: Buffer, taken: number): void {
    if (taken < data.length) this.#wire.stash(data.subarray(taken))
    this.body.finish()
  }

  #refuse(code: ErrorCode, reason: string): void {
    this.#wire.bodyRefused(code)
    this.body.fail(new GatewayError(code, { reason }))
  }
}
