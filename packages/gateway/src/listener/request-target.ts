import { HEX_DIGIT, UNRESERVED } from '../http/index.ts'

/** A validated request target (RFC 9112 §3.2). */
export interface RequestTarget {
  /** Starts with `/`; or `*` for `OPTIONS *`. */
  readonly rawPath: string
  /** Empty, or from the `?` on. */
  readonly rawQuery: string
  /** Of an absolute-form target, else `undefined`. */
  readonly authority: string | undefined
}

const SLASH = 0x2f
const QUESTION = '?'

/**
 * Takes a request target apart. Never `new URL`: it rewrites what it reads, and routing and access rules must decide on
 * the bytes that were sent (S05).
 *
 * @param target free of bytes outside 0x21–0x7e and of `#`.
 * @returns `undefined` when its form does not fit the method or is malformed.
 */
export function parseTarget(method: string, target: string): RequestTarget | undefined {
  if (target.charCodeAt(0) === SLASH) return splitQuery(target, undefined)
  if (target === '*') {
    return method === 'OPTIONS' ? { rawPath: '*', rawQuery: '', authority: undefined } : undefined
  }
  return parseAbsoluteForm(target)
}

function splitQuery(target: string, authority: string | undefined): RequestTarget {
  const question = target.indexOf(QUESTION)
  return question < 0
    ? { rawPath: target, rawQuery: '', authority }
    : { rawPath: target.slice(0, question), rawQuery: target.slice(question), authority }
}

const SCHEME = 'http://'

/** `http` only: this listener speaks no TLS, so a target with another scheme was meant for somebody else. */
function parseAbsoluteForm(target: string): RequestTarget | undefined {
  if (target.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined
  const rest = target.slice(SCHEME.length)
  const end = rest.search(/[/?]/)
  const authority = end < 0 ? rest : rest.slice(0, end)
  if (!isHost(authority)) return undefined
  const origin = end < 0 ? '' : rest.slice(end)
  return splitQuery(origin.startsWith('/') ? origin : `/${origin}`, authority)
}

/** What nearly every host is; see `isToken` for why this is no loop. */
const PLAIN_HOST = /^[A-Za-z0-9._~-]+(?::[0-9]{1,4})?$/

/**
 * Whether `text` is a host with an optional port: a name of unreserved characters, an IPv4 address, or an IPv6 address in
 * brackets. Narrower than RFC 3986: no userinfo, no escapes, no sub-delimiters, no empty name or port (S02, S05).
 */
export function isHost(text: string): boolean {
  if (PLAIN_HOST.test(text)) return true
  const nameEnd = text.charCodeAt(0) === 0x5b ? bracketEnd(text) : nameLength(text)
  if (nameEnd <= 0) return false
  if (nameEnd === text.length) return true
  return text.charCodeAt(nameEnd) === 0x3a && isPort(text, nameEnd + 1)
}

function nameLength(text: string): number {
  let i = 0
  while (UNRESERVED[text.charCodeAt(i)] === 1) i++
  return i
}

/** Index after the `]` of an address literal; -1 when it is malformed. */
function bracketEnd(text: string): number {
  const close = text.indexOf(']')
  if (close < 3) return -1
  for (let i = 1; i < close; i++) {
    const code = text.charCodeAt(i)
    if (code !== 0x3a && code !== 0x2e && (HEX_DIGIT[code] ?? 0) === 0) return -1
  }
  return close + 1
}

function isPort(text: string, from: number): boolean {
  const length = text.length - from
  if (length < 1 || length > 5) return false
  let port = 0
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return false
    port = port * 10 + digit
  }
  return port <= 65_535
}
