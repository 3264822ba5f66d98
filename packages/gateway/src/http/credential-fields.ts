/**
 * Header fields in which clients of AI providers send their credentials, lower case. What strips them on the way to a
 * provider and what leaves them out of a cache key must mean the same fields (S18, S31).
 */
export const CREDENTIAL_FIELDS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'apikey',
  'x-goog-api-key',
  'cookie',
])
