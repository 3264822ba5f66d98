import type { Answer } from '../formats/answer.ts'
import type { WireFormat } from '../formats/wire-format.ts'
import type { BreakKind, BreakPoint, Fault } from '../faults/fault.ts'
import { isBeforeBody } from '../faults/fault.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import { planBody } from './body-plan.ts'
import type { BodyPlan, Piece } from './body-plan.ts'
import { faultyHead, informationalHeads } from './faulted-head.ts'
import type { Framing } from './head.ts'
import { spoilAnswer, streamProblem } from './spoil-answer.ts'
import type { SpoiltAnswer } from './spoil-answer.ts'
import { Stops } from './stops.ts'

const SECOND_BODY = '{"id":"an answer that nobody asked for"}'
const SECOND_RESPONSE = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${SECOND_BODY.length}\r\n\r\n${SECOND_BODY}`
const ENDLESS_PIECE_BYTES = 16_384
const ENDLESS_TICK_MS = 10

/** How many bytes of the head come before the place; `undefined` for places in the body. */
function headOffset(point: BreakPoint, headBytes: number): number | undefined {
  if (!isBeforeBody(point)) return undefined
  if (point === 'before-headers') return 0
  return Math.min(headBytes, Number(point.slice('in-headers:'.length)))
}

/** What the delivery of a faulty answer needs to know. */
export interface FaultyDelivery {
  readonly exchange: Exchange
  readonly answer: Answer
  /** Fields beside those of the answer. */
  readonly fields: readonly HeaderPair[]
  readonly fault: Fault
  readonly format: WireFormat
  /** 0 = unpaced. */
  readonly tokenIntervalMs: number
}

/** Sends one answer with everything that its fault asks for: slow and exact, unlike `plain.ts`. */
class FaultyAnswer {
  readonly #exchange: Exchange
  readonly #fault: Fault
  readonly #format: WireFormat
  readonly #fields: readonly HeaderPair[]
  readonly #answer: SpoiltAnswer
  readonly #tokenIntervalMs: number
  #chunked = false
  #keepAlive = false

  constructor({ exchange, answer, fields, fault, format, tokenIntervalMs }: FaultyDelivery) {
    this.#exchange = exchange
    this.#format = format
    this.#fields = fields
    this.#answer = spoilAnswer(answer, fault, format)
    // An error inside a complete answer is its body, not a place where it breaks off.
    const isBody = fault.break?.how === 'error' && this.#answer.kind === 'complete'
    this.#fault = isBody ? { ...fault, break: undefined } : fault
    this.#tokenIntervalMs = tokenIntervalMs
  }

  async send(): Promise<void> {
    const fault = this.#fault
    const { channel, head, record } = this.#exchange
    channel.onReuse = fault.closeOnReuse
    channel.idleCloseMs = fault.idleCloseMs
    if (fault.raw !== undefined) {
      await this.#writeHead(Buffer.from(fault.raw, 'base64'))
      this.#exchange.finish(false)
      return
    }
    const plan = await planBody(this.#answer, fault, this.#format)
    if (!(await this.#writeHead(this.#headBytes(plan, head?.version ?? '1.1')))) return
    if (record !== undefined) record.status = this.#answer.status
    if (!this.#hasBody()) {
      this.#exchange.finish(this.#keepAlive)
      return
    }
    if (fault.endless !== undefined) await this.#writeEndless(fault.endless)
    if (await this.#writeBody(plan)) await this.#end()
  }

  #headBytes(plan: BodyPlan, version: '1.0' | '1.1'): Buffer {
    const fault = this.#fault
    const { status } = this.#answer
    const framing = this.#framing(plan, version)
    this.#chunked = framing.kind === 'chunked'
    this.#keepAlive =
      this.#exchange.head?.keepAlive === true &&
      framing.kind !== 'close' &&
      fault.connection === undefined &&
      // The client waits for bytes that will not come; only FIN tells it so.
      fault.declaredLength?.startsWith('+') !== true
    const headers = [...this.#answer.headers, ...this.#fields]
    const lines = { status, headers, framing, keepAlive: this.#keepAlive, version }
    return Buffer.from(informationalHeads(fault) + faultyHead(lines, fault), 'latin1')
  }

  /** @returns false when the answer is over. */
  async #writeHead(bytes: Buffer): Promise<boolean> {
    const stops = new Stops(this.#fault, (point) => headOffset(point, bytes.length))
    const write = (part: Buffer): Promise<void> => this.#write(part)
    const over = await this.#writePieces([{ bytes, token: 0 }], bytes.length, stops, write)
    // A break that leaves the connection open has nothing to go on with here.
    if (over !== undefined) this.#exchange.finish(false)
    return over === undefined
  }

  #hasBody(): boolean {
    const { status } = this.#answer
    return this.#exchange.head?.method !== 'HEAD' && status !== 204 && status !== 304
  }

  #framing(plan: BodyPlan, version: '1.0' | '1.1'): Framing {
    const { framing, endless, declaredLength, break: end } = this.#fault
    const whole = this.#answer.kind === 'complete' && endless === undefined
    const kind = framing ?? (whole ? 'length' : version === '1.1' ? 'chunked' : 'close')
    if (kind !== 'length') return { kind }
    const bytes = end?.how === 'end' ? plan.offsetOf(end.at) : plan.totalBytes
    if (declaredLength === undefined) return { kind, bytes }
    if (!/^[+-]/.test(declaredLength)) return { kind, bytes: declaredLength }
    return { kind, bytes: Math.max(0, bytes + Number(declaredLength)) }
  }

  /** @returns true when the framing is to be ended in order. */
  async #writeBody(plan: BodyPlan): Promise<boolean> {
    const stops = new Stops(this.#fault, (point) =>
      isBeforeBody(point) ? undefined : plan.offsetOf(point),
    )
    const write = (part: Buffer): Promise<void> => this.#writePiece(part)
    const over = await this.#writePieces(plan.pieces, plan.totalBytes, stops, write)
    return over === undefined || over === 'end'
  }

  /**
   * Writes up to `totalBytes`, pausing and breaking off where `stops` say.
   *
   * @returns how it broke off (`end` = the framing is still to be ended), or `undefined` when all is written.
   */
  async #writePieces(
    pieces: Iterable<Piece>,
    totalBytes: number,
    stops: Stops,
    write: (part: Buffer) => Promise<void>,
  ): Promise<BreakKind | 'gone' | undefined> {
    const exchange = this.#exchange
    const startMs = performance.now()
    let sent = 0
    for (const { bytes, token } of pieces) {
      if (sent >= totalBytes) break
      const size = Math.min(bytes.length, totalBytes - sent)
      let from = 0
      while (from < size) {
        const how = await this.#stop(stops, sent)
        if (how !== undefined) return how
        if (from === 0 && token > 1 && this.#tokenIntervalMs > 0) {
          const dueMs = startMs + (token - 1) * this.#tokenIntervalMs
          await exchange.sleep(dueMs - performance.now())
        }
        if (exchange.gone) return 'gone'
        const to = Math.min(size, from + stops.next() - sent)
        await write(bytes.subarray(from, to))
        sent += to - from
        from = to
      }
    }
    const how = await this.#stop(stops, sent)
    return how ?? (exchange.gone ? 'gone' : undefined)
  }

  /** @returns how the answer broke off, if it did: `end` = the framing is still to be ended. */
  async #stop(stops: Stops, sent: number): Promise<BreakKind | undefined> {
    for (let stop = stops.take(sent); stop !== undefined; stop = stops.take(sent)) {
      if (stop.pauseMs !== undefined) await this.#exchange.sleep(stop.pauseMs)
      if (stop.how === undefined) continue
      await this.#breakOff(stop.how)
      return stop.how === 'error' ? 'end' : stop.how
    }
    return undefined
  }

  async #breakOff(how: BreakKind): Promise<void> {
    const exchange = this.#exchange
    if (how === 'reset') exchange.reset()
    else if (how === 'close') exchange.finish(false)
    else if (how === 'hang') await exchange.silence()
    else if (how === 'error') {
      await this.#writePiece(Buffer.from(this.#format.errorFrame(streamProblem(this.#fault)).text))
    }
  }

  /** Ends the framing, adds what does not belong there, and lets the connection go on or not. */
  async #end(): Promise<void> {
    const { extraBytes } = this.#fault
    const extra = extraBytes === '' ? SECOND_RESPONSE : (extraBytes ?? '')
    await this.#write(Buffer.from(`${this.#chunked ? '0\r\n\r\n' : ''}${extra}`))
    this.#exchange.finish(this.#keepAlive)
  }

  /** Sends at a rate until the time is over or the client goes. */
  async #writeEndless({ bytesPerSecond, forMs }: NonNullable<Fault['endless']>): Promise<void> {
    const exchange = this.#exchange
    // Before a JSON object, white space is legal for as long as the client takes it.
    const piece =
      this.#answer.kind === 'frames'
        ? Buffer.from(this.#format.paddingFrame(ENDLESS_PIECE_BYTES).text)
        : Buffer.alloc(ENDLESS_PIECE_BYTES, ' ')
    const startMs = performance.now()
    let sent = 0
    for (;;) {
      const elapsedMs = performance.now() - startMs
      if (exchange.gone || elapsedMs >= (forMs ?? Infinity)) return
      while (sent < (elapsedMs / 1000) * bytesPerSecond && !exchange.gone) {
        await this.#writePiece(piece)
        sent += piece.length
      }
      await exchange.sleep(ENDLESS_TICK_MS)
    }
  }

  #writePiece(bytes: Buffer): Promise<void> {
    if (!this.#chunked || bytes.length === 0) return this.#write(bytes)
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`)
    return this.#write(Buffer.concat([size, bytes, Buffer.from('\r\n')]))
  }

  async #write(bytes: Buffer): Promise<void> {
    const exchange = this.#exchange
    const { segmentBytes, segmentMs = 0 } = this.#fault
    const step = segmentBytes ?? bytes.length
    for (let at = 0; at < bytes.length && !exchange.gone; at += step) {
      if (!exchange.write(bytes.subarray(at, at + step))) await exchange.drained()
      if (segmentBytes === undefined) continue
      if (segmentMs > 0) await exchange.sleep(segmentMs)
      else await new Promise(setImmediate)
    }
  }
}

/** Sends one answer with its fault; a failure of the simulator itself cuts the connection and warns. */
export function sendFaulty(delivery: FaultyDelivery): void {
  new FaultyAnswer(delivery).send().catch((error: unknown) => {
    delivery.exchange.reset()
    process.emitWarning(error instanceof Error ? error : String(error))
  })
}
