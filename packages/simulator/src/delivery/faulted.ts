import type { Answer } from '../formats/answer.ts'
import type { WireFormat } from '../formats/wire-format.ts'
import type { BreakKind, Fault } from '../faults/fault.ts'
import type { Exchange } from '../wire/exchange.ts'
import { planBody } from './body-plan.ts'
import type { BodyPlan } from './body-plan.ts'
import { faultyHead, informationalHeads } from './faulted-head.ts'
import type { Framing } from './head.ts'
import { spoilAnswer, streamProblem } from './spoil-answer.ts'
import type { SpoiltStream } from './spoil-answer.ts'
import type { CompleteAnswer } from '../formats/answer.ts'

const SECOND_RESPONSE =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n{"id":"the answer of nobody\'s"}\r\n'
const ENDLESS_FRAME_BYTES = 16_384
const ENDLESS_TICK_MS = 10

/** What the delivery of a faulty answer needs to know. */
export interface FaultyDelivery {
  readonly exchange: Exchange
  readonly answer: Answer
  readonly fault: Fault
  readonly format: WireFormat
  /** 0 = unpaced. */
  readonly tokenIntervalMs: number
}

type Spoilt = CompleteAnswer | SpoiltStream

/** Sends one answer with everything that its fault asks for. Slow and exact, unlike `plain.ts`. */
class FaultyAnswer {
  readonly #exchange: Exchange
  readonly #fault: Fault
  readonly #format: WireFormat
  readonly #answer: Spoilt
  readonly #tokenIntervalMs: number
  #chunked = false
  #keepAlive = false

  constructor({ exchange, answer, fault, format, tokenIntervalMs }: FaultyDelivery) {
    this.#exchange = exchange
    // An error inside a complete answer is its body, not a place where it breaks off.
    this.#fault =
      fault.break?.how === 'error' && answer.kind === 'complete'
        ? { ...fault, break: undefined }
        : fault
    this.#format = format
    this.#answer = spoilAnswer(answer, fault, format)
    this.#tokenIntervalMs = tokenIntervalMs
  }

