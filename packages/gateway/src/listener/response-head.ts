import { STATUS_CODES } from 'node:http'
import { isFieldValue, isToken } from '../http/index.ts'

/** How the end of a response body is told (RFC 9112 §6.3). */
export type ResponseFraming = 'none' | 'length' | 'chunked' | 'close'

export interface RenderedHead {
  /** Status line and fields with the empty line after them, Latin-1. */
  readonly text: string
  readonly framing: ResponseFraming
  /** Of a body framed by `length`. */
  readonly contentLength: number
  /** Whether the connection lives on. */
  readonly keepAlive: boolean
}

export interface HeadContext {
  readonly isHead: boolean
  readonly http10: boolean
  /** Whether the request and the listener let the connection live on. */
  readonly keepAlive: boolean
  /** `Date: …` and its CRLF. */
  readonly dateLine: string
  /** What a kept connection is told, complete lines. */
  readonly keepAliveLines: string
}

const statusLines = new Map<number, string>()

function statusLine(status: number): string {
  let line = statusLines.get(status)
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    statusLines.set(status, line)
  }
  return line
}

/**
 * Renders a response head in one string. Connection and framing fields are this function's alone: what the caller gives
 * of them decides nothing but the length and a wish to close.
 *
 * @param status 200–999. @param flat name, value, …
 */
export function renderHead(
  status: number,
  flat: readonly string[],
  context: HeadContext,
): RenderedHead {
  let text = statusLine(status)
  let length = -1
  let hasDate = false
  let keepAlive = context.keepAlive
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] ?? ''
    const value = flat[i + 1] ?? ''
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === 'date') hasDate = true
        break
      case 10: {
        const lower = name.toLowerCase()
        if (lower === 'connection') {
          const options = value.toLowerCase()
          if (options === 'close') keepAlive = false
          // With 426: which protocols would do (RFC 9110 §7.8).
          else if (options === 'upgrade') text += 'Connection: Upgrade\r\n'
          continue
        }
        if (lower === 'keep-alive') continue
        break
      }
      case 14:
        if (name.toLowerCase() === 'content-length') {
          length = parseLength(value)
          continue
        }
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') continue
        break
      default:
        break
    }
    text +=
      isFieldValue(value) && isToken(name) ? `${name}: ${value}\r\n` : repairedField(name, value)
  }
  if (!hasDate) text += context.dateLine
  const framing = framingOf(status, length, context)
  // Without a length an HTTP/1.0 client knows the end by the close alone.
  if (framing === 'close') keepAlive = false
  if (length >= 0 && status !== 204) text += `Content-Length: ${length}\r\n`
  if (framing === 'chunked') text += 'Transfer-Encoding: chunked\r\n'
  text += keepAlive ? context.keepAliveLines : 'Connection: close\r\n'
  return { text: `${text}\r\n`, framing, contentLength: length, keepAlive }
}

function framingOf(status: number, length: number, context: HeadContext): ResponseFraming {
  if (context.isHead || status === 204 || status === 304) return 'none'
  if (length >= 0) return 'length'
  return context.http10 ? 'close' : 'chunked'
}

/** -1 for what is no length: then the body is framed without one. */
function parseLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    length = length * 10 + digit
  }
  return length
}

/**
 * A field that must not go out as it is (S20, S21): without a valid name it is left out, control characters become
 * spaces (RFC 9110 §5.5), and text beyond Latin-1 is sent as UTF-8.
 */
function repairedField(name: string, value: string): string {
  if (!isToken(name)) return ''
  let latin1 = value
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 0xff) {
      latin1 = Buffer.from(value, 'utf8').toString('latin1')
      break
    }
  }
  let safe = ''
  for (let i = 0; i < latin1.length; i++) {
    const char = latin1.charAt(i)
    safe += isFieldValue(char) ? char : ' '
  }
  return `${name}: ${safe}\r\n`
}
