import type { Entities } from '../config/index.ts'
import type { AdminState } from './admin-state.ts'
import type { LimitReading, LimitsAdministration } from './limits-administration.ts'
import { json, message, methodNotAllowed, NOT_FOUND, type AdminResponse } from './respond.ts'

/** Scopes of the configuration that are looked at without being asked for. */
const MAX_CANDIDATES = 1000
const METHODS = ['GET', 'HEAD', 'DELETE']

/**
 * Ours, Kong has none: `GET /limits` lists the limits in use and what is counted, `DELETE /limits?scope=…` forgets it.
 * `?consumer=` takes a username or an id, `?scope=` a scope as it is counted, `?meter=` (or `/limits/{meter}`) one limit.
 *
 * @param segments what follows `/limits`.
 */
export async function limitsResponse(
  state: AdminState,
  limits: LimitsAdministration,
  method: string,
  segments: readonly string[],
  query: URLSearchParams,
): Promise<AdminResponse> {
  const [first, ...rest] = segments
  if (rest.length > 0) return NOT_FOUND
  if (!METHODS.includes(method)) return methodNotAllowed(METHODS)
  const meter = first ?? query.get('meter') ?? undefined
  const entities = state.current()?.entities
  const asked = askedScopes(query, entities)
  if (typeof asked === 'string') return message(404, asked)
  if (method === 'DELETE') return resetResponse(limits, meter, asked)
  const candidates = asked.length > 0 ? [] : candidateScopes(entities)
  const found = await limits.read({ meter, asked, candidates })
  if (meter !== undefined && found.length === 0) return NOT_FOUND
  const names = namesOf(entities)
  return json(200, { data: found.map((reading) => toWire(reading, names)), next: null })
}

async function resetResponse(
  limits: LimitsAdministration,
  meter: string | undefined,
  asked: readonly string[],
): Promise<AdminResponse> {
  if (asked.length === 0) {
    return message(400, 'say whose counters to reset: ?consumer=<username or id> or ?scope=<scope>')
  }
  let meters = 0
  for (const scope of asked) meters = Math.max(meters, await limits.reset(meter, scope))
  if (meters === 0) return NOT_FOUND
  return json(200, { reset: { meters, scopes: asked } })
}

/** @returns a text when a consumer is not known. */
function askedScopes(
  query: URLSearchParams,
  entities: Entities | undefined,
): readonly string[] | string {
  const scopes = query.getAll('scope')
  for (const wanted of query.getAll('consumer')) {
    const consumer = entities?.consumers.find(
      ({ id, username, customId }) => id === wanted || username === wanted || customId === wanted,
    )
    if (consumer === undefined) return `there is no consumer '${wanted}'`
    scopes.push(consumer.id)
  }
  return scopes
}

function candidateScopes(entities: Entities | undefined): readonly string[] {
  if (entities === undefined) return []
  const scopes = new Set([
    ...entities.consumers.map(({ id }) => id),
    ...entities.consumers.flatMap(({ tags }) => tags),
    ...entities.services.map(({ id }) => id),
    ...entities.routes.map(({ id }) => id),
  ])
  return [...scopes].slice(0, MAX_CANDIDATES)
}

/** Scopes are ids; people know names. */
function namesOf(entities: Entities | undefined): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  if (entities === undefined) return names
  for (const { id, name } of [...entities.services, ...entities.routes]) {
    if (name !== undefined) names.set(id, name)
  }
  for (const { id, username, customId } of entities.consumers) {
    const name = username ?? customId
    if (name !== undefined) names.set(id, name)
  }
  return names
}

function toWire(reading: LimitReading, names: ReadonlyMap<string, string>): object {
  const { id, quantity, window, limit, mode, store, scopes } = reading
  return {
    id,
    quantity,
    window: windowOf(window),
    limit,
    mode,
    store,
    scopes: scopes.map(({ scope, used, remaining, resetMs, unknown }) => ({
      scope,
      ...(names.has(scope) ? { name: names.get(scope) } : {}),
      ...(unknown ? { unknown: true } : { used, remaining, reset_ms: Math.ceil(resetMs) }),
    })),
  }
}

function windowOf(window: LimitReading['window']): object {
  switch (window.kind) {
    case 'calendar':
      return { kind: 'calendar', period: window.period, time_zone: window.timeZone ?? 'UTC' }
    case 'sliding':
      return { kind: 'sliding', length_ms: window.lengthMs }
    case 'gcra':
      return { kind: 'gcra', length_ms: window.lengthMs, burst: window.burst }
    case 'concurrency':
      return { kind: 'concurrency', lease_ms: window.leaseMs }
  }
}
