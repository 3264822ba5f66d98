import type { CompleteAnswer, Frame, StreamAnswer } from '../formats/answer.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import { fieldLines, framingLines, statusLine } from './head.ts'
import type { Framing } from './head.ts'

/** Bytes of events gathered for one write when nothing paces the stream. */
const GATHER_BYTES = 16_384

/**
 * Writes a complete answer without faults, in one piece.
 *
 * @param close whether the connection ends with it, whatever the client wants.
 */
export function sendComplete(
  exchange: Exchange,
  answer: CompleteAnswer,
  fields: readonly HeaderPair[],
  close = false,
): void {
  const { head, record } = exchange
  const { status, headers, body } = answer
  const keepAlive = !close && head?.keepAlive === true
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const framing = framingLines({ kind: 'length', bytes }, keepAlive, head?.version ?? '1.1')
  const text = `${statusLine(status)}${fieldLines(headers)}${fieldLines(fields)}${framing}\r\n`
  if (record !== undefined) record.status = status
  if (head?.method === 'HEAD') exchange.write(text, 'latin1')
  else if (typeof body === 'string') exchange.write(text + body)
  else {
    exchange.write(text, 'latin1')
    exchange.write(body)
  }
  exchange.finish(keepAlive)
}

/** Writes a stream without faults: the first token at once, the others at their times. */
export class PlainStream {
  readonly #exchange: Exchange
  readonly #frames: Iterator<Frame, void>
  readonly #chunked: boolean
  readonly #keepAlive: boolean
  /** 0 = unpaced. */
  readonly #tokenIntervalMs: number
  readonly #startMs = performance.now()
  #head: string
  #tokens = 0
  /** A token whose time has not come. */
  #held: Frame | undefined

  constructor(
    exchange: Exchange,
    answer: StreamAnswer,
    fields: readonly HeaderPair[],
    tokenIntervalMs: number,
  ) {
    const version = exchange.head?.version ?? '1.1'
    this.#exchange = exchange
    this.#frames = answer.frames
    this.#chunked = version === '1.1'
    this.#keepAlive = exchange.head?.keepAlive === true && this.#chunked
    this.#tokenIntervalMs = tokenIntervalMs
    const framing: Framing = { kind: this.#chunked ? 'chunked' : 'close' }
    this.#head = `${statusLine(answer.status)}${fieldLines(answer.headers)}${fieldLines(fields)}${framingLines(framing, this.#keepAlive, version)}\r\n`
    if (exchange.record !== undefined) exchange.record.status = answer.status
  }

  /** Writes all that is due, and comes back when more is. */
  readonly pump = (): void => {
    if (this.#exchange.gone) return
    let text = this.#head
    this.#head = ''
    for (;;) {
      const frame = this.#nextDue()
      if (frame === 'later') break
      if (frame === undefined) {
        this.#exchange.write(this.#chunked ? `${text}0\r\n\r\n` : text)
        this.#exchange.finish(this.#keepAlive)
        return
      }
      text += this.#chunked
        ? `${Buffer.byteLength(frame.text).toString(16)}\r\n${frame.text}\r\n`
        : frame.text
      if (text.length >= GATHER_BYTES) {
        if (!this.#exchange.write(text)) {
          void this.#exchange.drained().then(this.pump)
          return
        }
        text = ''
      }
    }
    const dueMs = this.#startMs + this.#tokens * this.#tokenIntervalMs
    if (text !== '' && !this.#exchange.write(text)) void this.#exchange.drained().then(this.pump)
    else this.#exchange.after(Math.max(1, dueMs - performance.now()), this.pump)
  }

  #nextDue(): Frame | 'later' | undefined {
    let frame = this.#held
    if (frame === undefined) {
      const next = this.#frames.next()
      if (next.done === true) return undefined
      frame = next.value
    }
    if (frame.kind === 'token' && this.#tokenIntervalMs > 0) {
      if (performance.now() < this.#startMs + this.#tokens * this.#tokenIntervalMs - 0.5) {
        this.#held = frame
        return 'later'
      }
      this.#tokens += 1
    }
    this.#held = undefined
    return frame
  }
}
