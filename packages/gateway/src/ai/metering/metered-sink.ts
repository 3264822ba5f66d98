import {
  createNoteKey,
  type NoteKey,
  type ResponseHead,
  type ResponseSink,
} from '@pratu/plugin-kit'
import { GatewayError, toGatewayError } from '../../errors/index.ts'
import type { MemoryBudget } from '../../http/index.ts'
import type { PinnedExchange } from '../../pipeline/index.ts'
import type { Dialect, StreamReader } from '../dialects/index.ts'
import { EventScanner } from '../stream/index.ts'
import { estimateUsage, NO_USAGE, type Usage, type UsageReading } from '../usage/index.ts'
import { readModel } from './request-model.ts'

/** What one exchange used, as far as it is known at its end. */
export interface MeteredUsage {
  readonly model: string | undefined
  readonly streamed: boolean
  readonly usage: Usage
  /** The provider's figures could not be counts and were replaced by estimates (F32). */
  readonly anomaly: boolean
  /** Arrival to the first generated text, ms; `undefined` when there was none. */
  readonly timeToFirstTokenMs: number | undefined
}

/** Where the figures of an exchange are left for its log phase. */
export const METERED: NoteKey<MeteredUsage> = createNoteKey('metered-usage')

export interface MeterOptions {
  readonly budget: MemoryBudget
  /** A JSON answer up to this size is held until it is complete, so that a broken one is never begun (F24). */
  readonly holdBytes: number
}

/**
 * Watches one answer pass. `events`: a stream whose end must be its terminal event; `whole`: a JSON answer, held until
 * complete; `passing`: bytes we cannot or need not read, of which the tail is kept for the usage figures.
 */
type Mode = 'events' | 'whole' | 'passing'

const TAIL_BYTES = 16 * 1024
const EMPTY = Buffer.alloc(0)

/** Reads and changes nothing, but for this: a stream that did not really end is never ended cleanly (F22, F23). */
export class MeteredSink implements ResponseSink {
  readonly #exchange: PinnedExchange
  readonly #dialect: Dialect
  readonly #out: ResponseSink
  readonly #options: MeterOptions
  #mode: Mode = 'passing'
  #head: ResponseHead | undefined
  #headSent = false
  #held: Buffer[] = []
  #heldBytes = 0
  #tail: Buffer = EMPTY
  #scanner: EventScanner | undefined
  #reader: StreamReader | undefined
  #firstTokenMs: number | undefined
  #closed = false
  #recorded = false

  constructor(
    exchange: PinnedExchange,
    dialect: Dialect,
    out: ResponseSink,
    options: MeterOptions,
  ) {
    this.#exchange = exchange
    this.#dialect = dialect
    this.#out = out
    this.#options = options
    exchange.onCancel(() => this.#abandon())
  }

  head(head: ResponseHead): void {
    this.#head = head
    this.#mode = this.#modeOf(head)
    if (this.#mode === 'events') {
      this.#openStream(head)
      this.#sendHead()
    } else if (this.#mode === 'passing') {
      this.#sendHead()
    }
  }

  #modeOf({ status, headers }: ResponseHead): Mode {
    const { method } = this.#exchange.request
    const encoding = headers.get('content-encoding')
    if (method === 'HEAD' || status === 204 || status === 304) return 'passing'
    if (encoding !== undefined && encoding !== 'identity') return 'passing'
    const type = headers.get('content-type') ?? ''
    if (type.startsWith('text/event-stream')) return 'events'
    if (!type.startsWith('application/json')) return 'passing'
    return Number(headers.get('content-length') ?? 0) > this.#options.holdBytes
      ? 'passing'
      : 'whole'
  }

