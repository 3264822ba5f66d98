import {
  createNoteKey,
  type NoteKey,
  type ResponseHead,
  type ResponseSink,
} from '@pratu/plugin-kit'
import { GatewayError, toGatewayError } from '../../errors/index.ts'
import { ByteCollector, mayHaveContent, type MemoryBudget } from '../../http/index.ts'
import type { PinnedExchange } from '../../pipeline/index.ts'
import type { Dialect } from '../dialects/index.ts'
import { EventScanner } from '../stream/index.ts'
import { formatDollars, type Cost, type PricedService, type Pricing } from '../prices/index.ts'
import type { Usage } from '../usage/index.ts'
import { AnswerTail } from './answer-tail.ts'
import { FlightWatch, useOf } from './flight-watch.ts'
import { measure, requestedModel } from './measure.ts'
import type { EventWatch, Watch } from './watch.ts'

/** What one exchange used, as far as it is known at its end. */
export interface MeteredUsage {
  readonly model: string | undefined
  readonly streamed: boolean
  readonly usage: Usage
  readonly cost: Cost
  /** The stream was ended here because a limit was used up. */
  readonly cut: boolean
  /** The provider's figures could not be counts and were replaced by estimates (F32). */
  readonly anomaly: boolean
  /** Arrival to the first generated text, ms; `undefined` when there was none. */
  readonly timeToFirstTokenMs: number | undefined
}

/** Where the figures of an exchange are left for its log phase. */
export const METERED: NoteKey<MeteredUsage> = createNoteKey('metered-usage')

export interface MeterOptions {
  readonly pricing: Pricing
  readonly budget: MemoryBudget
  /** A JSON answer up to this size is held until it is complete, so that a broken one is never begun (F24). */
  readonly holdBytes: number
  /** Called when the figures of an exchange are known; its answer has no last byte before `then` is called. */
  readonly beforeEnd?: ((exchange: PinnedExchange, then: () => void) => void) | undefined
}

/** A request that carries it is told what it cost, in the field of the same name. */
const COST_FIELD = 'x-pratu-cost'

/** Events in which a stream is looked at for the name of its model; the first one that has any has it. */
const NAMING_EVENTS = 4

const OPEN_BRACKET = 0x5b
const EMPTY = Buffer.alloc(0)

/** Reads and changes nothing, but for this: a stream that did not really end is never ended cleanly (F22, F23). */
export class MeteredSink implements ResponseSink {
  readonly #exchange: PinnedExchange
  readonly #service: PricedService
  readonly #dialect: Dialect
  readonly #out: ResponseSink
  readonly #options: MeterOptions
  #watch: Watch | undefined
  #head: ResponseHead | undefined
  #headSent = false
  #streamed = false
  #firstTokenMs: number | undefined
  #answerModel: string | undefined
  #closed = false
  #cut = false

