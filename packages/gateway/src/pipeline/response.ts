import {
  refuse,
  type BodyFilter,
  type Outcome,
  type Reply,
  type ResponseHead,
  type ResponseSink,
} from '@pratu/plugin-kit'
import { CATALOGUE, isGatewayError, toGatewayError } from '../errors/index.ts'
import type { LiveExchange } from './exchange.ts'
import { errorReply, renderReply } from './reply.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * The way out: header and body phases of every selected plugin, then the client. Whatever produces a response writes
 * into this: the proxy, a cache, a refusal.
 */
export class ExchangeResponse implements ResponseSink {
  readonly #exchange: LiveExchange
  #filters: readonly BodyFilter[] | undefined
  #headed = false
  #ended = false

  constructor(exchange: LiveExchange) {
    this.#exchange = exchange
  }

  head(head: ResponseHead): void {
    if (this.#headed) throw new Error('the response already has its head')
    const exchange = this.#exchange
    const { plan } = exchange
    for (const plugin of plan.responseHeaders) plugin.responseHeaders?.(exchange, head)
    if (plan.responseBody.length > 0 && mayHaveBody(exchange.request.method, head.status)) {
      this.#openFilters(head)
    }
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
    for (const plugin of exchange.plan.responseBody) {
      const filter = plugin.responseBody?.(exchange, head)
      if (filter !== undefined) filters.push(filter)
    }
    if (filters.length === 0) return
    this.#filters = filters
    if (filters.some((filter) => filter.transparent !== true)) head.headers.delete('content-length')
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended) return true
    return this.#pass(this.#filters === undefined ? chunk : filterFrom(this.#filters, 0, chunk))
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
    const filters = this.#filters
    if (filters !== undefined) {
      for (let i = 0; i < filters.length; i++) {
        const rest = filters[i]?.end()
        if (rest !== undefined) this.#pass(filterFrom(filters, i + 1, rest))
      }
    }
    this.#ended = true
    this.#exchange.client.end()
  }

  /** Sends a plugin's reply through the response phases. */
  reply(reply: Reply): void {
    const exchange = this.#exchange
    // Before anything is sent: the exchange may settle as soon as its last byte is.
    if (reply.kind === 'refusal') this.#send(reply, `rejected_${reply.code}`)
    else this.#send(reply, exchange.outcome)
  }

  #send(reply: Reply, outcome: Outcome): void {
    const exchange = this.#exchange
    exchange.outcome = outcome
    if (reply.kind === 'answer' && reply.source === 'service') exchange.source = 'service'
    const { head, body } = renderReply(exchange, reply)
    this.head(head)
    if (body.length > 0) this.write(body)
    this.end()
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
    const upstreamOutcome = thrown instanceof UpstreamError ? thrown.outcome : undefined
    if (this.#headed) {
      exchange.outcome = upstreamOutcome === 'upstream_timeout' ? upstreamOutcome : 'truncated'
      this.#breakOff(error)
      return
    }
    try {
      this.#send(errorReply(exchange, error), upstreamOutcome ?? `rejected_${error.code}`)
    } catch (failure) {
      observer.failed(exchange, failure)
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
    this.#headed = true
    this.#ended = true
    exchange.status = status
    exchange.client.head(head)
    exchange.client.write(body)
    exchange.client.end()
  }

  /** The body will not be completed: what the filters collected is worthless. */
  abandon(): void {
    const filters = this.#filters
    this.#filters = undefined
    for (const filter of filters ?? []) filter.abandon?.()
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

function mayHaveBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304
}
