import type { WireDocument, WireEntity } from './kong-wire.ts'
import { pageResponse, tagsOf } from './paging.ts'
import { json, methodNotAllowed, NOT_FOUND, type AdminResponse } from './respond.ts'

/** A collection of Kong's Admin API. */
interface Collection {
  /** In the URL: `key-auths`. */
  readonly path: string
  /** In messages and documents: `keyauth_credentials`. */
  readonly entity: string
  /** What an entity may be called by beside its id. */
  readonly nameField?: string
}

const COLLECTIONS: readonly Collection[] = [
  { path: 'services', entity: 'services', nameField: 'name' },
  { path: 'routes', entity: 'routes', nameField: 'name' },
  { path: 'consumers', entity: 'consumers', nameField: 'username' },
  { path: 'plugins', entity: 'plugins', nameField: 'instance_name' },
  { path: 'upstreams', entity: 'upstreams', nameField: 'name' },
  { path: 'targets', entity: 'targets', nameField: 'target' },
  { path: 'certificates', entity: 'certificates' },
  { path: 'snis', entity: 'snis', nameField: 'name' },
  { path: 'ca_certificates', entity: 'ca_certificates' },
  { path: 'vaults', entity: 'vaults', nameField: 'prefix' },
  { path: 'keys', entity: 'keys', nameField: 'name' },
  { path: 'key-sets', entity: 'key_sets', nameField: 'name' },
  { path: 'key-auths', entity: 'keyauth_credentials' },
  { path: 'basic-auths', entity: 'basicauth_credentials', nameField: 'username' },
  { path: 'jwts', entity: 'jwt_secrets', nameField: 'key' },
  { path: 'hmac-auths', entity: 'hmacauth_credentials', nameField: 'username' },
  { path: 'acls', entity: 'acls', nameField: 'group' },
  { path: 'oauth2', entity: 'oauth2_credentials' },
  { path: 'oauth2_tokens', entity: 'oauth2_tokens' },
  { path: 'providers', entity: 'providers', nameField: 'name' },
]

const BY_PATH = new Map(COLLECTIONS.map((collection) => [collection.path, collection]))

/** Parent's path → what hangs under it: path segment → collection, and the field that names the parent. */
const NESTED: ReadonlyMap<
  string,
  ReadonlyMap<string, readonly [path: string, field: string]>
> = new Map([
  [
    'services',
    new Map([
      ['routes', ['routes', 'service']],
      ['plugins', ['plugins', 'service']],
    ]),
  ],
  ['routes', new Map([['plugins', ['plugins', 'route']]])],
  [
    'consumers',
    new Map([
      ['plugins', ['plugins', 'consumer']],
      ['key-auth', ['key-auths', 'consumer']],
      ['basic-auth', ['basic-auths', 'consumer']],
      ['jwt', ['jwts', 'consumer']],
      ['hmac-auth', ['hmac-auths', 'consumer']],
      ['acls', ['acls', 'consumer']],
      ['oauth2', ['oauth2', 'consumer']],
    ]),
  ],
  ['upstreams', new Map([['targets', ['targets', 'upstream']]])],
  ['certificates', new Map([['snis', ['snis', 'certificate']]])],
])

const READ = ['GET', 'HEAD', 'OPTIONS']

