import {
  refuse,
  type BodyFilter,
  type Outcome,
  type Reply,
  type ResponseHead,
  type ResponseSink,
} from '@pratu/plugin-kit'
import { CATALOGUE, isGatewayError, toGatewayError } from '../errors/index.ts'
import { mayHaveContent } from '../http/index.ts'
import type { LiveExchange } from './exchange.ts'
import { errorReply, renderReply, type RaisedBy } from './reply.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * The way out: header and body phases of every selected plugin, then the client. Whatever produces a response writes
 * into this: the proxy, a cache, a refusal. A phase that throws ends this one response, and the producer hears of it by
 * the same exception; whatever it calls after that is harmless.
 */
export class ExchangeResponse implements ResponseSink {
  readonly #exchange: LiveExchange
  #filters: readonly BodyFilter[] | undefined
  #headed = false
  #ended = false

  constructor(exchange: LiveExchange) {
    this.#exchange = exchange
  }

  /** Whether nothing more will be sent. */
  get ended(): boolean {
    return this.#ended
  }

  head(head: ResponseHead): void {
    if (this.#ended) return
    if (this.#headed) throw new Error('the response already has its head')
    try {
      this.#commit(head)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  #commit(head: ResponseHead): void {
    const exchange = this.#exchange
    const { plan } = exchange
    for (const plugin of plan.responseHeaders) plugin.responseHeaders?.(exchange, head)
    if (plan.responseBody.length > 0 && mayHaveContent(exchange.request.method, head.status)) {
      this.#openFilters(head)
    }
    this.#sendHead(head)
  }

  #sendHead(head: ResponseHead): void {
    const exchange = this.#exchange
    this.#headed = true
    exchange.status = head.status
    exchange.responseHeaders = head.headers
    exchange.eventStream =
      head.headers.get('content-type')?.startsWith('text/event-stream') === true
    exchange.client.head(head)
  }

  #openFilters(head: ResponseHead): void {
    const exchange = this.#exchange
    const filters: BodyFilter[] = []
    this.#filters = filters
    try {
      for (const plugin of exchange.plan.responseBody) {
        const filter = plugin.responseBody?.(exchange, head)
        if (filter !== undefined) filters.push(filter)
      }
    } catch (error) {
      this.abandon()
      throw error
    }
    if (filters.length === 0) this.#filters = undefined
    if (filters.some((filter) => filter.transparent !== true)) head.headers.delete('content-length')
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended) return true
    const filters = this.#filters
    if (filters === undefined) return this.#pass(chunk)
    let passed: Uint8Array | undefined
    try {
      passed = filterFrom(filters, 0, chunk)
    } catch (error) {
      this.fail(error)
      throw error
    }
    return this.#pass(passed)
  }

  #pass(chunk: Uint8Array | undefined): boolean {
    if (chunk === undefined || chunk.length === 0) return true
    this.#exchange.markFirstByte()
    return this.#exchange.client.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#exchange.client.onDrain(resume)
  }

  end(): void {
    if (this.#ended) return
    try {
      this.#flushFilters()
    } catch (error) {
      this.fail(error)
      throw error
    }
    this.#ended = true
    this.#exchange.client.end()
  }

  #flushFilters(): void {
    const filters = this.#filters
    if (filters === undefined) return
    for (let i = 0; i < filters.length; i++) {
      const rest = filters[i]?.end()
      if (rest !== undefined) this.#pass(filterFrom(filters, i + 1, rest))
    }
    this.#filters = undefined
  }

  /** Sends a plugin's reply through the response phases. */
  reply(reply: Reply): void {
    const exchange = this.#exchange
    try {
      // Before anything is sent: the exchange may settle as soon as its last byte is.
      if (reply.kind === 'refusal') this.#send(reply, `rejected_${reply.code}`)
      else this.#send(reply, exchange.outcome)
    } catch (error) {
      this.fail(error)
    }
  }

  #send(reply: Reply, outcome: Outcome, raisedBy?: RaisedBy): void {
    const exchange = this.#exchange
    exchange.outcome = outcome
    if (reply.kind === 'answer' && reply.source === 'service') exchange.source = 'service'
    const { head, body } = renderReply(exchange, reply, raisedBy)
    this.#commit(head)
    const filters = this.#filters
    if (body.length > 0) this.#pass(filters === undefined ? body : filterFrom(filters, 0, body))
    this.#flushFilters()
    this.#ended = true
    exchange.client.end()
  }

  /**
   * Ends with an error: rendered when nothing was sent yet, otherwise a message that the client can tell is broken.
   * Anything that is not a `GatewayError` is told to the observer and becomes a generic 500.
   */
  fail(thrown: unknown): void {
    const exchange = this.#exchange
    if (this.#ended || exchange.settled) return
    const { observer } = exchange.snapshot.context
    if (!isGatewayError(thrown)) observer.failed(exchange, thrown)
    const error = toGatewayError(thrown)
    let upstreamOutcome: Outcome | undefined
    if (thrown instanceof UpstreamError) {
      upstreamOutcome = thrown.outcome
      exchange.annotate('error', thrown.loggable)
    }
    if (this.#headed) {
      exchange.outcome = upstreamOutcome === 'upstream_timeout' ? upstreamOutcome : 'truncated'
      this.#breakOff(error)
      return
    }
    exchange.source = 'kong'
    try {
      const outcome: Outcome = upstreamOutcome ?? `rejected_${error.code}`
      this.#send(errorReply(exchange, error), outcome, 'gateway')
    } catch (failure) {
      if (failure !== thrown) observer.failed(exchange, failure)
      this.#replyPastPlugins()
    }
  }

  #breakOff(error: Error): void {
    this.abandon()
    this.#ended = true
    this.#exchange.client.fail(error)
  }

  /** A response phase threw on the error itself: the client is still owed an answer. */
  #replyPastPlugins(): void {
    const exchange = this.#exchange
    if (this.#headed) {
      this.#breakOff(new Error('a response phase failed after the head was sent'))
      return
    }
    const { status, message } = CATALOGUE.internal
    const { head, body } = renderReply(exchange, refuse(status, 'internal', message))
    exchange.outcome = 'rejected_internal'
    this.abandon()
    this.#ended = true
    this.#sendHead(head)
    exchange.client.write(body)
    exchange.client.end()
  }

  /** The body will not be completed: what the filters collected is worthless. */
  abandon(): void {
    const filters = this.#filters
    this.#filters = undefined
    if (filters === undefined) return
    for (const filter of filters) {
      try {
        filter.abandon?.()
      } catch (error) {
        // The others hold memory as well, and the exchange has yet to settle.
        this.#exchange.snapshot.context.observer.failed(this.#exchange, error)
      }
    }
  }
}

function filterFrom(
  filters: readonly BodyFilter[],
  start: number,
  chunk: Uint8Array,
): Uint8Array | undefined {
  let passed: Uint8Array | undefined = chunk
  for (let i = start; i < filters.length && passed !== undefined; i++)
    passed = filters[i]?.write(passed)
  return passed
}