  async send(): Promise<void> {
    const fault = this.#fault
    const exchange = this.#exchange
    if (fault.noRead === true) exchange.channel.stopReading()
    exchange.channel.onReuse = fault.closeOnReuse
    exchange.channel.idleCloseMs = fault.idleCloseMs
    if (await this.#stopBeforeHeaders()) return
    if (fault.raw !== undefined) {
      await this.#write(Buffer.from(fault.raw, 'base64'))
      exchange.finish(false)
      return
    }
    const plan = await planBody(this.#answer, fault, this.#format)
    await this.#writeHead(plan)
    if (fault.endless !== undefined) await this.#writeEndless(fault.endless)
    if (exchange.head?.method !== 'HEAD' && (await this.#writeBody(plan))) return
    await this.#end()
  }

  /** @returns true when the answer is over without a byte. */
  async #stopBeforeHeaders(): Promise<boolean> {
    const { pause, break: end } = this.#fault
    if (pause?.at === 'before-headers') await this.#exchange.sleep(pause.forMs)
    if (end?.at === 'before-headers') {
      await this.#breakOff(end.how)
      return true
    }
    return this.#exchange.gone
  }

  async #writeHead(plan: BodyPlan): Promise<void> {
    const { head, record } = this.#exchange
    const fault = this.#fault
    const version = head?.version ?? '1.1'
    const framing = this.#framing(plan, version)
    this.#chunked = framing.kind === 'chunked'
    this.#keepAlive =
      head?.keepAlive === true && framing.kind !== 'close' && fault.connection === undefined
    if (fault.declaredLength?.startsWith('+') === true) this.#keepAlive = false
    if (record !== undefined) record.status = this.#answer.status
    const informational = informationalHeads(fault)
    if (informational !== '') await this.#write(Buffer.from(informational, 'latin1'))
    const { status, headers } = this.#answer
    const text = faultyHead(
      { status, headers, framing, keepAlive: this.#keepAlive, version },
      fault,
    )
    await this.#write(Buffer.from(text, 'latin1'))
  }

  #framing(plan: BodyPlan, version: '1.0' | '1.1'): Framing {
    const fault = this.#fault
    const natural =
      this.#answer.kind === 'complete' && fault.endless === undefined
        ? 'length'
        : version === '1.1'
          ? 'chunked'
          : 'close'
    const kind = fault.framing ?? natural
    if (kind !== 'length') return { kind }
    const end = fault.break?.how === 'end' ? plan.offsetOf(fault.break.at) : plan.totalBytes
    const declared = fault.declaredLength
    if (declared === undefined) return { kind, bytes: end }
    return { kind, bytes: /^[+-]/.test(declared) ? Math.max(0, end + Number(declared)) : declared }
  }

  /** @returns true when the answer is over. */
  async #writeBody(plan: BodyPlan): Promise<boolean> {
    const { pause, break: end } = this.#fault
    const pauseAt =
      pause === undefined || pause.at === 'before-headers' ? Infinity : plan.offsetOf(pause.at)
    const endAt = end === undefined ? Infinity : plan.offsetOf(end.at)
    const startMs = performance.now()
    let sent = 0
    let paused = false
    for (const piece of plan.pieces) {
      if (this.#tokenIntervalMs > 0 && piece.token > 0) {
        await this.#exchange.sleep(
          startMs + (piece.token - 1) * this.#tokenIntervalMs - performance.now(),
        )
      }
      let from = 0
      const left = plan.totalBytes - sent
      const size = Math.min(piece.bytes.length, left)
      for (;;) {
        if (this.#exchange.gone) return true
        if (!paused && pause !== undefined && sent >= pauseAt) {
          paused = true
          await this.#exchange.sleep(pause.forMs)
        }
        if (end !== undefined && sent >= endAt) {
          await this.#breakOff(end.how)
          return end.how !== 'end' && end.how !== 'error'
        }
        if (from >= size) break
        const stop = Math.min(
          size,
          from + Math.max(1, Math.min(endAt, paused ? Infinity : pauseAt) - sent),
        )
        await this.#writePiece(piece.bytes.subarray(from, stop))
        sent += stop - from
        from = stop
      }
      if (sent >= plan.totalBytes) break
    }
    if (end === undefined || sent < endAt) return false
    await this.#breakOff(end.how)
    return end.how !== 'end' && end.how !== 'error'
  }

  async #breakOff(how: BreakKind): Promise<void> {
    const exchange = this.#exchange
    if (how === 'reset') exchange.reset()
    else if (how === 'close') exchange.finish(false)
    else if (how === 'hang') await exchange.silence()
    else if (how === 'error' && this.#answer.kind === 'frames') {
      await this.#writePiece(Buffer.from(this.#format.errorFrame(streamProblem(this.#fault)).text))
    }
  }

  /** Ends the framing in order, adds what does not belong there, and lets the connection go on or not. */
  async #end(): Promise<void> {
    const exchange = this.#exchange
    const { extraBytes } = this.#fault
    const socket = exchange.channel.socket
    socket.cork()
    if (this.#chunked) void this.#write(Buffer.from('0\r\n\r\n'))
    if (extraBytes !== undefined)
      void this.#write(Buffer.from(extraBytes === '' ? SECOND_RESPONSE : extraBytes))
    socket.uncork()
    await exchange.drained()
    exchange.finish(this.#keepAlive)
  }

  /** Sends at a rate until the time is over or the client goes. */
  async #writeEndless(endless: NonNullable<Fault['endless']>): Promise<void> {
    const exchange = this.#exchange
    const frame = Buffer.from(this.#format.paddingFrame(ENDLESS_FRAME_BYTES).text)
    const startMs = performance.now()
    let sent = 0
    for (;;) {
      const elapsedMs = performance.now() - startMs
      if (exchange.gone || elapsedMs >= (endless.forMs ?? Infinity)) return
      while (sent < (elapsedMs / 1000) * endless.bytesPerSecond && !exchange.gone) {
        await this.#writePiece(frame)
        sent += frame.length
      }
      await exchange.sleep(ENDLESS_TICK_MS)
    }
  }

  #writePiece(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return Promise.resolve()
    if (!this.#chunked) return this.#write(bytes)
    return this.#write(
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
    )
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

/** @returns a promise that resolves when the answer is over in whatever way. */
export function sendFaulty(delivery: FaultyDelivery): Promise<void> {
  return new FaultyAnswer(delivery).send()
}