  constructor(
    exchange: PinnedExchange,
    service: PricedService,
    dialect: Dialect,
    out: ResponseSink,
    options: MeterOptions,
  ) {
    this.#exchange = exchange
    this.#service = service
    this.#dialect = dialect
    this.#out = out
    this.#options = options
    exchange.onCancel(() => this.#abandon())
  }

  head(head: ResponseHead): void {
    if (this.#closed) return
    this.#head = head
    const watch = this.#open(head)
    this.#watch = watch
    if (watch.kind !== 'whole') this.#sendHead()
  }

  #open({ status, headers }: ResponseHead): Watch {
    const type = headers.get('content-type')?.toLowerCase() ?? ''
    this.#streamed = type.startsWith('text/event-stream')
    const encoding = headers.get('content-encoding')
    const readable = encoding === undefined || encoding === 'identity'
    if (!mayHaveContent(this.#exchange.request.method, status)) {
      return { kind: 'passing', tail: new AnswerTail(readable) }
    }
    if (!readable) {
      this.#leaveEndOpen(headers)
      return { kind: 'passing', tail: new AnswerTail(readable) }
    }
    if (this.#streamed) {
      // An error event may have to be added.
      headers.delete('content-length')
      return this.#openStream()
    }
    const length = headers.get('content-length')
    const declaredBytes = length === undefined ? undefined : Number(length)
    if (!type.startsWith('application/json') || (declaredBytes ?? 0) > this.#options.holdBytes) {
      this.#leaveEndOpen(headers)
      return { kind: 'passing', tail: new AnswerTail(true) }
    }
    return { kind: 'whole', held: new ByteCollector(this.#options.budget, declaredBytes) }
  }

  #openStream(): EventWatch {
    const reader = this.#dialect.openStream()
    const flight = FlightWatch.open(this.#exchange, this.#dialect)
    let events = 0
    const onEvent = (data: Buffer): void => {
      if (this.#answerModel === undefined && events++ < NAMING_EVENTS) {
        this.#answerModel = this.#dialect.modelOf(data)
      }
      const before = reader.contentEvents
      reader.read(data)
      flight?.read(data)
      if (before === 0 && reader.contentEvents > 0) {
        this.#firstTokenMs = this.#exchange.record.requestLatencyMs
      }
    }
    const scanner = new EventScanner(onEvent, this.#options.budget)
    return { kind: 'events', reader, scanner, flight }
  }

  /** A head that a plugin's phase refuses is not sent: what follows must know. */
  #sendHead(): void {
    if (this.#headSent || this.#head === undefined) return
    this.#out.head(this.#head)
    this.#headSent = true
  }

  write(chunk: Uint8Array): boolean {
    const watch = this.#watch
    if (this.#closed || watch === undefined) return true
    switch (watch.kind) {
      case 'events': {
        const whole = watch.scanner.push(bufferOf(chunk))
        const ready = whole.length === 0 || this.#out.write(whole)
        if (watch.flight !== undefined) this.#follow(watch, watch.flight)
        return ready
      }
      case 'whole':
        return this.#hold(watch.held, chunk)
      case 'passing':
        watch.tail.add(bufferOf(chunk))
        return this.#out.write(chunk)
    }
  }

  /** Tells the flight what the stream has used so far, and ends the stream where there is no more (architecture §2). */
  #follow({ reader, scanner }: EventWatch, flight: FlightWatch): void {
    if (this.#closed || reader.state !== 'open') return
    const { usage } = measure(this.#exchange, this.#dialect, this.#watch, EMPTY)
    if (usage.source === 'none' || flight.progress(usage, this.#cost(usage)) === 'on') return
    if (!flight.endable || scanner.overflowed) return
    this.#cut = true
    this.#close(EMPTY)
    this.#exchange.enough()
    this.#finish(() => {
      this.#out.write(Buffer.from(flight.end(usage)))
      this.#out.end()
    })
  }

  #hold(held: ByteCollector, chunk: Uint8Array): boolean {
    const isStream =
      held.length === 0 && this.#dialect.arrayIsStream === true && chunk[0] === OPEN_BRACKET
    const fits = !isStream && held.length + chunk.length <= this.#options.holdBytes
    if (fits && held.add(chunk)) return true
    // Not to be held back: from here on it is passed through, and a break shows as a broken message.
    const before = held.view()
    held.release()
    const tail = new AnswerTail(true)
    this.#watch = { kind: 'passing', tail }
    if (this.#head !== undefined) this.#leaveEndOpen(this.#head.headers)
    this.#sendHead()
    if (before.length > 0) {
      tail.add(bufferOf(before))
      this.#out.write(before)
    }
    tail.add(bufferOf(chunk))
    return this.#out.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#out.onDrain(resume)
  }

  end(): void {
    const watch = this.#watch
    if (this.#closed || watch === undefined) return
    if (watch.kind === 'events') this.#endStream(watch)
    else if (watch.kind === 'whole') this.#endWhole(watch.held)
    else {
      this.#close(watch.tail.bytes)
      this.#finish(() => this.#out.end())
    }
  }

  #endStream({ scanner, reader }: EventWatch): void {
    const rest = scanner.finish()
    if (reader.state === 'open' && (this.#head?.status ?? 0) < 400) {
      this.#breakStream(new GatewayError('upstream_truncated'))
      return
    }
    // The provider told the client of its own failure.
    if (reader.state === 'failed' && this.#exchange.outcome === 'ok')
      this.#exchange.outcome = 'upstream_error'
    this.#close(EMPTY)
    this.#finish(() => {
      if (rest.length > 0) this.#out.write(rest)
      this.#out.end()
    })
  }

  #endWhole(held: ByteCollector): void {
    const body = held.view()
    const cost = this.#close(bufferOf(body))
    if (this.#exchange.request.headers.has(COST_FIELD)) {
      this.#head?.headers.set('X-Pratu-Cost', costText(cost))
    }
    this.#finish(() => {
      this.#sendHead()
      if (body.length > 0) this.#out.write(body)
      this.#out.end()
    })
  }

  /** Without a length the end of a body is a mark of its own, which can be held back. */
  #leaveEndOpen(headers: ResponseHead['headers']): void {
    if (this.#options.beforeEnd !== undefined) headers.delete('content-length')
  }

  /** @param last sends the last byte. */
  #finish(last: () => void): void {
    const { beforeEnd } = this.#options
    if (beforeEnd === undefined) {
      last()
      return
    }
    const exchange = this.#exchange
    beforeEnd(exchange, () => {
      if (exchange.cancelled) return
      try {
        last()
      } catch (error) {
        // Nobody is left to hear it: the producer has ended.
        this.#out.fail(toGatewayError(error))
      }
    })
  }

  fail(error: Error): void {
    if (this.#closed) return
    if (this.#watch?.kind === 'events' && this.#headSent) {
      this.#breakStream(error)
      return
    }
    this.#close(this.#unsent())
    this.#out.fail(error)
  }

  /** The client is told in its own format, then the message is left visibly incomplete. */
  #breakStream(error: Error): void {
    const watch = this.#watch
    this.#close(EMPTY)
    // Between two events only: inside of one the words would be lost.
    if (watch?.kind === 'events' && watch.reader.state === 'open' && !watch.scanner.overflowed) {
      const { status, code, message } = toGatewayError(error)
      this.#out.write(Buffer.from(this.#dialect.errorEvent({ status, code, message })))
    }
    this.#out.fail(error)
  }

  /** The client has gone: what it got is what was used. */
  #abandon(): void {
    if (!this.#closed) this.#close(this.#unsent())
  }

  /** What the provider sent of an answer that will not be passed on: it worked for it. */
  #unsent(): Buffer {
    const watch = this.#watch
    if (watch?.kind === 'whole') return bufferOf(watch.held.view())
    return watch?.kind === 'passing' ? watch.tail.bytes : EMPTY
  }

  /** Exactly once: leaves the figures for the log phase, and gives back what was held. */
  #close(answer: Buffer): Cost {
    this.#closed = true
    const watch = this.#watch
    if (watch?.kind === 'whole') watch.held.release()
    else if (watch?.kind === 'events') watch.scanner.release()
    const { usage, anomaly } = measure(this.#exchange, this.#dialect, watch, answer)
    if (watch?.kind === 'whole') this.#answerModel = this.#dialect.modelOf(answer)
    const cost = this.#cost(usage)
    this.#exchange.setNote(METERED, {
      model: requestedModel(this.#exchange) ?? this.#answerModel,
      streamed: this.#streamed,
      usage,
      cost,
      cut: this.#cut,
      anomaly,
      timeToFirstTokenMs: this.#firstTokenMs,
    })
    this.#exchange.flight?.close(useOf(usage, cost), this.#cut)
    return cost
  }

  #cost(usage: Usage): Cost {
    const models = [requestedModel(this.#exchange), this.#answerModel]
    return this.#options.pricing.cost(this.#service, models, usage)
  }
}

/** `0.000123`, with `; estimated` after it where it is, or `unpriced`. */
function costText({ nanoDollars, estimated }: Cost): string {
  if (nanoDollars === undefined) return 'unpriced'
  return estimated ? `${formatDollars(nanoDollars)}; estimated` : formatDollars(nanoDollars)
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
