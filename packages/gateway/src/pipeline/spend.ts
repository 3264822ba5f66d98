import type { Decision, Hold, ModelCall, Reply, ResponseSink, Spending } from '@pratu/plugin-kit'
import { toGatewayError, type GatewayError } from '../errors/index.ts'
import { Flight } from './flight.ts'
import { renderReply } from './reply.ts'
import type { BoundService, PinnedExchange, ServiceHandler } from './snapshot.ts'

/** What is known of the call that an exchange is about to make; `undefined` for plain traffic. */
export type CallReader = (exchange: PinnedExchange, service: BoundService) => ModelCall | undefined

/**
 * The spend stage (architecture §3.4c): behind the cache and right before the upstream, when the request's body is there,
 * everything that plugins limit of the call is asked for in one `reserve`, all or nothing. Without such a plugin it costs
 * one comparison.
 *
 * @param next the service's handler; it makes the call, and finds what was reserved in `exchange.flight`.
 */
export function createSpendStage(next: ServiceHandler, readCall: CallReader): ServiceHandler {
  return (exchange, service, out) => {
    if (exchange.plan.spenders.length === 0) next(exchange, service, out)
    else new SpendStage(exchange, service, out, next, readCall).start()
  }
}

class SpendStage {
  readonly #exchange: PinnedExchange
  readonly #service: BoundService
  readonly #out: ResponseSink
  readonly #next: ServiceHandler
  readonly #readCall: CallReader
  #brokenOff = false

  constructor(
    exchange: PinnedExchange,
    service: BoundService,
    out: ResponseSink,
    next: ServiceHandler,
    readCall: CallReader,
  ) {
    this.#exchange = exchange
    this.#service = service
    this.#out = out
    this.#next = next
    this.#readCall = readCall
  }

  start(): void {
    this.#exchange.onInterrupt(this.#breakOff)
    const body = this.#readBody()
    if (body instanceof Promise) body.then(this.#ask, this.#fail)
    else this.#ask()
  }

  /** A call to a model is read whole, whatever its size: its price stands in it. */
  #readBody(): unknown {
    const { body } = this.#exchange.request
    if (body.empty) return undefined
    if (this.#service.service.aiFormat !== undefined) return body.bytes(Number.MAX_SAFE_INTEGER)
    if (this.#exchange.bound?.route.requestBuffering === false) return undefined
    return body.buffer(this.#exchange.snapshot.context.requestBufferBytes)
  }

  readonly #ask = (): void => {
    if (this.#over()) return
    try {
      this.#reserve()
    } catch (error) {
      this.#fail(error)
    }
  }

  #reserve(): void {
    const exchange = this.#exchange
    const call = this.#readCall(exchange, this.#service)
    const spendings: Spending[] = []
    const holds: Hold[] = []
    for (const plugin of exchange.plan.spenders) {
      const wanted = plugin.spends?.(exchange, call)
      if (wanted === undefined) continue
      if (wanted.kind !== 'spending') {
        this.#reply(wanted)
        return
      }
      spendings.push(wanted)
      for (const hold of wanted.holds) holds.push(hold)
    }
    if (holds.length === 0) {
      this.#next(exchange, this.#service, this.#out)
      return
    }
    const decision = exchange.snapshot.context.ledger.reserve(holds)
    if (decision instanceof Promise) {
      decision.then((late) => this.#decided(late, spendings, call), this.#fail)
    } else {
      this.#decided(decision, spendings, call)
    }
  }

  #decided(decision: Decision, spendings: readonly Spending[], call: ModelCall | undefined): void {
    try {
      if (decision.admitted) {
        const { observer } = this.#exchange.snapshot.context
        const flight = new Flight(this.#exchange, spendings, decision.reservation, call, (error) =>
          observer.failed(this.#exchange, error),
        )
        this.#exchange.openFlight(flight)
        let start = 0
        for (const spending of spendings) {
          const end = start + spending.holds.length
          spending.granted(decision.meters.slice(start, end))
          start = end
        }
        // The client may have gone while a remote store answered: its exchange has settled and closes nothing any more.
        if (this.#over()) flight.close()
        else this.#next(this.#exchange, this.#service, this.#out)
        return
      }
      if (this.#over()) return
      let start = 0
      for (const spending of spendings) {
        const end = start + spending.holds.length
        if (decision.hold >= start && decision.hold < end) {
          const { retryAfterMs, permanent, meters } = decision
          const own = meters.slice(start, end)
          this.#reply(
            spending.denied({ hold: decision.hold - start, retryAfterMs, permanent, meters: own }),
          )
          return
        }
        start = end
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #over(): boolean {
    return this.#exchange.cancelled || this.#brokenOff
  }

  /** Sent through what wraps the handler: whoever follows this call has to hear of it. */
  #reply(reply: Reply): void {
    const exchange = this.#exchange
    if (reply.kind === 'refusal') {
      exchange.outcome = `rejected_${reply.code}`
      // What was counted at admission is given back: nothing is counted for a refused request (architecture §3.4).
      exchange.refuseSpend()
    }
    const { head, body } = renderReply(exchange, reply)
    this.#out.head(head)
    if (body.length > 0) this.#out.write(body)
    this.#out.end()
  }

  readonly #fail = (error: unknown): void => {
    this.#brokenOff = true
    this.#out.fail(error instanceof Error ? error : toGatewayError(error))
  }

  /** The gateway ends this exchange while it waits. */
  readonly #breakOff = (error: GatewayError): void => {
    this.#fail(error)
  }
}
