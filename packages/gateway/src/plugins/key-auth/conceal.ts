import type { Exchange, HeaderFields } from '@pratu/plugin-kit'
import { bodyParameters } from './body-parameters.ts'
import type { KeyAuthConfig, KeyName } from './config.ts'
import { AI_KEY_HEADERS, bearerToken } from './find-key.ts'
import { queryParameters, type Parameters } from './parameters.ts'

/**
 * Takes the key out of what goes upstream (`hide_credentials`), under the configured name that it was found by: from
 * header, query and, when bodies are searched, body. Other names are left alone (kong.md §3.2).
 */
export function concealConfiguredKey(
  { request, upstream }: Exchange,
  config: KeyAuthConfig,
  { header, name }: KeyName,
  body: Parameters<Uint8Array> | undefined,
): void {
  upstream.headers.delete(header)
  const query = upstream.query === '' ? undefined : queryParameters(upstream.query).without(name)
  if (query !== undefined) upstream.query = query === '' ? '' : `?${query}`
  const rest = config.keyInBody ? body?.without(name) : undefined
  if (rest !== undefined) request.body.replace(rest)
}

/**
 * Takes what stands under any configured name out: a provider that the gateway pays must not see a caller's key, wherever
 * it was found and wherever it was repeated (S18).
 */
export function concealEveryKey(
  exchange: Exchange,
  config: KeyAuthConfig,
  body: Parameters<Uint8Array> | undefined,
): void {
  let rest = body
  for (const name of config.keyNames) {
    concealConfiguredKey(exchange, config, name, rest)
    if (rest === undefined) continue
    // The body is in memory, so this is never a promise; what was cut out before must stay out.
    const changed = bodyParameters(exchange.request)
    rest = changed instanceof Promise ? undefined : changed
  }
}

/** Takes the key out of the headers that AI clients use, wherever one carries it. */
export function concealAiClientKey(headers: HeaderFields, key: string): void {
  const authorization = headers.get('authorization')
  if (authorization !== undefined && bearerToken(authorization) === key) {
    headers.delete('authorization')
  }
  for (const name of AI_KEY_HEADERS) if (headers.get(name) === key) headers.delete(name)
}
