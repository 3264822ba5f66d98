import { Tenant, type CachedResponse } from '@pratu/plugin-kit'
import type { AdminState, CacheAdministration } from './admin-state.ts'
import { json, methodNotAllowed, NOT_FOUND, type AdminResponse } from './respond.ts'

const ENTRY_METHODS = ['GET', 'HEAD', 'DELETE']
const PURGED: AdminResponse = { status: 204 }

/**
 * Kong's endpoints of its proxy-cache (kong.md §3.4): `DELETE /proxy-cache`, and one entry at `/proxy-cache/{key}` or
 * `/proxy-cache/{plugin id}/caches/{key}`. Ours: `DELETE /proxy-cache?consumer=…&model=…` drops only answers of models, those
 * of this consumer (id or username), of this model, or both.
 *
 * @param segments what follows `/proxy-cache`.
 */
export async function cacheResponse(
  state: AdminState,
  cache: CacheAdministration,
  method: string,
  segments: readonly string[],
  query: URLSearchParams,
): Promise<AdminResponse> {
  const owners = cachingPlugins(state)
  const [first, second, third, ...rest] = segments
  if (first === undefined) {
    if (method !== 'DELETE') return methodNotAllowed(['DELETE'])
    return purgeResponse(state, cache, owners, query)
  }
  if (second === undefined) return entryResponse(cache, method, owners, first)
  if (second !== 'caches' || third === undefined || rest.length > 0) return NOT_FOUND
  const owner = first.toLowerCase()
  return owners.includes(owner) ? entryResponse(cache, method, [owner], third) : NOT_FOUND
}

async function purgeResponse(
  state: AdminState,
  cache: CacheAdministration,
  owners: readonly string[],
  query: URLSearchParams,
): Promise<AdminResponse> {
  const unknown = [...query.keys()].find((name) => name !== 'consumer' && name !== 'model')
  // A misspelt choice must not drop everything.
  if (unknown !== undefined)
    return json(400, { message: `'${unknown}' chooses nothing here: use consumer or model` })
  const model = query.get('model')
  const wanted = query.get('consumer')
  if (model === null && wanted === null) {
    await cache.purge(owners)
    return PURGED
  }
  const consumer = state
    .current()
    ?.entities.consumers.find(({ id, username }) => id === wanted || username === wanted)
  if (wanted !== null && consumer === undefined) return NOT_FOUND
  await cache.purge(owners, {
    ...(consumer === undefined ? {} : { tenant: Tenant.consumer(consumer.id).id }),
    ...(model === null ? {} : { model }),
  })
  return PURGED
}

function cachingPlugins(state: AdminState): readonly string[] {
  const plugins = state.current()?.entities.plugins ?? []
  return plugins.filter(({ name }) => name === 'proxy-cache').map(({ id }) => id)
}

async function entryResponse(
  cache: CacheAdministration,
  method: string,
  owners: readonly string[],
  key: string,
): Promise<AdminResponse> {
  if (!ENTRY_METHODS.includes(method)) return methodNotAllowed(ENTRY_METHODS)
  if (method === 'DELETE') {
    const removed = await Promise.all(owners.map((owner) => cache.remove(owner, key)))
    return removed.includes(true) ? PURGED : NOT_FOUND
  }
  for (const owner of owners) {
    const found = await cache.read(owner, key)
    if (found !== undefined) return json(200, toKongEntry(found))
  }
  return NOT_FOUND
}

/** Kong's cached object. The request's body is not kept here. */
function toKongEntry({ status, headers, body, freshMs, storedAtMs }: CachedResponse): object {
  return {
    status,
    headers: byName(headers),
    body: Buffer.from(body).toString('utf8'),
    body_len: body.length,
    timestamp: Math.floor(storedAtMs / 1000),
    ttl: freshMs / 1000,
    version: 1,
    req_body: null,
  }
}

function byName(flat: readonly string[]): Readonly<Record<string, string | readonly string[]>> {
  const found = new Map<string, string[]>()
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] ?? ''
    const value = flat[i + 1] ?? ''
    const values = found.get(name)
    if (values === undefined) found.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(
    [...found].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}
