import { CATALOGUE, GatewayError, type ErrorCode } from '../errors/index.ts'
import { createRequestId } from '../http/index.ts'
import type { ListenerOptions, RefusedRequest } from './options.ts'
import { renderHead } from './response-head.ts'

/** RFC 9110 §10.2.1. */
const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** A complete answer of the listener's own. */
export interface RenderedRefusal {
  readonly head: string
  readonly body: Buffer | undefined
  readonly record: RefusedRequest
}

/**
 * Renders the answer to a request that never became an exchange. It always ends the connection: after a malformed
 * request nothing on it can be trusted (F10, S01).
 */
export function renderRefusal(
  options: ListenerOptions,
  code: ErrorCode,
  reason: string,
  context: { readonly peerIp: string; readonly isHead: boolean; readonly dateLine: string },
): RenderedRefusal {
  const requestId = createRequestId()
  const { contentType, body } = options.renderRefusal(new GatewayError(code, { reason }), requestId)
  const bytes = Buffer.from(body, 'utf8')
  const { status } = CATALOGUE[code]
  const fields = [
    'Content-Type',
    contentType,
    'Content-Length',
    String(bytes.length),
    'Cache-Control',
    'no-store',
  ]
  fields.push('X-Kong-Request-Id', requestId, 'x-request-id', requestId)
  if (status === 405) fields.push('Allow', ALLOWED_METHODS)
  if (status === 503) fields.push('Retry-After', '1')
  const { text } = renderHead(status, fields, {
    isHead: context.isHead,
    http10: false,
    keepAlive: false,
    dateLine: context.dateLine,
    keepAliveLines: '',
  })
  return {
    head: text,
    body: context.isHead ? undefined : bytes,
    record: { requestId, status, peerIp: context.peerIp, reason },
  }
}

/** The answer to `OPTIONS *`, which asks about no resource: what the gateway as a whole would take. */
export function renderServerOptions(dateLine: string): string {
  const fields = ['Allow', ALLOWED_METHODS, 'Content-Length', '0']
  const context = { isHead: false, http10: false, keepAlive: false, dateLine, keepAliveLines: '' }
  return renderHead(200, fields, context).text
}
