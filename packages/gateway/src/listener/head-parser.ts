import { FIELD_VALUE, fieldName, TOKEN } from '../http/index.ts'
import { FramingFields } from './framing-fields.ts'
import { refuseHead as refuse, type HeadRefusal } from './head-refusal.ts'
import { isHost, parseTarget, type RequestTarget } from './request-target.ts'

/** A well-formed head. */
export interface RequestHead {
  readonly method: string
  readonly httpVersion: '1.0' | '1.1'
  readonly target: RequestTarget
  /** `Host` as received, or the authority of an absolute-form target; empty only in HTTP/1.0. */
  readonly host: string
  /** name, value, …, in wire order and case. */
  readonly fields: string[]
  /** `undefined` for a chunked body; 0 when there is none. */
  readonly contentLength: number | undefined
  /** Whether the client lets the connection live on. */
  readonly keepAlive: boolean
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean
}

export interface HeadLimits {
  readonly headerFields: number
  readonly urlBytes: number
}

const SP = 0x20
const HTAB = 0x09
const CR = 0x0d
const LF = 0x0a
const COLON = 0x3a
const HASH = 0x23

/** nginx refuses both as well: a gateway opens no tunnels, and TRACE shows credentials to scripts. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE'])

/**
 * Reads one request head strictly (RFC 9112 §2–§5, faults S01–S05, S20): what is ambiguous is refused, never repaired,
 * so that nothing behind this gateway can read the same bytes differently.
 *
 * @param data holds the head from `start` up to `end`: request line and field lines, each with its CRLF, without the
 *   final empty line.
 */
export function parseHead(
  data: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
): RequestHead | HeadRefusal {
  const methodEnd = tokenEnd(data, start)
  if (methodEnd === start || data[methodEnd] !== SP)
    return refuse('bad_request', 'malformed request line')
  const targetStart = methodEnd + 1
  const targetEnd = visibleEnd(data, targetStart)
  if (targetEnd - targetStart > limits.urlBytes)
    return refuse('uri_too_long', 'request target too long')
  const minor = readVersion(data, targetEnd)
  if (minor === undefined) return refuseRequestLine(data, targetStart, targetEnd)
  // One character per byte: what is found in the bytes is cut out of this.
  const text = data.toString('latin1', start, end)
  const method = knownMethod(text.slice(0, methodEnd - start))
  if (REFUSED_METHODS.has(method)) return refuse('method_not_allowed', `${method} is not served`)
  const target = parseTarget(method, text.slice(targetStart - start, targetEnd - start))
  if (target === undefined) return refuse('invalid_target', 'request target form does not fit')

  const http10 = minor === 0
  const framing = new FramingFields()
  const fields: string[] = []
  const first = targetEnd + VERSION_LINE_LENGTH
  const refusal = readFields(
    { data, text, start, end },
    first,
    limits.headerFields,
    fields,
    framing,
  )
  if (refusal !== undefined) return refusal
  const host = agreedHost(framing.host, target.authority, http10)
  if (host === undefined)
    return refuse('invalid_host', 'Host is missing, malformed or differs from the target')
  const ambiguity = framing.resolve(http10)
  if (ambiguity !== undefined) return ambiguity
  return {
    method,
    httpVersion: http10 ? '1.0' : '1.1',
    target,
    host,
    fields,
    contentLength: framing.contentLength,
    keepAlive: framing.keepAlive,
    expectsContinue: framing.expectsContinue,
  }
}

const METHODS = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [method, method]),
)

/** The usual methods as constants, which are compared for the price of a pointer from here on. */
function knownMethod(method: string): string {
  return METHODS.get(method) ?? method
}

export function isRefusal(head: RequestHead | HeadRefusal): head is HeadRefusal {
  return 'code' in head
}

/** Where the token that starts at `from` ends. */
function tokenEnd(data: Buffer, from: number): number {
  let i = from
  while (TOKEN[data[i] ?? 0] === 1) i++
  return i
}

