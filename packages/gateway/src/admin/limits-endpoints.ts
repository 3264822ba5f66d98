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
  const asked = readQuestion(query, entities)
  if (typeof asked === 'string') return message(404, asked)
  if (method === 'DELETE') return resetResponse(limits, meter, asked)
  const everything = asked.scopes.length === 0 && asked.consumers.length === 0
  const found = await limits.read({
    meter,
    asked: asked.scopes,
    candidates: everything ? candidateScopes(entities) : asked.consumers.flatMap(scopesOf),
  })
  if (meter !== undefined && found.length === 0) return NOT_FOUND
  const shown = everything ? found : found.map((reading) => onlyAsked(reading, asked))
  const names = namesOf(entities)
  return json(200, { data: shown.map((reading) => toWire(reading, names)), next: null })
}

/** Whom a request is about. */
interface Asked {
  /** As they are counted. */
  readonly scopes: readonly string[]
  /** Ids. */
  readonly consumers: readonly string[]
}

/** Under which scopes limits count a consumer: by the bare id, or by its kind and the id, perhaps among other parts. */
function scopesOf(consumerId: string): readonly string[] {
  return [consumerId, `consumer:${consumerId}`]
}

function isAbout(scope: string, consumerId: string): boolean {
  const own = scopesOf(consumerId)
  return own.includes(scope) || scope.split('|').some((part) => own.includes(part))
}

/** A consumer for whom nothing is counted has one line that says so. */
function onlyAsked(reading: LimitReading, { scopes: exact, consumers }: Asked): LimitReading {
  const scopes = reading.scopes.filter(({ scope }) => exact.includes(scope))
  for (const consumer of consumers) {
    const own = reading.scopes.filter(({ scope }) => isAbout(scope, consumer))
    scopes.push(...own)
    if (own.length > 0) continue
    const { limit } = reading
    scopes.push({ scope: consumer, used: 0, remaining: limit, resetMs: 0, unknown: false })
  }
  return { ...reading, scopes }
}

async function resetResponse(
  limits: LimitsAdministration,
  meter: string | undefined,
  asked: Asked,
): Promise<AdminResponse> {
  const wanted = new Set([...asked.scopes, ...asked.consumers.flatMap(scopesOf)])
  if (wanted.size === 0) {
    return message(400, 'say whose counters to reset: ?consumer=<username or id> or ?scope=<scope>')
  }
  const found = await limits.read({ meter, asked: [], candidates: [] })
  for (const { scopes } of found) {
    for (const { scope } of scopes) {
      if (asked.consumers.some((consumer) => isAbout(scope, consumer))) wanted.add(scope)
    }
  }
  let meters = 0
  for (const scope of wanted) meters = Math.max(meters, await limits.reset(meter, scope))
  if (meters === 0) return NOT_FOUND
  return json(200, { reset: { meters, scopes: [...asked.scopes, ...asked.consumers] } })
}

/** @returns a text when a consumer is not known. */
function readQuestion(query: URLSearchParams, entities: Entities | undefined): Asked | string {
  const consumers: string[] = []
  for (const wanted of query.getAll('consumer')) {
    const consumer = entities?.consumers.find(
      ({ id, username, customId }) => id === wanted || username === wanted || customId === wanted,
    )
    if (consumer === undefined) return `there is no consumer '${wanted}'`
    consumers.push(consumer.id)
  }
  return { scopes: query.getAll('scope'), consumers }
}

function candidateScopes(entities: Entities | undefined): readonly string[] {
  if (entities === undefined) return []
  const scopes = new Set([
    'everything',
    ...entities.consumers.flatMap(({ id }) => scopesOf(id)),
    ...entities.consumers.flatMap(({ tags }) => tags.map((tag) => `tag:${tag}`)),
    ...entities.services.flatMap(({ id }) => [id, `service:${id}`]),
    ...entities.routes.map(({ id }) => `route:${id}`),
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
      ...nameOf(scope, names),
      ...(unknown ? { unknown: true } : { used, remaining, reset_ms: Math.ceil(resetMs) }),
    })),
  }
}

/** Each part by its name, where it has one. */
function nameOf(scope: string, names: ReadonlyMap<string, string>): { readonly name?: string } {
  const parts = scope.split('|')
  const named = parts.map((part) => names.get(part.slice(part.indexOf(':') + 1)) ?? part)
  const name = named.join(' | ')
  return name === scope || named.every((one, i) => one === parts[i]) ? {} : { name }
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
