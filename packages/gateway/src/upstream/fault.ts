import { isGatewayError, type ErrorCode } from '../errors/index.ts'
import { errors } from './undici.ts'

/** A failure of this room's own finding, as opposed to one that a socket or the parser reported. */
export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault'
  readonly fault: ErrorCode

  /** @param message for the log; never holds a credential. */
  constructor(fault: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.fault = fault
  }
}

/** Given to undici when a call ends from our side; never to a sink. */
export const CANCELLED = new UpstreamFault('upstream_reset', 'the call was ended by the gateway')

/** @param what the upstream sent against the protocol or beyond its limits. */
export function breach(what: string): UpstreamFault {
  return new UpstreamFault('upstream_protocol_error', `the upstream sent ${what}`)
}

export function shuttingDown(): UpstreamFault {
  return new UpstreamFault('server_shutting_down', 'the gateway is shutting down')
}

/** Words that undici puts into `UND_ERR_SOCKET` when the peer broke the protocol rather than the connection. */
const PROTOCOL_BREACHES: ReadonlySet<string> = new Set(['bad response', 'bad upgrade'])

/** Our own misuse of undici: neither the client nor the upstream is to blame. */
const DEFECTS: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
])

const CONNECTION_LOST: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ENOTCONN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_SOCKET',
  'UND_ERR_INFO',
  'UND_ERR_ABORTED',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
])

/**
 * The catalogue's word for an error of a connection that was established.
 *
 * @param headSeen whether the response's head had arrived: from then on a lost connection is a truncated response.
 */
export function classify(error: unknown, headSeen: boolean): ErrorCode {
  if (error instanceof UpstreamFault) return error.fault
  if (isGatewayError(error)) return error.code
  if (!(error instanceof Error)) return 'internal'
  if (error instanceof errors.HTTPParserError) {
    return headSeen && isUnfinished(error) ? 'upstream_truncated' : 'upstream_protocol_error'
  }
  const code = codeOf(error)
  if (code === undefined || DEFECTS.has(code)) return 'internal'
  // undici's word for any unparsable response with a Content-Length, too.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return headSeen ? 'upstream_truncated' : 'upstream_protocol_error'
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'upstream_protocol_error'
  if (PROTOCOL_BREACHES.has(error.message)) return 'upstream_protocol_error'
  if (isTlsCode(code)) return headSeen ? 'upstream_truncated' : 'upstream_tls_error'
  // The kernel's own keep-alive probes found the peer dead.
  if (code === 'ETIMEDOUT') return headSeen ? 'upstream_truncated' : 'upstream_timeout'
  if (CONNECTION_LOST.has(code)) return headSeen ? 'upstream_truncated' : 'upstream_reset'
  return 'internal'
}

/** llhttp's reason when the connection ended inside a message; undici gives its parser errors no code. */
function isUnfinished(error: Error): boolean {
  return error.message.includes('Invalid EOF state')
}

/** What may go to the log of an error: undici's parser errors carry the bytes they choked on, which may be anyone's. */
export function toLoggable(error: Error): Error {
  if (!(error instanceof errors.HTTPParserError)) return error
  return new UpstreamFault('upstream_protocol_error', error.message)
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** The `code` that Node and undici put on their errors. */
export function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Alerts and handshake failures; certificate verification has codes of its own, seen only while connecting. */
export function isTlsCode(code: string): boolean {
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO'
}