  #openStream(head: ResponseHead): void {
    // An error event may have to be added.
    head.headers.delete('content-length')
    const reader = this.#dialect.openStream()
    this.#reader = reader
    this.#scanner = new EventScanner((data) => {
      const before = reader.contentEvents
      reader.read(data)
      if (before === 0 && reader.contentEvents > 0) {
        this.#firstTokenMs = this.#exchange.record.requestLatencyMs
      }
    })
  }

  #sendHead(): void {
    if (this.#headSent || this.#head === undefined) return
    this.#headSent = true
    this.#out.head(this.#head)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#closed) return true
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    switch (this.#mode) {
      case 'events': {
        const whole = this.#scanner?.push(bytes) ?? bytes
        return whole.length === 0 || this.#out.write(whole)
      }
      case 'whole':
        return this.#hold(bytes)
      case 'passing':
        this.#keepTail(bytes)
        return this.#out.write(chunk)
    }
  }

  #hold(bytes: Buffer): boolean {
    const fits =
      this.#heldBytes + bytes.length <= this.#options.holdBytes &&
      this.#options.budget.take(bytes.length)
    if (fits) {
      this.#held.push(bytes)
      this.#heldBytes += bytes.length
      return true
    }
    // Too large to hold back: from here on it is passed through, and a break shows as a broken message.
    this.#mode = 'passing'
    const held = this.#takeHeld()
    this.#sendHead()
    for (const part of held) {
      this.#keepTail(part)
      this.#out.write(part)
    }
    this.#keepTail(bytes)
    return this.#out.write(bytes)
  }

  #takeHeld(): Buffer[] {
    const held = this.#held
    this.#options.budget.give(this.#heldBytes)
    this.#held = []
    this.#heldBytes = 0
    return held
  }

  #keepTail(bytes: Buffer): void {
    this.#tail =
      bytes.length >= TAIL_BYTES
        ? bytes.subarray(bytes.length - TAIL_BYTES)
        : Buffer.concat([this.#tail.subarray(-(TAIL_BYTES - bytes.length)), bytes])
  }

  onDrain(resume: () => void): void {
    this.#out.onDrain(resume)
  }

  end(): void {
    if (this.#closed) return
    const rest = this.#scanner?.finish()
    if (this.#mode === 'events' && !this.#streamEnded()) {
      this.#breakStream(new GatewayError('upstream_truncated'))
      return
    }
    this.#closed = true
    if (rest !== undefined && rest.length > 0) this.#out.write(rest)
    if (this.#mode === 'whole') this.#endWhole()
    else this.#recordOnce(this.#tail)
    this.#out.end()
  }

  #streamEnded(): boolean {
    const { status } = this.#head ?? { status: 0 }
    return this.#reader?.state !== 'open' || status >= 400
  }

  #endWhole(): void {
    const held = this.#takeHeld()
    const body = held.length === 1 ? (held[0] ?? EMPTY) : Buffer.concat(held)
    this.#recordOnce(body)
    this.#sendHead()
    if (body.length > 0) this.#out.write(body)
  }

  fail(error: Error): void {
    if (this.#closed) return
    if (this.#mode === 'events' && this.#headSent) {
      this.#breakStream(error)
      return
    }
    this.#closed = true
    this.#takeHeld()
    this.#recordOnce(this.#tail)
    this.#out.fail(error)
  }

  /** The client is told in its own format, then the message is left visibly incomplete. */
  #breakStream(error: Error): void {
    this.#closed = true
    if (this.#reader?.state === 'open' && this.#scanner?.overflowed !== true) {
      const { status, code, message } = toGatewayError(error)
      this.#out.write(Buffer.from(this.#dialect.errorEvent({ status, code, message })))
    }
    this.#recordOnce(EMPTY)
    this.#out.fail(error)
  }

  /** The client has gone: what it got is what was used. */
  #abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.#takeHeld()
    this.#recordOnce(EMPTY)
  }

  #model(): string | undefined {
    const { body } = this.#exchange.request
    // Bodies that were too large to buffer went through unread.
    const bytes =
      body.completed && body.replayable ? body.bytes(Number.MAX_SAFE_INTEGER) : undefined
    if (bytes === undefined || bytes instanceof Promise) return undefined
    return readModel(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  #recordOnce(answer: Buffer): void {
    if (this.#recorded) return
    this.#recorded = true
    const reading = this.#reading(answer)
    const metered: MeteredUsage = {
      model: this.#model(),
      streamed: this.#mode === 'events',
      usage: typeof reading === 'object' ? reading : this.#estimate(answer),
      anomaly: reading === 'anomaly',
      timeToFirstTokenMs: this.#firstTokenMs,
    }
    this.#exchange.setNote(METERED, metered)
  }

  #reading(answer: Buffer): UsageReading {
    if (this.#failedAtProvider()) return NO_USAGE
    return this.#reader === undefined ? this.#dialect.usageOf(answer) : this.#reader.usage
  }

  /** A provider that refused did not work: nothing to count. */
  #failedAtProvider(): boolean {
    return this.#exchange.record.upstreamStatus === undefined
      ? !this.#exchange.cancelled
      : this.#exchange.record.upstreamStatus >= 400
  }

  #estimate(answer: Buffer): Usage {
    const promptBytes = this.#exchange.request.body.receivedBytes
    const reader = this.#reader
    return reader === undefined
      ? estimateUsage(promptBytes, this.#dialect.contentBytesOf(answer), 0)
      : estimateUsage(promptBytes, reader.contentBytes, reader.contentEvents)
  }
}
