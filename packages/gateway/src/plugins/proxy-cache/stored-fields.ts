import { lowerCaseName } from '../../http/index.ts'

/** Fields of one connection or one message (kong.md §3.4), and what the gateway writes anew for every answer. */
const NOT_STORED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'age',
  'x-cache-status',
  'x-cache-key',
  'via',
  'server-timing',
  'x-request-id',
  'x-kong-request-id',
  'x-kong-upstream-latency',
  'x-kong-proxy-latency',
  'x-kong-upstream-status',
  'x-pratu-cost',
])

/**
 * What is kept of an answer's fields, `name` and `value` in turn.
 *
 * @param keep.limits Kong drops only the remaining count of a limit; everything about limits is the first caller's.
 * @param keep.length Of an answer to HEAD, which tells the length of a body that it does not have.
 */
export function fieldsToStore(
  flat: readonly string[],
  keep: { readonly limits: boolean; readonly length: boolean },
): readonly string[] {
  const kept: string[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const field = flat[i] ?? ''
    const name = lowerCaseName(field)
    if (NOT_STORED.has(name) && !(keep.length && name === 'content-length')) continue
    if (name.includes(keep.limits ? 'ratelimit-remaining' : 'ratelimit')) continue
    if (!keep.limits && name === 'retry-after') continue
    kept.push(field, flat[i + 1] ?? '')
  }
  return kept
}

/**
 * What others may see of an answer's fields: as they are stored, and without what the provider tells the one client that
 * it thinks it has.
 */
export function sharedFields(flat: readonly string[]): readonly string[] {
  const kept = fieldsToStore(flat, { limits: false, length: false })
  const shared: string[] = []
  for (let i = 0; i < kept.length; i += 2) {
    const name = kept[i] ?? ''
    if (lowerCaseName(name) !== 'set-cookie') shared.push(name, kept[i + 1] ?? '')
  }
  return shared
}

/** Fields as a reply takes them; repeated ones become a list. */
export function toReplyHeaders(
  flat: readonly string[],
): Readonly<Record<string, string | readonly string[]>> {
  const headers: Record<string, string | readonly string[]> = Object.create(null)
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] ?? ''
    const value = flat[i + 1] ?? ''
    const earlier = headers[name]
    headers[name] =
      earlier === undefined
        ? value
        : typeof earlier === 'string'
          ? [earlier, value]
          : [...earlier, value]
  }
  return headers
}
