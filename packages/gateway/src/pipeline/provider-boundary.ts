import type { HeaderFields } from '@pratu/plugin-kit'
import { CREDENTIAL_FIELDS, formatQuery, parseQuery } from '../http/index.ts'

/**
 * What must not cross between a caller and a provider that the gateway pays with a credential of its own
 * (`service.provider`): for the provider the gateway is the client, and for the caller it is the server.
 */

const CREDENTIAL_ARGUMENTS: ReadonlySet<string> = new Set([
  'key',
  'apikey',
  'api_key',
  'api-key',
  'access_token',
])

/** What the provider says about its own origin: cookies, transport and cross-origin rules are not the gateway's (S21). */
const PROVIDERS_OWN: ReadonlySet<string> = new Set([
  'set-cookie',
  'strict-transport-security',
  'alt-svc',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-expose-headers',
  'access-control-max-age',
])

/** @param lowerName the field's name in lower case. */
export function isCallerCredential(lowerName: string): boolean {
  return CREDENTIAL_FIELDS.has(lowerName)
}

/** The query without credentials; the same text when there are none. */
export function withoutCredentials(query: string): string {
  if (query === '') return query
  const found = parseQuery(query)
  const kept = found.filter(({ name }) => !CREDENTIAL_ARGUMENTS.has(name.toLowerCase()))
  if (kept.length === found.length) return query
  return kept.length === 0 ? '' : `?${formatQuery(kept)}`
}

export function dropProvidersOwn(headers: HeaderFields): void {
  for (const name of PROVIDERS_OWN) headers.delete(name)
}

/** A redirect would name the provider's hosts, and must never be followed with its credential (S17). */
export function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304 && status !== 306
}
