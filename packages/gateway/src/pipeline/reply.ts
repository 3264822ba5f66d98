import { refuse, type Reply, type ResponseHead } from '@pratu/plugin-kit'
import { renderError, type ErrorCode, type GatewayError } from '../errors/index.ts'
import { HeaderList, mayHaveContent } from '../http/index.ts'
import { addGeneratedHeaders, addProxiedHeaders } from './informational-headers.ts'
import type { PinnedExchange } from './snapshot.ts'

/** A complete response, ready for the response phases. */
export interface RenderedReply {
  readonly head: ResponseHead
  readonly body: Uint8Array
}

/** Kong treats what a plugin refuses as its own error, whatever status it has (kong.md §2.8, mechanism A). */
export type RaisedBy = 'plugin' | 'gateway'

/** Renders a reply: a refusal in the exchange's error shape, an answer as it is. */
export function renderReply(
  exchange: PinnedExchange,
  reply: Reply,
  raisedBy: RaisedBy = 'plugin',
): RenderedReply {
  const headers = new HeaderList()
  const head: ResponseHead = { status: reply.status, headers }
  let body: Uint8Array
  if (reply.kind === 'refusal') {
    const rendered = renderError({
      shape: exchange.errorShape,
      status: reply.status,
      code: reply.code,
      message: reply.message,
      requestId: exchange.id,
      accept: exchange.request.headers.get('accept'),
      asNginx:
        raisedBy === 'gateway' && exchange.snapshot.compatibility === 'kong'
          ? { contentType: exchange.request.headers.get('content-type') }
          : undefined,
    })
    body = Buffer.from(rendered.body)
    headers.append('Content-Type', rendered.contentType)
    // What a client library asked for is no business of a cache between us (S32).
    if (exchange.errorShape !== 'kong') headers.append('Cache-Control', 'no-store')
  } else {
    body = reply.body
  }
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    if (typeof value === 'string') headers.set(name, value)
    else for (const one of value) headers.append(name, one)
  }
  if (reply.kind === 'answer' && reply.source === 'service') addProxiedHeaders(exchange, head)
  else addGeneratedHeaders(exchange, head)
  // Without content only the plugin can know the length that GET would have had (RFC 9110 §8.6).
  if (body.length > 0 || mayHaveContent(exchange.request.method, head.status))
    headers.set('Content-Length', String(body.length))
  return { head, body }
}

/** Errors that pass by themselves, soon. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'overloaded',
  'too_many_connections',
  'server_shutting_down',
])

/** An error as a refusal, with the headers that tell a client library what to do next. */
export function errorReply(exchange: PinnedExchange, error: GatewayError): Reply {
  const headers: Record<string, string> = {}
  if (PASSING.has(error.code)) headers['Retry-After'] = '1'
  if (error.code === 'https_required') {
    headers['Connection'] = 'Upgrade'
    headers['Upgrade'] = 'TLS/1.2, HTTP/1.1'
  }
  // Our own tries are spent or cannot help: a library that tries again would only multiply them (faults.md, fact 3).
  if (exchange.errorShape !== 'kong' && (!error.retryable || exchange.tries.length > 1))
    headers['x-should-retry'] = 'false'
  return refuse(error.status, error.code, error.message, headers)
}
