import { STATUS_CODES } from 'node:http'
import type { HeaderPair } from '../wire/request-head.ts'

let dateSecond = 0
let dateText = ''

/** The `date` field, formatted once a second. */
function currentDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
}

export function fieldLines(headers: readonly HeaderPair[]): string {
  let lines = ''
  for (const [name, value] of headers) lines += `${name}: ${value}\r\n`
  return lines
}

/** What the framing of an answer is said to be. */
export type Framing =
  | { readonly kind: 'length'; readonly bytes: number | string }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

/** The fields that say how long the answer is and what becomes of the connection. */
export function framingLines(framing: Framing, keepAlive: boolean, version: '1.0' | '1.1'): string {
  let lines = `date: ${currentDate()}\r\n`
  if (framing.kind === 'length') lines += `content-length: ${framing.bytes}\r\n`
  else if (framing.kind === 'chunked') lines += 'transfer-encoding: chunked\r\n'
  if (!keepAlive) lines += 'connection: close\r\n'
  else if (version === '1.0') lines += 'connection: keep-alive\r\n'
  return lines
}
