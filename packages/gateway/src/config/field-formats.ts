import { isIP } from 'node:net'

/**
 * Rules for the text of one field. Each answers `undefined` when the text is acceptable, else what is wrong in Kong's
 * own words (kong.md §1.6, §1.7).
 */
export type TextRule = (value: string) => string | undefined

const HOSTNAME_CHARACTERS = /^[0-9A-Za-z._-]+$/
const HEADER_NAME = /^[A-Za-z0-9_-]+$/
const UUID = /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/
// RFC 3986 pchar plus "/", as Kong accepts them.
const PATH_CHARACTERS = /^[A-Za-z0-9._~!$&'()*+,;=:@/%-]*$/
const BAD_ESCAPE = /%(?![0-9a-fA-F]{2})/
const NAME_CHARACTERS = /^(?:[A-Za-z0-9.\-_~]|[^\0-\x7f])+$/

/** "name" strings: letters, digits, `.`, `-`, `_`, `~` and anything beyond ASCII. */
export const entityName: TextRule = (value) =>
  NAME_CHARACTERS.test(value)
    ? undefined
    : `invalid value '${value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~`

export const uuid: TextRule = (value) => (UUID.test(value) ? undefined : 'expected a valid UUID')

/** The characters of a header name that Kong accepts: fewer than HTTP allows. */
export const headerName: TextRule = (value) =>
  HEADER_NAME.test(value)
    ? undefined
    : `bad header name '${value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`

export const ipAddress: TextRule = (value) =>
  isIP(value) === 0 ? `not an ip address: ${value}` : undefined

/** An address or `address/prefix`. */
export const ipOrCidr: TextRule = (value) =>
  isIpOrCidr(value) ? undefined : `invalid ip or cidr range: '${value}'`

export function isIpOrCidr(value: string): boolean {
  const slash = value.indexOf('/')
  if (slash < 0) return isIP(value) !== 0
  const version = isIP(value.slice(0, slash))
  const prefix = value.slice(slash + 1)
  if (version === 0 || !/^\d{1,3}$/.test(prefix)) return false
  return Number(prefix) <= (version === 4 ? 32 : 128)
}

/** A host name or address without port. */
export const host: TextRule = (value) => {
  if (isIP(value) !== 0) return undefined
  if (value.startsWith('[') && value.endsWith(']') && isIP(value.slice(1, -1)) === 6)
    return undefined
  if (/^[^:]+:\d+$/.test(value) || /^\[[^\]]*\]:\d+$/.test(value)) return 'must not have a port'
  return isHostname(value) ? undefined : `invalid value: ${value}`
}

/** Kong's host name characters; no label may be empty or end in `-`. */
export function isHostname(value: string): boolean {
  if (value.length > 253 || !HOSTNAME_CHARACTERS.test(value)) return false
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.')
  return labels.every((label) => label !== '' && !label.startsWith('-') && !label.endsWith('-'))
}

/** A host name or address with an optional port. */
export const hostWithOptionalPort: TextRule = (value) => {
  const port = /^(.*[^:]):(\d+)$/.exec(value)
  const bare = isIP(value) === 0 && port?.[1] !== undefined ? port[1] : value
  if (port?.[2] !== undefined && isIP(value) === 0 && Number(port[2]) > 65_535)
    return `invalid value: ${value}`
  return host(bare) === undefined ? undefined : `invalid value: ${value}`
}

/** Rules for a plain path: leading slash, no empty segments, RFC 3986 characters, whole escapes. */
export const path: TextRule = (value) => {
  if (!value.startsWith('/')) return 'should start with: /'
  if (value.includes('//')) return 'must not have empty segments'
  return pathCharacters(value)
}

export const pathCharacters: TextRule = (value) => {
  const escape = BAD_ESCAPE.exec(value)
  if (escape !== null)
    return `invalid url-encoded value: '${value.slice(escape.index, escape.index + 3)}'`
  if (PATH_CHARACTERS.test(value)) return undefined
  return `invalid path: '${value}' (characters outside of the reserved list of RFC 3986 found)`
}

/** An absolute `http` or `https` URL with a host. */
export const httpUrl: TextRule = (value) => {
  if (!/^https?:\/\//i.test(value)) return 'invalid url: should start with http:// or https://'
  if (!URL.canParse(value)) return `invalid url: ${value}`
  return undefined
}

/** Upper-case letters only, as Kong writes methods. */
export const httpMethod: TextRule = (value) =>
  /^[A-Z]+$/.test(value) ? undefined : `invalid value: ${value}`

/** Printable, without `,` and `/`. */
export const tag: TextRule = (value) => {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (/[,/\0-\x1f\x7f]/.test(value))
    return `invalid tag '${value}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`
  return undefined
}