export interface CollectionRequest {
  readonly method: string
  /** Decoded, without empty ones. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  readonly document: WireDocument
  readonly nodeId: string
}

/** Every path that `GET /endpoints` lists for collections. */
export function collectionPaths(): readonly string[] {
  const paths: string[] = []
  for (const { path } of COLLECTIONS) {
    paths.push(`/${path}`, `/${path}/{${path}}`)
    for (const child of NESTED.get(path)?.keys() ?? []) paths.push(`/${path}/{${path}}/${child}`)
  }
  return paths
}

/**
 * Read-only collections, single entities, and what hangs under them (kong.md §4.2); writes get Kong's 405 of a node
 * without a database (kong.md §4.1).
 *
 * @returns `undefined` when the path is no collection's.
 */
export function collectionResponse(request: CollectionRequest): AdminResponse | undefined {
  const [path = '', key, child, childKey, ...rest] = request.segments
  if (path === 'tags') return tagsResponse(request)
  const collection = BY_PATH.get(path)
  if (collection === undefined || rest.length > 0) return undefined
  if (key === undefined) return listResponse(request, collection, `/${path}`, undefined)
  if (child === undefined) {
    return singleResponse(request, collection, findEntity(request.document, collection, key))
  }
  const parent = findEntity(request.document, collection, key)
  return nestedResponse(
    request,
    { collection, parent, path: `/${path}/${encodeURIComponent(key)}` },
    child,
    childKey,
  )
}

interface Parent {
  readonly collection: Collection
  readonly parent: WireEntity | undefined
  readonly path: string
}

function nestedResponse(
  request: CollectionRequest,
  { collection, parent, path }: Parent,
  child: string,
  childKey: string | undefined,
): AdminResponse | undefined {
  if (collection.path === 'upstreams' && child === 'health' && childKey === undefined) {
    return parent === undefined ? NOT_FOUND : healthOfUpstream(request, parent)
  }
  if (collection.path === 'routes' && child === 'service' && childKey === undefined) {
    return ofReference(request, parent, 'service', 'services')
  }
  const nested = NESTED.get(collection.path)?.get(child)
  const target = nested === undefined ? undefined : BY_PATH.get(nested[0])
  if (nested === undefined || target === undefined) return undefined
  if (parent === undefined && READ.includes(request.method)) return NOT_FOUND
  const [, field] = nested
  const belongs = (entity: WireEntity): boolean => idOf(entity[field]) === parent?.id
  const all = childKey === 'all' && target.path === 'targets'
  if (childKey === undefined || all) {
    return listResponse(request, target, `${path}/${child}${all ? '/all' : ''}`, belongs)
  }
  const found = findEntity(request.document, target, childKey, belongs)
  return singleResponse(request, target, found)
}

function listResponse(
  { method, query, document }: CollectionRequest,
  { entity }: Collection,
  path: string,
  belongs: ((entity: WireEntity) => boolean) | undefined,
): AdminResponse {
  if (!READ.includes(method)) return refuseWrite(method, entity, [...READ, 'POST'])
  const customId = query.get('custom_id')
  let entities = document.get(entity) ?? []
  if (belongs !== undefined) entities = entities.filter(belongs)
  if (customId !== null && entity === 'consumers') {
    entities = entities.filter((one) => one['custom_id'] === customId)
  }
  return pageResponse(entities, path, query)
}

function singleResponse(
  { method }: CollectionRequest,
  { entity }: Collection,
  found: WireEntity | undefined,
): AdminResponse {
  if (!READ.includes(method))
    return refuseWrite(method, entity, [...READ, 'PUT', 'PATCH', 'DELETE'])
  return found === undefined ? NOT_FOUND : json(200, found)
}

const VERBS: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['PUT', 'create or update'],
  ['PATCH', 'update'],
  ['DELETE', 'remove'],
])

/** @param methods what the path would have with a database. */
function refuseWrite(method: string, entity: string, methods: readonly string[]): AdminResponse {
  const verb = VERBS.get(method)
  if (verb === undefined || !methods.includes(method)) return methodNotAllowed(methods)
  return json(405, {
    code: 12,
    name: 'operation unsupported',
    message: `cannot ${verb} '${entity}' entities when not using a database`,
  })
}

function findEntity(
  document: WireDocument,
  { entity, nameField }: Collection,
  key: string,
  belongs?: (entity: WireEntity) => boolean,
): WireEntity | undefined {
  const isNamed = (one: WireEntity): boolean =>
    one.id === key.toLowerCase() || (nameField !== undefined && one[nameField] === key)
  return document
    .get(entity)
    ?.find((one) => isNamed(one) && (belongs === undefined || belongs(one)))
}

function ofReference(
  request: CollectionRequest,
  parent: WireEntity | undefined,
  field: string,
  path: string,
): AdminResponse {
  const target = BY_PATH.get(path)
  const id = idOf(parent?.[field])
  if (target === undefined) return NOT_FOUND
  const found = id === undefined ? undefined : findEntity(request.document, target, id)
  return singleResponse(request, target, found)
}

function idOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined
  return typeof value.id === 'string' ? value.id : undefined
}

/** Targets with their health: without health checks Kong says so for each (kong.md §3.6). */
function healthOfUpstream(
  { method, document, nodeId }: CollectionRequest,
  upstream: WireEntity,
): AdminResponse {
  if (!READ.includes(method)) return methodNotAllowed(READ)
  const targets = document.get('targets') ?? []
  const data = targets
    .filter((target) => idOf(target['upstream']) === upstream.id)
    .map((target) => ({ ...target, health: 'HEALTHCHECKS_OFF' }))
  return json(200, { data, next: null, node_id: nodeId })
}

/** `GET /tags` and `GET /tags/{tag}`: which entity has which tag. */
function tagsResponse({
  method,
  segments,
  query,
  document,
}: CollectionRequest): AdminResponse | undefined {
  const [, wanted, ...rest] = segments
  if (rest.length > 0) return undefined
  if (!READ.includes(method)) return methodNotAllowed(READ)
  const tagged: Readonly<Record<string, unknown>>[] = []
  for (const [entityName, entities] of document) {
    for (const entity of entities) {
      for (const tag of tagsOf(entity)) {
        if (wanted !== undefined && tag !== wanted) continue
        tagged.push({ entity_name: entityName, entity_id: entity.id, tag })
      }
    }
  }
  const path = wanted === undefined ? '/tags' : `/tags/${encodeURIComponent(wanted)}`
  return pageResponse(tagged, path, query)
}
