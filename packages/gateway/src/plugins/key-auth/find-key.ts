import type { HeaderView, RequestView } from '@pratu/plugin-kit'
import type { KeyAuthConfig, KeyName } from './config.ts'
import { REPEATED, queryParameters, type ParameterValue, type Parameters } from './parameters.ts'

/** A key that the caller brought, and where it was. */
export interface FoundKey {
  readonly text: string
  /** Header text is one character per byte; query and body are decoded already. */
  readonly encoding: 'latin1' | 'utf8'
  /** The configured name under which it was; `undefined` for the headers of AI clients. */
  readonly name: KeyName | undefined
}

/** Where the libraries of AI providers put the key, besides `Authorization: Bearer` (architecture §4). */
export const AI_KEY_HEADERS: readonly string[] = ['x-api-key', 'api-key', 'x-goog-api-key']

/** What a client sends whose variable was never set (S12). */
const UNSET = new Set(['', 'undefined', 'null'])

/**
 * The caller's key: for each configured name in order its header, query argument, body member (kong.md §3.2). The first
 * text counts, also when it is empty.
 *
 * @param body `undefined` when bodies are not searched.
 */
export function findConfiguredKey(
  config: KeyAuthConfig,
  request: RequestView,
  body: Parameters<Uint8Array> | undefined,
): FoundKey | typeof REPEATED | undefined {
  let query: Parameters<string> | undefined
  for (const name of config.keyNames) {
    let encoding: FoundKey['encoding'] = 'latin1'
    let value: ParameterValue = config.keyInHeader
      ? headerValue(request.headers, name.header)
      : undefined
    if (value === undefined && config.keyInQuery && request.rawQuery !== '') {
      encoding = 'utf8'
      query ??= queryParameters(request.rawQuery)
      value = query.value(name.name)
    }
    if (value === undefined && body !== undefined) {
      encoding = 'utf8'
      value = body.value(name.name)
    }
    if (value === REPEATED) return REPEATED
    if (value !== undefined) return { text: value, encoding, name }
  }
  return undefined
}

/** The key in one of the headers that the libraries of AI providers use; those of a variable never set are none. */
export function findAiClientKey(headers: HeaderView): FoundKey | typeof REPEATED | undefined {
  const authorization = headerValue(headers, 'authorization')
  if (authorization === REPEATED) return REPEATED
  const bearer = authorization === undefined ? undefined : bearerToken(authorization)
  if (bearer !== undefined && !UNSET.has(bearer)) return aiClientKey(bearer)
  for (const name of AI_KEY_HEADERS) {
    const value = headerValue(headers, name)
    if (value === REPEATED) return REPEATED
    if (value !== undefined && !UNSET.has(value)) return aiClientKey(value)
  }
  return undefined
}

function aiClientKey(text: string): FoundKey {
  return { text, encoding: 'latin1', name: undefined }
}

function headerValue(headers: HeaderView, name: string): ParameterValue {
  const values = headers.all(name)
  return values.length > 1 ? REPEATED : values[0]
}

/** The token of `Bearer <token>`, the scheme in any case (RFC 9110 §11.1); `undefined` for another scheme. */
export function bearerToken(authorization: string): string | undefined {
  return /^bearer(?: +|$)/i.test(authorization) ? authorization.slice(6).trim() : undefined
}
