import { FIELD_VALUE, TOKEN } from '../http/index.ts'
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
 * @param text the head in Latin-1: request line and field lines, each with its CRLF, without the final empty line.
 */
export function parseHead(text: string, limits: HeadLimits): RequestHead | HeadRefusal {
  const methodEnd = tokenEnd(text, 0)
  if (methodEnd === 0 || text.charCodeAt(methodEnd) !== SP)
    return refuse('bad_request', 'malformed request line')
  const targetStart = methodEnd + 1
  const targetEnd = visibleEnd(text, targetStart)
  if (targetEnd - targetStart > limits.urlBytes)
    return refuse('uri_too_long', 'request target too long')
  const minor = readVersion(text, targetEnd)
  if (minor === undefined) return refuseRequestLine(text, targetStart, targetEnd)
  const method = text.slice(0, methodEnd)
  if (REFUSED_METHODS.has(method)) return refuse('method_not_allowed', `${method} is not served`)
  const target = parseTarget(method, text.slice(targetStart, targetEnd))
  if (target === undefined) return refuse('invalid_target', 'request target form does not fit')

  const http10 = minor === 0
  const framing = new FramingFields()
  const fields: string[] = []
  const refusal = readFields(
    text,
    targetEnd + VERSION_LINE_LENGTH,
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

export function isRefusal(head: RequestHead | HeadRefusal): head is HeadRefusal {
  return 'code' in head
}

/** Where the token that starts at `from` ends. */
function tokenEnd(text: string, from: number): number {
  let i = from
  while (TOKEN[text.charCodeAt(i)] === 1) i++
  return i
}

/** Where the run of visible ASCII without `#` that starts at `from` ends. */
function visibleEnd(text: string, from: number): number {
  let i = from
  for (;;) {
    const code = text.charCodeAt(i)
    if (!(code > SP && code < 0x7f && code !== HASH)) return i
    i++
  }
}

/** ` HTTP/1.x` and its CRLF. */
const VERSION_LINE_LENGTH = 11

/** The minor version of HTTP/1; above 1 it counts as 1 (RFC 9110 §2.5). `undefined`: not that, or no version at all. */
function readVersion(text: string, at: number): 0 | 1 | undefined {
  if (!text.startsWith(' HTTP/1.', at)) return undefined
  const minor = text.charCodeAt(at + 8) - 0x30
  if (!(minor >= 0 && minor <= 9)) return undefined
  if (text.charCodeAt(at + 9) !== CR || text.charCodeAt(at + 10) !== LF) return undefined
  return minor === 0 ? 0 : 1
}

const OTHER_VERSION = /^ HTTP\/[0-9]\.[0-9]\r\n/

function refuseRequestLine(text: string, targetStart: number, targetEnd: number): HeadRefusal {
  const code = text.charCodeAt(targetEnd)
  if (targetEnd === targetStart) return refuse('invalid_target', 'no request target')
  if (code === HASH) return refuse('invalid_target', 'fragment in request target')
  if (code >= 0x7f || (code < SP && code !== CR)) {
    return refuse('invalid_target', 'byte outside visible ASCII in request target')
  }
  if (OTHER_VERSION.test(text.slice(targetEnd, targetEnd + VERSION_LINE_LENGTH))) {
    return refuse('http_version_not_supported', 'HTTP version other than 1.x')
  }
  return refuse('bad_request', 'malformed request line')
}

function readFields(
  text: string,
  start: number,
  maxFields: number,
  fields: string[],
  framing: FramingFields,
): HeadRefusal | undefined {
  const end = text.length
  const maxLength = maxFields * 2
  let at = start
  while (at < end) {
    // A line that starts with white space is no token: obs-fold ends here (RFC 9112 §5.2).
    const nameEnd = tokenEnd(text, at)
    if (nameEnd === at || text.charCodeAt(nameEnd) !== COLON)
      return refuse('invalid_header', 'malformed field name')
    let valueStart = nameEnd + 1
    while (isBlank(text.charCodeAt(valueStart))) valueStart++
    let lineEnd = valueStart
    while (FIELD_VALUE[text.charCodeAt(lineEnd)] === 1) lineEnd++
    if (text.charCodeAt(lineEnd) !== CR || text.charCodeAt(lineEnd + 1) !== LF) {
      return refuse('invalid_header', 'control character in field value')
    }
    let valueEnd = lineEnd
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--
    if (fields.length === maxLength) return refuse('headers_too_large', 'too many header fields')
    const name = text.slice(at, nameEnd)
    const value = text.slice(valueStart, valueEnd)
    fields.push(name, value)
    const refusal = framing.add(name, value)
    if (refusal !== undefined) return refusal
    at = lineEnd + 2
  }
  return undefined
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB
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
