import type { RequestView, Reply } from '@pratu/plugin-kit'
import { createRequestId } from '../http/index.ts'
import type { ClientChannel } from './client-channel.ts'
import { LiveExchange } from './exchange.ts'
import { matchRoute } from './match.ts'
import { runAccess, runRewrite } from './phases.ts'
import { ExchangeResponse } from './response.ts'
import { settle } from './settle.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The life of a request, from its accepted head to its one settlement. It stays synchronous, and allocates no promise,
 * until a plugin or the body makes it wait.
 */
export function handle(
  snapshot: Snapshot,
  request: RequestView,
  client: ClientChannel,
  id = createRequestId(),
): void {
  snapshot.pin()
  const exchange = new LiveExchange(id, snapshot, request, client)
  const out = new ExchangeResponse(exchange)
  exchange.errorSink = out
  snapshot.context.active.add(exchange)
  client.onFinished(() => settle(exchange))
  client.onDeparture((departure) => {
    exchange.depart(departure)
    out.abandon()
    settle(exchange)
  })
  try {
    const early = runRewrite(exchange) ?? matchRoute(exchange)
    if (early !== undefined) {
      out.reply(early)
      return
    }
    const reply = runAccess(exchange)
    if (reply instanceof Promise) {
      reply.then(
        (late) => proceed(exchange, out, late),
        (error: unknown) => out.fail(error),
      )
    } else {
      proceed(exchange, out, reply)
    }
  } catch (error) {
    out.fail(error)
  }
}

/** After `access`: the plugin's answer, or the service's. */
function proceed(exchange: LiveExchange, out: ExchangeResponse, reply: Reply | undefined): void {
  if (exchange.cancelled || out.ended) return
  try {
    if (reply !== undefined) out.reply(reply)
    else exchange.plan.handler(exchange, out)
  } catch (error) {
    out.fail(error)
  }
}
