import { lowerCaseName } from '../http/index.ts'

/** Fields that belong to one connection or to framing: written by this room, whatever the caller left in. */
const OURS: ReadonlySet<string> = new Set([
  'host',
  'expect',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'content-length',
  'proxy-connection',
  'transfer-encoding',
  'proxy-authorization',
])

// Bit n is set when one of those names has n characters: most fields are passed without being lower-cased.
let lengths = 0
for (const name of OURS) lengths |= 1 << name.length

/**
 * The header list of one try: the caller's fields in their order behind our `Host`, free of everything that this room
 * writes itself, so that exactly one framing field goes out (undici adds `Content-Length` or `Transfer-Encoding`).
 *
 * @param flat name, value, …
 * @param declaredBytes length of a streamed body when it is known.
 * @param proxyAuthorization for a plain-HTTP proxy that receives the request itself.
 */
export function toRequestFields(
  flat: readonly string[],
  host: string,
  declaredBytes: number | undefined,
  proxyAuthorization: string | undefined,
): string[] {
  const fields = ['host', host]
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] ?? ''
    if ((lengths & (1 << name.length)) !== 0 && name.length < 31 && OURS.has(lowerCaseName(name))) {
      continue
    }
    fields.push(name, flat[i + 1] ?? '')
  }
  if (declaredBytes !== undefined) fields.push('content-length', String(declaredBytes))
  if (proxyAuthorization !== undefined) fields.push('proxy-authorization', proxyAuthorization)
  return fields
}
