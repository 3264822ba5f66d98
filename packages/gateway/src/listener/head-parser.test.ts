import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HeadRefusal } from './head-refusal.ts'
import { isRefusal, parseHead, type RequestHead } from './head-parser.ts'

const LIMITS = { headerFields: 100, urlBytes: 8192 }

function parse(text: string): RequestHead | HeadRefusal {
  // What stands around the head must not matter.
  const data = Buffer.from(`\r\n${text}\r\nX: y\r\n`, 'latin1')
  return parseHead(data, 2, 2 + text.length, LIMITS)
}

function accepted(text: string): RequestHead {
  const head = parse(text)
  if (isRefusal(head)) throw new Error(`${head.code}: ${head.reason}`)
  return head
}

function code(text: string): string {
  const head = parse(text)
  return isRefusal(head) ? head.code : 'accepted'
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n'

test('takes a head apart without changing a byte', () => {
  const head = accepted(
    'POST /v1/chat?x=%2f&y HTTP/1.1\r\nhOsT: example.com:8000\r\nX-A:  b c \t\r\nx-a: \r\nContent-Length: 012\r\n',
  )
  expect(head).toMatchObject({
    method: 'POST',
    httpVersion: '1.1',
    target: { rawPath: '/v1/chat', rawQuery: '?x=%2f&y', authority: undefined },
    host: 'example.com:8000',
    fields: ['hOsT', 'example.com:8000', 'X-A', 'b c', 'x-a', '', 'Content-Length', '012'],
    contentLength: 12,
    keepAlive: true,
    expectsContinue: false,
  })
})

test.each([
  ['CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n', 'method_not_allowed'],
  ['CONNECT / HTTP/1.1\r\nHost: a\r\n', 'method_not_allowed'],
  ['TRACE / HTTP/1.1\r\nHost: a\r\n', 'method_not_allowed'],
  ['BREW /pot HTTP/1.1\r\nHost: a\r\n', 'accepted'],
  ['M-SEARCH / HTTP/1.1\r\nHost: a\r\n', 'accepted'],
  ['get / HTTP/1.1\r\nHost: a\r\n', 'accepted'],
  ['G(T / HTTP/1.1\r\nHost: a\r\n', 'bad_request'],
  [' GET / HTTP/1.1\r\nHost: a\r\n', 'bad_request'],
  ['GET  / HTTP/1.1\r\nHost: a\r\n', 'invalid_target'],
  ['GET /  HTTP/1.1\r\nHost: a\r\n', 'bad_request'],
  ['GET\t/ HTTP/1.1\r\nHost: a\r\n', 'bad_request'],
  ['GET / HTTP/1.1 \r\nHost: a\r\n', 'bad_request'],
  ['GET /\r\nHost: a\r\n', 'bad_request'],
  ['GET / http/1.1\r\nHost: a\r\n', 'bad_request'],
  ['GET / HTTP/1.10\r\nHost: a\r\n', 'bad_request'],
  ['GET / HTTP/2.0\r\nHost: a\r\n', 'http_version_not_supported'],
  ['GET / HTTP/0.9\r\n', 'http_version_not_supported'],
  ['PRI * HTTP/2.0\r\n', 'http_version_not_supported'],
  ['GET / HTTP/1.2\r\nHost: a\r\n', 'accepted'],
  ['GET / HTTP/1.1\nHost: a\r\n', 'bad_request'],
  ['GET / HTTP/1.1\rHost: a\r\n', 'bad_request'],
])('the request line of %j is %s (RFC 9112 §3)', (text, expected) => {
  expect(code(text)).toBe(expected)
})

test.each([
  ['*', 'invalid_target'],
  ['foo', 'invalid_target'],
  ['?a=b', 'invalid_target'],
  ['/a#b', 'invalid_target'],
  ['/\u00e9', 'invalid_target'],
  ['/\u00c0\u00af', 'invalid_target'],
  ['/a\u0000b', 'invalid_target'],
  ['/a\u007fb', 'invalid_target'],
  ['/a\tb', 'invalid_target'],
  ['/a?b\\c|d"<>{}^`', 'accepted'],
  ['//evil/admin', 'accepted'],
  ['example.com:443', 'invalid_target'],
  ['http://a/b?c', 'accepted'],
  ['HTTP://a', 'accepted'],
  ['http://A/', 'accepted'],
  ['http://evil/', 'invalid_host'],
  ['http://a:80/', 'invalid_host'],
  ['http://user@a/', 'invalid_target'],
  ['http:///b', 'invalid_target'],
  ['https://a/', 'invalid_target'],
  ['ftp://a/', 'invalid_target'],
])('S02 S05 the target %j is %s', (target, expected) => {
  expect(code(`GET ${target} HTTP/1.1\r\nHost: a\r\n`)).toBe(expected)
})

test('F15 an absolute-form target gives its own path and query', () => {
  expect(accepted('GET http://a/b?c HTTP/1.1\r\nHost: a\r\n').target).toEqual({
    rawPath: '/b',
    rawQuery: '?c',
    authority: 'a',
  })
  expect(accepted('GET http://a?c HTTP/1.1\r\nHost: a\r\n').target).toMatchObject({
    rawPath: '/',
    rawQuery: '?c',
  })
  expect(accepted('GET http://a HTTP/1.0\r\n').host).toBe('a')
})

test('OPTIONS may ask about the whole server, others may not', () => {
  expect(accepted('OPTIONS * HTTP/1.1\r\nHost: a\r\n').target.rawPath).toBe('*')
  expect(code('POST * HTTP/1.1\r\nHost: a\r\n')).toBe('invalid_target')
})

test.each([
  ['', 'accepted'],
  ['Host: example.com:8080\r\n', 'accepted'],
  ['Host: 127.0.0.1\r\n', 'accepted'],
  ['Host: [::1]:80\r\n', 'accepted'],
  ['Host: under_score.example.\r\n', 'accepted'],
  ['Host:\r\n', 'invalid_host'],
  ['Host: a\r\nHost: a\r\n', 'invalid_host'],
  ['Host: a\r\nhost: b\r\n', 'invalid_host'],
  ['Host: good@evil\r\n', 'invalid_host'],
  ['Host: a/../admin?\r\n', 'invalid_host'],
  ['Host: a, b\r\n', 'invalid_host'],
  ['Host: a,b\r\n', 'invalid_host'],
  ['Host: a b\r\n', 'invalid_host'],
  ['Host: a:\r\n', 'invalid_host'],
  ['Host: :80\r\n', 'invalid_host'],
  ['Host: a:99999\r\n', 'invalid_host'],
  ['Host: a:8x\r\n', 'invalid_host'],
  ['Host: a:80:80\r\n', 'invalid_host'],
  ['Host: [::1\r\n', 'invalid_host'],
  ['Host: [g::1]\r\n', 'invalid_host'],
  ['Host: \u00e9\r\n', 'invalid_host'],
])('S02 S05 in HTTP/1.0 the fields %j are %s', (fields, expected) => {
  expect(code(`GET / HTTP/1.0\r\n${fields}`)).toBe(expected)
})

test('S02 HTTP/1.1 without Host is refused', () => {
  expect(code('GET / HTTP/1.1\r\n')).toBe('invalid_host')
})

test.each([
  [' folded: x', 'invalid_header'],
  ['X: a\r\n b', 'invalid_header'],
  ['X : a', 'invalid_header'],
  [': a', 'invalid_header'],
  ['X', 'invalid_header'],
  ['X\u00e9: a', 'invalid_header'],
  ['X(: a', 'invalid_header'],
  ['X: a\u0000b', 'invalid_header'],
  ['X: a\rb', 'invalid_header'],
  ['X: a\nY: b', 'invalid_header'],
  ['X: a\u0001', 'invalid_header'],
  ['X: a\u007f', 'invalid_header'],
  ['X: a\u00e9', 'accepted'],
  ['X: a\tb', 'accepted'],
  ['X_Y: a', 'accepted'],
])('S01 S20 the field line %j is %s (RFC 9112 §5)', (line, expected) => {
  expect(code(`${GET}${line}\r\n`)).toBe(expected)
})

test.each([
  ['Content-Length: 0', 'accepted'],
  ['Content-Length: 007', 'accepted'],
  ['Content-Length:', 'invalid_framing'],
  ['Content-Length: +1', 'invalid_framing'],
  ['Content-Length: -1', 'invalid_framing'],
  ['Content-Length: 1.0', 'invalid_framing'],
  ['Content-Length: 0x1', 'invalid_framing'],
  ['Content-Length: 1 2', 'invalid_framing'],
  ['Content-Length: 5, 5', 'invalid_framing'],
  ['Content-Length: 5\r\nContent-Length: 5', 'invalid_framing'],
  ['Content-Length: 5\r\nContent-Length: 6', 'invalid_framing'],
  ['Content-Length: 99999999999999999999', 'body_too_large'],
  ['Transfer-Encoding: chunked', 'accepted'],
  ['Transfer-Encoding: Chunked', 'accepted'],
  ['Transfer-Encoding:', 'invalid_framing'],
  ['Transfer-Encoding: identity', 'invalid_framing'],
  ['Transfer-Encoding: xchunked', 'invalid_framing'],
  ['Transfer-Encoding: chunked, identity', 'invalid_framing'],
  ['Transfer-Encoding: chunked, chunked', 'invalid_framing'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 'invalid_framing'],
  ['Transfer-Encoding: , chunked', 'invalid_framing'],
  ['Transfer-Encoding: chunked;a=b', 'invalid_framing'],
  ['Transfer-Encoding: gzip', 'invalid_framing'],
  ['Transfer-Encoding: gzip, chunked', 'transfer_coding_not_supported'],
  ['Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked', 'transfer_coding_not_supported'],
  ['Transfer-Encoding: chunked\r\nContent-Length: 5', 'invalid_framing'],
  ['Content-Length: 5\r\nTransfer-Encoding: chunked', 'invalid_framing'],
  ['Content-Length: 0\r\nTransfer-Encoding: chunked', 'invalid_framing'],
])('S01 the framing %j is %s', (fields, expected) => {
  expect(code(`${POST}${fields}\r\n`)).toBe(expected)
})

test('S01 Transfer-Encoding in HTTP/1.0 is refused', () => {
  expect(code('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n')).toBe('invalid_framing')
})

test('F15 who keeps the connection', () => {
  const keeps = (version: string, connection: string): boolean =>
    accepted(`GET / HTTP/${version}\r\nHost: a\r\n${connection}`).keepAlive
  expect(keeps('1.1', '')).toBe(true)
  expect(keeps('1.1', 'Connection: close\r\n')).toBe(false)
  expect(keeps('1.1', 'Connection: Keep-Alive, Close\r\n')).toBe(false)
  expect(keeps('1.1', 'Connection: upgrade\r\nConnection: close\r\n')).toBe(false)
  expect(keeps('1.0', '')).toBe(false)
  expect(keeps('1.0', 'Connection: keep-alive\r\n')).toBe(true)
  expect(keeps('1.0', 'Connection: Keep-Alive\r\n')).toBe(true)
})

test('F09 only 100-continue is an expectation that we know; HTTP/1.0 cannot have one', () => {
  expect(accepted(`${POST}Expect: 100-Continue\r\n`).expectsContinue).toBe(true)
  expect(code(`${POST}Expect: 200-ok\r\n`)).toBe('expectation_failed')
  expect(accepted('POST / HTTP/1.0\r\nExpect: 100-continue\r\n').expectsContinue).toBe(false)
})

test('F12 S03 the hundredth field is read, the next one is refused', () => {
  const fields = (count: number): string => 'X-Filler: 1\r\n'.repeat(count)
  expect(accepted(GET + fields(99)).fields).toHaveLength(200)
  expect(code(GET + fields(100))).toBe('headers_too_large')
})

test('F12 a target of 8 KiB is read, one byte more is refused', () => {
  const line = (length: number): string => `GET /${'a'.repeat(length - 1)} HTTP/1.1\r\nHost: a\r\n`
  expect(code(line(8192))).toBe('accepted')
  expect(code(line(8193))).toBe('uri_too_long')
})

test('whatever the head, the answer is a head or a documented refusal, and a head has clean fields', () => {
  const token = fc.constantFrom(
    'GET',
    'POST',
    ' ',
    '/',
    '*',
    ':',
    'Host',
    'a',
    'HTTP/1.1',
    '\r\n',
    '\n',
    '\r',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
      const head = parse(`${tokens.join('')}\r\n`)
      if (isRefusal(head)) {
        expect(head.reason).not.toBe('')
        return
      }
      for (const text of head.fields) expect(text).not.toMatch(/[\r\n\0]/)
      expect(head.target.rawPath).toMatch(/^(\/|\*$)/)
    }),
    { numRuns: 2000 },
  )
})
