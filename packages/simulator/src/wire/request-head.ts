/** A header field as it arrived: name in the sender's case, value without the surrounding white space. */
export type HeaderPair = readonly [name: string, value: string]

export interface RequestHead {
  readonly method: string
  /** The request target exactly as sent. */
  readonly target: string
  /** The target up to `?`, still percent-encoded. */
  readonly path: string
  /** What follows `?`, without it; empty when there is none. */
  readonly query: string
  readonly version: '1.0' | '1.1'
  readonly headers: readonly HeaderPair[]
  readonly body:
    | { readonly kind: 'none' }
    | { readonly kind: 'length'; readonly bytes: number }
    | { readonly kind: 'chunked' }
  /** Whether the connection may carry another request after this one. */
  readonly keepAlive: boolean
  readonly expectsContinue: boolean
}

/** A request that no careful server would accept; the simulator is a strict witness of what reaches a provider. */
export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest'
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
// Field values: no control character but tab (RFC 9110 §5.5); a bare CR or LF cannot pass either.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/

/** @returns the first value of the field; `name` in lower case. */
export function headerValue(headers: readonly HeaderPair[], name: string): string | undefined {
  for (const [field, value] of headers) {
    if (field.length === name.length && field.toLowerCase() === name) return value
  }
  return undefined
}

function splitField(line: string): HeaderPair {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon)
  if (colon < 1 || !TOKEN.test(name))
    throw new MalformedRequest(`header line without a valid name: ${JSON.stringify(line)}`)
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (FORBIDDEN_IN_VALUE.test(value))
    throw new MalformedRequest(`control character in the value of ${name}`)
  return [name, value]
}

function bodyKind(headers: readonly HeaderPair[], version: '1.0' | '1.1'): RequestHead['body'] {
  let length: string | undefined
  let transfer: string | undefined
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (lower === 'content-length') {
      if (length !== undefined) throw new MalformedRequest('more than one Content-Length')
      length = value
    } else if (lower === 'transfer-encoding') {
      if (transfer !== undefined) throw new MalformedRequest('more than one Transfer-Encoding')
      transfer = value
    }
  }
  if (transfer !== undefined) {
    if (length !== undefined)
      throw new MalformedRequest('both Content-Length and Transfer-Encoding')
    if (version === '1.0') throw new MalformedRequest('Transfer-Encoding in an HTTP/1.0 request')
    if (transfer.toLowerCase() !== 'chunked')
      throw new MalformedRequest(`Transfer-Encoding is ${JSON.stringify(transfer)}, not "chunked"`)
    return { kind: 'chunked' }
  }
  if (length === undefined) return { kind: 'none' }
  if (!/^\d{1,15}$/.test(length))
    throw new MalformedRequest(`Content-Length is ${JSON.stringify(length)}`)
  return { kind: 'length', bytes: Number(length) }
}

/**
 * Parses a request head strictly (RFC 9112 §2–§6, the MUSTs about framing): what a lenient parser would let pass is an
 * error here, because a gateway must never forward it.
 *
 * @param text the head without its final empty line, one character per byte.
 * @throws {MalformedRequest}
 */
export function parseRequestHead(text: string): RequestHead {
  const lines = text.split('\r\n')
  const line = REQUEST_LINE.exec(lines[0] ?? '')
  if (line === null)
    throw new MalformedRequest(`request line ${JSON.stringify((lines[0] ?? '').slice(0, 200))}`)
  const [, method = '', target = '', minor] = line
  const version = minor === '0' ? '1.0' : '1.1'
  const headers: HeaderPair[] = []
  for (let i = 1; i < lines.length; i += 1) headers.push(splitField(lines[i] ?? ''))
  const hosts = headers.filter(
    ([name]) => name.length === 4 && name.toLowerCase() === 'host',
  ).length
  if (hosts > 1 || (hosts === 0 && version === '1.1'))
    throw new MalformedRequest(`${hosts} Host fields`)
  const connection = (headerValue(headers, 'connection') ?? '').toLowerCase()
  const mark = target.indexOf('?')
  return {
    method,
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? '' : target.slice(mark + 1),
    version,
    headers,
    body: bodyKind(headers, version),
    keepAlive:
      version === '1.1' ? !connection.includes('close') : connection.includes('keep-alive'),
    expectsContinue:
      version === '1.1' && (headerValue(headers, 'expect') ?? '').toLowerCase() === '100-continue',
  }
}
