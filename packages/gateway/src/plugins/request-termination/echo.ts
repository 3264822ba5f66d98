import type { Awaitable, Exchange } from '@pratu/plugin-kit'
import { lowerCaseName, parseQuery } from '../../http/index.ts'

/** Bodies up to here are shown. */
const SHOWN_BODY_BYTES = 64 * 1024

/**
 * Field names that are not shown: a page of an attacker that makes a browser ask here would read the victim's
 * credentials out of the answer.
 */
const SECRET =
  /(?:^|[-_])(?:apikey|auth[a-z]*|cert|cookie|credential[a-z]*|jwt|key|password|secret|session[a-z]*|token)(?:[-_]|$)/

type Shown = Readonly<Record<string, unknown>>

/** What the gateway saw of a request, for whoever debugs a route (kong.md §3.15). */
export function describeExchange(
  exchange: Exchange,
  message: string | undefined,
): Awaitable<Shown> {
  const { request } = exchange
  if (request.body.empty || (request.body.declaredBytes ?? 0) > SHOWN_BODY_BYTES) {
    return describe(exchange, message, undefined)
  }
  const state = request.body.buffer(SHOWN_BODY_BYTES)
  return state instanceof Promise
    ? state.then((late) => describeWithBody(exchange, message, late))
    : describeWithBody(exchange, message, state)
}

function describeWithBody(
  exchange: Exchange,
  message: string | undefined,
  state: 'complete' | 'partial',
): Awaitable<Shown> {
  if (state === 'partial') return describe(exchange, message, undefined)
  // A body that had arrived before anybody asked is complete, whatever its size.
  const bytes = exchange.request.body.bytes(Number.MAX_SAFE_INTEGER)
  return bytes instanceof Promise
    ? bytes.then((late) => describe(exchange, message, shownBody(late)))
    : describe(exchange, message, shownBody(bytes))
}

function shownBody(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length > SHOWN_BODY_BYTES ? undefined : bytes
}

function describe(
  { request, route, service, uriCaptures }: Exchange,
  message: string | undefined,
  body: Uint8Array | undefined,
): Shown {
  return {
    message,
    request: {
      scheme: request.scheme,
      host: request.host,
      port: request.port,
      method: request.method,
      path: request.rawPath,
      headers: collect(fieldsOf(request.headers.flat)),
      query: collect(parseQuery(request.rawQuery).map(({ name, value }) => [name, value])),
      raw_body: body && Buffer.from(body).toString(),
      uri_captures: uriCaptures && { named: uriCaptures.named, unnamed: uriCaptures.numbered },
    },
    matched_route: route && { id: route.id, name: route.name, tags: route.tags },
    matched_service: service && { id: service.id, name: service.name, tags: service.tags },
  }
}

function fieldsOf(flat: readonly string[]): [name: string, value: string][] {
  const fields: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) {
    fields.push([lowerCaseName(flat[i] ?? ''), flat[i + 1] ?? ''])
  }
  return fields
}

type Value = string | true

/** Repeated names become lists, as in Kong; secrets are named but not shown. */
function collect(
  pairs: readonly (readonly [name: string, value: Value])[],
): Record<string, Value | readonly Value[]> {
  const collected: Record<string, Value | readonly Value[]> = Object.create(null)
  for (const [name, value] of pairs) {
    const shown = SECRET.test(name.toLowerCase()) ? '[not shown]' : value
    const earlier = collected[name]
    if (earlier === undefined) collected[name] = shown
    else if (typeof earlier === 'object') collected[name] = [...earlier, shown]
    else collected[name] = [earlier, shown]
  }
  return collected
}
