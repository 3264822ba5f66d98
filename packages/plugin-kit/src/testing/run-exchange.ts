import type { Outcome } from '../exchange.ts'
import type { Hold, Ledger, Refusal, Remaining, Reservation } from '../ledger.ts'
import type { ResponseHead, ResponseSink } from '../messages.ts'
import type { BodyFilter, Handler, Plugin } from '../plugin.ts'
import type { Reply } from '../reply.ts'
import type { ModelCall, ModelUse, Spending } from '../spending.ts'
import { FieldList, type FieldsGiven } from './field-list.ts'
import type { TestExchange } from './given-exchange.ts'
import { recordingSink } from './recording-sink.ts'

export interface RunOptions {
  /** Takes the plugins' holds; needed when one of them asks for any. Usually `context.ledger`. */
  readonly ledger?: Ledger
  /** What the upstream answers; 200 with an empty body by default. */
  readonly response?: {
    readonly status?: number
    readonly headers?: FieldsGiven
    readonly body?: string | readonly string[]
  }
  /** In place of `response`: produces the answer itself. */
  readonly handler?: Handler
  /** What the upstream call is known to be, for plugins that limit what it uses. */
  readonly call?: ModelCall
  /** What it has used in the end. */
  readonly use?: ModelUse
  readonly outcome?: Outcome
  /** `true`: a global plugin, whose `rewrite` runs too. */
  readonly global?: boolean
}

export interface ExchangeResult {
  /** What a plugin answered in place of the upstream. */
  readonly reply: Reply | undefined
  readonly status: number
  /** The response headers that the client would see. */
  readonly headers: FieldList
  readonly body: string
  /** Whether the request went upstream. */
  readonly proxied: boolean
  /** The admitted holds; open until the test closes them. */
  readonly reservation: Reservation | undefined
  /** What was reserved for the upstream call; closed. */
  readonly spent: Reservation | undefined
}

/**
 * Walks one exchange through every phase of `plugins` (already in their order) as the pipeline does: `rewrite`, then
 * `access` with all holds taken at the first limiting plugin's place, the wrapped handler, what the call may use right
 * before it, response phases also after a refusal, and `log`.
 *
 * @throws whatever a plugin throws.
 */
export async function runExchange(
  plugins: Plugin | readonly Plugin[],
  exchange: TestExchange,
  options: RunOptions = {},
): Promise<ExchangeResult> {
  const chain: readonly Plugin[] = isList(plugins) ? plugins : [plugins]
  const limits = new AdmissionRun(chain, exchange, options.ledger)

  let reply: Reply | undefined
  if (options.global === true) {
    for (const plugin of chain) reply ??= plugin.rewrite?.(exchange)
  }
  for (const plugin of chain) {
    if (reply === undefined && plugin.holds !== undefined) reply = await limits.takeOnce()
    if (reply === undefined) reply = await plugin.access?.(exchange)
  }

  let proxied = false
  let spent: SpendRun | undefined
  const upstream: Handler = (passed, out) => {
    spent = new SpendRun(chain, exchange, options.call)
    const refusal = spent.take(options.ledger)
    if (refusal !== undefined) {
      reply = refusal
      send(refusal, out)
      return
    }
    proxied = true
    if (options.handler !== undefined) options.handler(passed, out)
    else answer(out, options.response ?? {})
  }
  const client = recordingSink()
  const filtered = filterResponse(chain, exchange, client)
  if (reply !== undefined) send(reply, filtered)
  else {
    chain.reduceRight<Handler>((next, plugin) => plugin.wrap?.(next) ?? next, upstream)(
      exchange,
      filtered,
    )
  }
  await client.finished
  spent?.close(options.use)
  for (const plugin of chain) plugin.log?.(exchange, options.outcome ?? outcomeOf(reply))

  return {
    reply,
    status: client.headSent?.status ?? 0,
    headers: asFieldList(client.headSent),
    body: new TextDecoder().decode(client.body),
    proxied,
    reservation: limits.reservation,
    spent: spent?.reservation,
  }
}

/** The holds of all plugins of one exchange: asked for once, all or nothing. */
class AdmissionRun {
  readonly #chain: readonly Plugin[]
  readonly #exchange: TestExchange
  readonly #ledger: Ledger | undefined
  #taken = false
  reservation: Reservation | undefined

  constructor(chain: readonly Plugin[], exchange: TestExchange, ledger: Ledger | undefined) {
    this.#chain = chain
    this.#exchange = exchange
    this.#ledger = ledger
  }