/** Where the run of visible ASCII without `#` that starts at `from` ends. */
function visibleEnd(data: Buffer, from: number): number {
  let i = from
  for (;;) {
    const byte = data[i] ?? 0
    if (!(byte > SP && byte < 0x7f && byte !== HASH)) return i
    i++
  }
}

/** ` HTTP/1.x` and its CRLF. */
const VERSION_LINE_LENGTH = 11
const VERSION = Buffer.from(' HTTP/1.')

/** The minor version of HTTP/1; above 1 it counts as 1 (RFC 9110 §2.5). `undefined`: not that, or no version at all. */
function readVersion(data: Buffer, at: number): 0 | 1 | undefined {
  for (let i = 0; i < VERSION.length; i++) if (data[at + i] !== VERSION[i]) return undefined
  const minor = (data[at + 8] ?? 0) - 0x30
  if (!(minor >= 0 && minor <= 9)) return undefined
  if (data[at + 9] !== CR || data[at + 10] !== LF) return undefined
  return minor === 0 ? 0 : 1
}

const OTHER_VERSION = /^ HTTP\/[0-9]\.[0-9]\r\n/

function refuseRequestLine(data: Buffer, targetStart: number, targetEnd: number): HeadRefusal {
  const code = data[targetEnd] ?? 0
  if (targetEnd === targetStart) return refuse('invalid_target', 'no request target')
  if (code === HASH) return refuse('invalid_target', 'fragment in request target')
  if (code >= 0x7f || (code < SP && code !== CR)) {
    return refuse('invalid_target', 'byte outside visible ASCII in request target')
  }
  if (OTHER_VERSION.test(data.toString('latin1', targetEnd, targetEnd + VERSION_LINE_LENGTH))) {
    return refuse('http_version_not_supported', 'HTTP version other than 1.x')
  }
  return refuse('bad_request', 'malformed request line')
}

/** A head as bytes and as the same text, one character per byte. */
interface HeadBytes {
  readonly data: Buffer
  readonly start: number
  readonly end: number
  readonly text: string
}

function readFields(
  { data, start, end, text }: HeadBytes,
  from: number,
  maxFields: number,
  fields: string[],
  framing: FramingFields,
): HeadRefusal | undefined {
  const maxLength = maxFields * 2
  let at = from
  while (at < end) {
    // A line that starts with white space is no token: obs-fold ends here (RFC 9112 §5.2).
    const nameEnd = tokenEnd(data, at)
    if (nameEnd === at || data[nameEnd] !== COLON)
      return refuse('invalid_header', 'malformed field name')
    let valueStart = nameEnd + 1
    while (isBlank(data[valueStart])) valueStart++
    let lineEnd = valueStart
    while (FIELD_VALUE[data[lineEnd] ?? 0] === 1) lineEnd++
    if (data[lineEnd] !== CR || data[lineEnd + 1] !== LF) {
      return refuse('invalid_header', 'control character in field value')
    }
    let valueEnd = lineEnd
    while (valueEnd > valueStart && isBlank(data[valueEnd - 1])) valueEnd--
    if (fields.length === maxLength) return refuse('headers_too_large', 'too many header fields')
    const name = fieldName(data, at, nameEnd)
    const value = text.slice(valueStart - start, valueEnd - start)
    fields.push(name.text, value)
    const refusal = framing.add(name.lower, value)
    if (refusal !== undefined) return refusal
    at = lineEnd + 2
  }
  return undefined
}

function isBlank(byte: number | undefined): boolean {
  return byte === SP || byte === HTAB
}

/** RFC 9112 §3.2: exactly one valid Host in HTTP/1.1; an absolute-form target must agree with it. */
function agreedHost(
  host: string | undefined,
  authority: string | undefined,
  http10: boolean,
): string | undefined {
  if (host === undefined) return http10 ? (authority ?? '') : undefined
  if (!isHost(host)) return undefined
  return authority === undefined || authority.toLowerCase() === host.toLowerCase()
    ? host
    : undefined
}
