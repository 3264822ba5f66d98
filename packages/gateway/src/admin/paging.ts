import { json, type AdminResponse } from './respond.ts'

/** What a page may hold. */
type Listed = Readonly<Record<string, unknown>>

const DEFAULT_SIZE = 100
const MAX_SIZE = 1000

/**
 * One page of a collection (kong.md §4.2): `size`, `offset`, `tags`; on consumers also `custom_id`.
 *
 * @param path the collection's own path, for `next`.
 */
export function pageResponse(
  entities: readonly Listed[],
  path: string,
  query: URLSearchParams,
): AdminResponse {
  const size = Number(query.get('size') ?? DEFAULT_SIZE)
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    return invalid(9, 'invalid size', `size must be an integer between 1 and ${MAX_SIZE}`)
  }
  const offset = query.get('offset')
  const start = offset === null ? 0 : decodeOffset(offset)
  if (start === undefined) {
    return invalid(7, 'invalid offset', `'${offset}' is not a valid offset: bad base64 encoding`)
  }
  const tags = query.get('tags')
  const filter = tags === null ? undefined : tagFilter(tags)
  if (filter === 'mixed') {
    return invalid(
      11,
      'invalid options',
      "invalid option (tags: filter by both AND (',') and OR ('/') is not possible)",
    )
  }
  const matching = filter === undefined ? entities : entities.filter((one) => filter(one))
  const data = matching.slice(start, start + size)
  if (start + size >= matching.length) return json(200, { data, next: null })
  const next = encodeOffset(start + size)
  const parameters = new URLSearchParams({ offset: next })
  if (tags !== null) parameters.set('tags', tags)
  if (query.has('size')) parameters.set('size', String(size))
  return json(200, { data, next: `${path}?${parameters.toString()}`, offset: next })
}

function invalid(code: number, name: string, text: string): AdminResponse {
  return json(400, { code, name, message: text })
}

/** A position in the collection; opaque to clients, as Kong's is. */
function encodeOffset(position: number): string {
  return Buffer.from(`[${position}]`).toString('base64')
}

function decodeOffset(offset: string): number | undefined {
  const match = /^\[(\d{1,9})\]$/.exec(Buffer.from(offset, 'base64').toString('utf8'))
  return match === null ? undefined : Number(match[1])
}

/** `a,b`: both; `a/b`: either. */
function tagFilter(tags: string): ((entity: Listed) => boolean) | 'mixed' {
  if (tags.includes(',') && tags.includes('/')) return 'mixed'
  const wanted = tags.split(tags.includes('/') ? '/' : ',').filter((tag) => tag !== '')
  const either = tags.includes('/')
  return (entity) => {
    const own = tagsOf(entity)
    return either ? wanted.some((tag) => own.has(tag)) : wanted.every((tag) => own.has(tag))
  }
}

export function tagsOf(entity: Listed): ReadonlySet<string> {
  const tags = entity['tags']
  return new Set(Array.isArray(tags) ? tags.map(String) : [])
}