  async takeOnce(): Promise<Reply | undefined> {
    if (this.#taken) return undefined
    this.#taken = true
    const asked = this.#chain.map((plugin) => plugin.holds?.(this.#exchange) ?? [])
    const all: readonly Hold[] = asked.flat()
    if (all.length === 0) return undefined
    if (this.#ledger === undefined)
      throw new Error('a plugin holds meters: give `ledger` to runExchange')

    const decision = await this.#ledger.reserve(all)
    let from = 0
    for (const [i, plugin] of this.#chain.entries()) {
      const own = { from, to: from + (asked[i]?.length ?? 0) }
      from = own.to
      if (own.from === own.to) continue
      if (decision.admitted)
        plugin.admitted?.(this.#exchange, decision.meters.slice(own.from, own.to))
      else if (decision.hold >= own.from && decision.hold < own.to) {
        if (plugin.refused === undefined)
          throw new Error('a plugin with holds must implement `refused`')
        return plugin.refused(this.#exchange, ownRefusal(decision, own.from, own.to))
      }
    }
    if (decision.admitted) this.reservation = decision.reservation
    return undefined
  }
}

function ownRefusal(refusal: Refusal, from: number, to: number): Refusal {
  const meters: readonly Remaining[] = refusal.meters.slice(from, to)
  return { ...refusal, hold: refusal.hold - from, meters }
}

/** What all plugins ask for one upstream call: asked for once, all or nothing, and closed at what was used. */
class SpendRun {
  readonly #spendings: readonly Spending[]
  readonly #refusal: Reply | undefined
  reservation: Reservation | undefined

  constructor(chain: readonly Plugin[], exchange: TestExchange, call: ModelCall | undefined) {
    const asked = chain.flatMap((plugin) => plugin.spends?.(exchange, call) ?? [])
    this.#spendings = asked.filter((one) => one.kind === 'spending')
    this.#refusal = asked.find((one) => one.kind !== 'spending')
  }

  /** @throws {Error} for a ledger that answers in a promise: the handler is synchronous here. */
  take(ledger: Ledger | undefined): Reply | undefined {
    if (this.#refusal !== undefined || this.#spendings.length === 0) return this.#refusal
    const decision = ledger?.reserve(this.#spendings.flatMap(({ holds }) => holds))
    if (decision === undefined || decision instanceof Promise)
      throw new Error('a plugin limits the call: give a synchronous `ledger` to runExchange')
    let from = 0
    for (const spending of this.#spendings) {
      const to = from + spending.holds.length
      if (decision.admitted) spending.granted(decision.meters.slice(from, to))
      else if (decision.hold < to) return spending.denied(ownRefusal(decision, from, to))
      from = to
    }
    if (decision.admitted) this.reservation = decision.reservation
    return undefined
  }

  close(use: ModelUse | undefined): void {
    if (this.reservation === undefined) return
    const amounts = this.#spendings.map((spending) =>
      spending.holds.map(({ amount }, i) => (use === undefined ? amount : spending.amount(i, use))),
    )
    this.reservation.close(amounts.flat())
    for (const [i, spending] of this.#spendings.entries())
      spending.settled(amounts[i] ?? [], use, false)
  }
}

/** Applies `responseHeaders` and `responseBody` of every plugin on the way to the client. */
function filterResponse(
  chain: readonly Plugin[],
  exchange: TestExchange,
  client: ResponseSink,
): ResponseSink {
  let filters: BodyFilter[] = []
  return {
    head(head) {
      for (const plugin of chain) plugin.responseHeaders?.(exchange, head)
      filters = chain.flatMap((plugin) => plugin.responseBody?.(exchange, head) ?? [])
      client.head(head)
    },
    write(chunk) {
      const out = through(filters, chunk)
      return out === undefined || client.write(out)
    },
    onDrain: (resume) => client.onDrain(resume),
    end() {
      for (const [i, filter] of filters.entries()) {
        const rest = filter.end()
        const out = rest === undefined ? undefined : through(filters.slice(i + 1), rest)
        if (out !== undefined) client.write(out)
      }
      client.end()
    },
    fail(error) {
      for (const filter of filters) filter.abandon?.()
      client.fail(error)
    },
  }
}

function through(filters: readonly BodyFilter[], chunk: Uint8Array): Uint8Array | undefined {
  let out: Uint8Array | undefined = chunk
  for (const filter of filters) {
    if (out === undefined) return undefined
    out = filter.write(out)
  }
  return out
}

function answer(out: ResponseSink, response: NonNullable<RunOptions['response']>): void {
  out.head({ status: response.status ?? 200, headers: new FieldList(response.headers) })
  const { body = [] } = response
  for (const chunk of typeof body === 'string' ? [body] : body) {
    out.write(new TextEncoder().encode(chunk))
  }
  out.end()
}

function send(reply: Reply, out: ResponseSink): void {
  const headers = new FieldList(reply.headers)
  const body =
    reply.kind === 'answer'
      ? reply.body
      : new TextEncoder().encode(JSON.stringify({ message: reply.message }))
  if (reply.kind === 'refusal') headers.set('Content-Type', 'application/json; charset=utf-8')
  out.head({ status: reply.status, headers })
  if (body.length > 0) out.write(body)
  out.end()
}

function outcomeOf(reply: Reply | undefined): Outcome {
  return reply?.kind === 'refusal' ? `rejected_${reply.code}` : 'ok'
}

function asFieldList(head: ResponseHead | undefined): FieldList {
  if (head === undefined) return new FieldList()
  if (head.headers instanceof FieldList) return head.headers
  throw new TypeError('a handler under test must answer with a FieldList')
}

function isList(plugins: Plugin | readonly Plugin[]): plugins is readonly Plugin[] {
  return Array.isArray(plugins)
}
