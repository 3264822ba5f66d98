import type { ErrorShape } from '@pratu/plugin-kit'
import type { ErrorCode } from './catalogue.ts'

export interface RenderRequest {
  readonly shape: ErrorShape
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  readonly message: string
  readonly requestId: string
  /** The client's `Accept`, which decides the type of Kong-shaped errors (kong.md §2.8). */
  readonly accept: string | undefined
  /**
   * Under `compatibility: kong` only. Errors that nginx raises in Kong take their type from the request's own
   * `Content-Type` when there is no `Accept`, and without either they are plain text (kong.md §2.8, mechanism B).
   */
  readonly asNginx?: { readonly contentType: string | undefined } | undefined
}

export interface RenderedError {
  readonly contentType: string
  readonly body: string
}

type KongType = 'json' | 'plain' | 'html' | 'xml'

const KONG_TYPES: ReadonlyMap<string, KongType> = new Map([
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['text/plain', 'plain'],
  ['text/*', 'plain'],
  ['text/html', 'html'],
  ['application/xml', 'xml'],
])

/**
 * The codes that stand for errors which nginx raises in Kong: malformed requests, limits of the listener, and an upstream
 * that fails. All others are Kong's own or ours.
 */
const RAISED_BY_NGINX: ReadonlySet<string> = new Set<ErrorCode>([
  'bad_request',
  'invalid_host',
  'invalid_target',
  'invalid_header',
  'invalid_framing',
  'method_not_allowed',
  'request_timeout',
  'body_too_large',
  'uri_too_long',
  'expectation_failed',
  'headers_too_large',
  'http_version_not_supported',
  'transfer_coding_not_supported',
  'upstream_unreachable',
  'upstream_tls_error',
  'upstream_protocol_error',
  'upstream_reset',
  'upstream_truncated',
  'upstream_connect_timeout',
  'upstream_timeout',
])

/** The highest `q` wins, the first of equals; the unknown is JSON (kong.md §2.8). */
function negotiate(accept: string): KongType {
  if (accept === '*/*' || accept === 'application/json') return 'json'
  let best: KongType = 'json'
  let bestQuality = 0
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim())
    const q = parameters.find((text) => text.startsWith('q='))
    const quality = q === undefined ? 1 : Number(q.slice(2))
    if (!(quality > bestQuality)) continue
    bestQuality = quality
    best = KONG_TYPES.get(type.toLowerCase()) ?? 'json'
  }
  return best
}

function kongType({ accept, asNginx, code }: RenderRequest): KongType {
  if (accept !== undefined) return negotiate(accept)
  if (asNginx === undefined || !RAISED_BY_NGINX.has(code)) return 'json'
  return asNginx.contentType === undefined ? 'plain' : negotiate(asNginx.contentType)
}

function kongBody(type: KongType, message: string, requestId: string): RenderedError {
  switch (type) {
    case 'json':
      return {
        contentType: 'application/json; charset=utf-8',
        body: `{\n  "message":${JSON.stringify(message)},\n  "request_id":"${requestId}"\n}`,
      }
    case 'plain':
      return {
        contentType: 'text/plain; charset=utf-8',
        body: `${message}\nrequest_id: ${requestId}\n`,
      }
    case 'html':
      return {
        contentType: 'text/html; charset=utf-8',
        body:
          '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n' +
          `  <body>\n    <h1>Error</h1>\n    <p>${escapeMarkup(message)}.</p>\n    <p>request_id: ${requestId}</p>\n  </body>\n</html>\n`,
      }
    case 'xml':
      return {
        contentType: 'application/xml; charset=utf-8',
        body:
          '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n' +
          `  <message>${escapeMarkup(message)}</message>\n  <requestid>${requestId}</requestid>\n</error>`,
      }
  }
}

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** OpenAI's `type` by status (llm-apis.md §1.1). */
function openaiType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** Anthropic's `type` by status (llm-apis.md §1.4). */
function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error'
    case 403:
      return 'permission_error'
    case 404:
      return 'not_found_error'
    case 413:
      return 'request_too_large'
    case 429:
      return 'rate_limit_error'
    case 504:
      return 'timeout_error'
    case 503:
      return 'overloaded_error'
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error'
  }
}

/** google.rpc code names by HTTP status. */
function googleStatus(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED'
    case 403:
      return 'PERMISSION_DENIED'
    case 404:
      return 'NOT_FOUND'
    case 429:
      return 'RESOURCE_EXHAUSTED'
    case 503:
      return 'UNAVAILABLE'
    case 504:
      return 'DEADLINE_EXCEEDED'
    default:
      return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT'
  }
}

/** The body of an error answer, in the shape that the client's own library reads. */
export function renderError(request: RenderRequest): RenderedError {
  const { shape, status, code, message, requestId } = request
  if (shape === 'kong') return kongBody(kongType(request), message, requestId)
  const json = 'application/json; charset=utf-8'
  const openai = { message, type: openaiType(status), code, param: null }
  switch (shape) {
    case 'openai':
      return { contentType: json, body: JSON.stringify({ error: openai }) }
    case 'kong+openai':
      return {
        contentType: json,
        body: JSON.stringify({ message, request_id: requestId, error: openai }),
      }
    case 'anthropic':
      return {
        contentType: json,
        body: JSON.stringify({
          type: 'error',
          error: { type: anthropicType(status), message },
          request_id: requestId,
        }),
      }
    case 'gemini':
      return {
        contentType: json,
        body: JSON.stringify({ error: { code: status, message, status: googleStatus(status) } }),
      }
  }
}
