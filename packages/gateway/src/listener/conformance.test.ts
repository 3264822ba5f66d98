import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startListener, type Started } from './testing/start.ts'

/**
 * RFC 9112's requirements on framing, Host, request target and fields, as probes over a socket. After each, the same
 * connection or a fresh one takes a clean follow-up, and the gateway must have seen exactly one request or none.
 */
let started: Started
beforeAll(async () => {
  started = await startListener()
})
afterAll(() => started.stop())
beforeEach(() => {
  started.seen.length = 0
})

const FOLLOW_UP = 'GET /follow-up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** Sends a probe with the follow-up right behind it, in one segment: what a smuggler does. */
async function probe(
  bytes: string,
): Promise<{ readonly statuses: number[]; readonly closed: boolean }> {
  const client = await started.connect()
  client.send(bytes + FOLLOW_UP)
  await client.serverClosed()
  const statuses = [...client.text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map((match) =>
    Number(match[1]),
  )
  return { statuses, closed: client.ended && !client.reset }
}

async function cleanFollowUp(): Promise<void> {
  const client = await started.connect()
  const response = await client.ask(FOLLOW_UP)
  expect(response.status).toBe(200)
}

const refusedProbes: readonly (readonly [name: string, status: number, bytes: string])[] = [
  ['§2.2 bare LF as line end', 400, 'GET /x HTTP/1.1\nHost: a\n\n'],
  ['§2.2 bare CR in the request line', 400, 'GET /x\r HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§2.2 bare CR in a field', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
  ['§2.2 white space before the first field', 400, 'GET /x HTTP/1.1\r\n Host: a\r\n\r\n'],
  ['§2.2 white space before the request line', 400, ' GET /x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§2.3 a version that is not HTTP', 400, 'GET /x HTP/1.1\r\nHost: a\r\n\r\n'],
  ['§2.3 lower-case version', 400, 'GET /x http/1.1\r\nHost: a\r\n\r\n'],
  ['§2.3 HTTP/2 over a plain connection', 505, 'GET /x HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['§2.3 no version', 400, 'GET /x\r\nHost: a\r\n\r\n'],
  ['§3 two spaces in the request line', 400, 'GET  /x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3 white space in the target', 400, 'GET /x y HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.1 a method that is no token', 400, 'GE(T /x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2 no Host', 400, 'GET /x HTTP/1.1\r\n\r\n'],
  ['§3.2 two Hosts', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  ['§3.2 S02 Host with userinfo', 400, 'GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n'],
  ['§3.2 S02 Host with a path', 400, 'GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['§3.2 S02 Host list', 400, 'GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['§3.2 S02 empty Host', 400, 'GET /x HTTP/1.1\r\nHost:\r\n\r\n'],
  ['§3.2 S02 invalid Host in HTTP/1.0', 400, 'GET /x HTTP/1.0\r\nHost: a b\r\n\r\n'],
  ['§3.2 S02 non-ASCII byte in the target', 400, 'GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2 S02 overlong UTF-8 in the target', 400, 'GET /\u00c0\u00af HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2.1 S02 a target that is no form', 400, 'GET x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2.1 a fragment', 400, 'GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2.2 S05 another authority than Host', 400, 'GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§3.2.2 S05 absolute form without Host', 400, 'GET http://a/x HTTP/1.1\r\n\r\n'],
  ['§3.2.3 S04 CONNECT', 405, 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'],
  ['§3.2.4 S02 asterisk with GET', 400, 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['§5.1 white space before the colon', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n'],
  ['§5.1 no colon', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX\r\n\r\n'],
  ['§5.1 no name', 400, 'GET /x HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
  ['§5.1 a name that is no token', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n'],
  ['§5.2 obs-fold', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n'],
  [
    '§5.2 obs-fold of Transfer-Encoding',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n',
  ],
  ['RFC 9110 §5.5 NUL in a value', 400, 'GET /x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  [
    'RFC 9110 §5.5 control character in a value',
    400,
    'GET /x HTTP/1.1\r\nHost: a\r\nX: a\u0001b\r\n\r\n',
  ],
  [
    '§6.1 CL.TE',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX',
  ],
  [
    '§6.1 TE.CL',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n',
  ],
  [
    '§6.1 TE.TE',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n',
  ],
  [
    '§6.1 hidden TE',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u000bchunked\r\n\r\n0\r\n\r\n',
  ],
  ['§6.1 S02 empty TE', 400, 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n'],
  [
    '§6.1 chunked is not last',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
  ],
  [
    '§6.1 unknown coding',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n',
  ],
  [
    '§6.1 a known coding that we lack',
    501,
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  ],
  ['§6.1 TE in HTTP/1.0', 400, 'POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    '§6.2 Content-Length that is no number',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: a\r\n\r\n',
  ],
  [
    '§6.2 negative Content-Length',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
  ],
  [
    '§6.2 two lengths',
    400,
    'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n',
  ],
  ['§6.2 a list of lengths', 400, 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 1\r\n\r\n'],
]

describe('T13 S01 refused, the connection closed, nothing executed behind it', () => {
  test.each(refusedProbes)('%s → %d', async (_name, status, bytes) => {
    const { statuses, closed } = await probe(bytes)
    expect(statuses).toEqual([status])
    expect(closed).toBe(true)
    expect(started.seen).toHaveLength(0)
    await cleanFollowUp()
    expect(started.seen.map(({ request }) => request.path)).toEqual(['/follow-up'])
  })
})

const brokenBodies: readonly (readonly [name: string, body: string])[] = [
  ['§7.1 a size that is no number', 'z\r\n'],
  ['§7.1 a bare LF after the size', '5\nhello\r\n0\r\n\r\n'],
  ['§7.1 white space after the size', '5 \r\nhello\r\n0\r\n\r\n'],
  ['§7.1 a prefixed size', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['§7.1 a chunk longer than its size', '4\r\nhello\r\n0\r\n\r\n'],
  ['§7.1 a bare LF after the chunk', '5\r\nhello\n0\r\n\r\n'],
  ['§7.1.1 a line end in an extension', '5;x\ny\r\nhello\r\n0\r\n\r\n'],
  ['§7.1.2 a broken trailer', '0\r\nX : y\r\n\r\n'],
]

describe('T13 S01 a broken chunked body gets 400 and ends the connection', () => {
  test.each(brokenBodies)('%s', async (_name, body) => {
    const head = 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    const { statuses, closed } = await probe(head + body)
    expect(statuses).toEqual([400])
    expect(closed).toBe(true)
    expect(started.seen.map(({ request }) => request.path)).toEqual(['/x'])
    await cleanFollowUp()
  })
})

const acceptedProbes: readonly (readonly [name: string, bytes: string, body: string])[] = [
  ['§2.2 an empty line before the request', '\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /x '],
  ['§2.3 a higher minor version', 'GET /x HTTP/1.9\r\nHost: a\r\n\r\n', 'GET /x '],
  ['§3.2.2 absolute form', 'GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n', 'GET /x '],
  ['§5.1 no white space after the colon', 'GET /x HTTP/1.1\r\nHost:a\r\n\r\n', 'GET /x '],
  [
    '§6.3 GET with a body',
    'GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi',
    'GET /x hi',
  ],
  ['§6.3 POST without a length', 'POST /x HTTP/1.1\r\nHost: a\r\n\r\n', 'POST /x '],
  [
    '§7 chunked in any case',
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    'POST /x hi',
  ],
  [
    '§7.1 upper-case hexadecimal',
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n',
    'POST /x 0123456789',
  ],
  [
    '§7.1.1 an unknown extension',
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n',
    'POST /x hi',
  ],
  [
    '§7.1.2 a trailer',
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n',
    'POST /x hi',
  ],
  [
    '§9.6 S04 an upgrade that is not taken up',
    'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    'GET /x ',
  ],
  [
    '§9.6 S04 a WebSocket upgrade',
    'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n',
    'GET /x ',
  ],
]

describe('T13 accepted, and the request behind it is read from the right byte', () => {
  test.each(acceptedProbes)('%s', async (_name, bytes, body) => {
    const client = await started.connect()
    client.send(bytes + FOLLOW_UP)
    const first = await client.response()
    expect(first.status).toBe(200)
    expect(first.body.toString('latin1')).toBe(body)
    const second = await client.response()
    expect(second.body.toString()).toBe('GET /follow-up ')
    await client.serverClosed()
    expect(started.seen).toHaveLength(2)
  })

  test.each(acceptedProbes)('%s, sent byte by byte', async (_name, bytes, body) => {
    const client = await started.connect()
    for (const byte of bytes) client.send(byte)
    const response = await client.response()
    expect(response.body.toString('latin1')).toBe(body)
  })
})

test('T13 OPTIONS * is answered by the gateway itself', async () => {
  const client = await started.connect()
  const response = await client.ask('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(response.status).toBe(200)
  expect(response.headers.get('allow')).toContain('POST')
  expect(started.seen).toHaveLength(0)
})

test('S04 a CONNECT with a request hidden behind it executes nothing, and says what is allowed', async () => {
  const client = await started.connect()
  const response = await client.ask(`CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n${FOLLOW_UP}`)
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toContain('GET')
  expect(response.headers.get('connection')).toBe('close')
  await client.serverClosed()
  expect(client.text).toBe('')
  expect(started.seen).toHaveLength(0)
})

test.each([
  ['/v1/../admin', 400],
  ['/v1/%2e%2e/admin', 400],
  ['/v1/%2E./admin', 400],
  ['/v1\\..\\admin', 400],
  ['/v1%5cadmin', 400],
  ['/v1%2fadmin', 400],
  ['/v1%2Fadmin', 400],
  ['/v1%00', 400],
  ['/v1%', 400],
  ['/v1%zz', 400],
  ['/v1/.', 400],
  ['/%76%31/chat', 200],
  ['/v1/chat..', 200],
  ['/.well-known/x', 200],
])('S06 the path %s gets %d before anything runs', async (path, status) => {
  const client = await started.connect()
  const response = await client.ask(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  expect(response.status).toBe(status)
  expect(started.seen).toHaveLength(status === 200 ? 1 : 0)
})

test('S05 S06 what routing decides on is one canonical path, and the raw one is kept', async () => {
  const client = await started.connect()
  await client.ask('GET //%76%31//chat?a=%2f&b HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(started.seen[0]?.request).toMatchObject({
    path: '/v1/chat',
    rawPath: '//%76%31//chat',
    rawQuery: '?a=%2f&b',
  })
})

test('a refusal carries the request id twice, JSON, no-store, and nothing of the request', async () => {
  const client = await started.connect()
  const response = await client.ask('GET /secret HTTP/1.1\r\nHost: a b\r\n\r\n')
  const id = response.headers.get('x-kong-request-id')
  expect(id).toMatch(/^[0-9a-f]{32}$/)
  expect(response.headers.get('x-request-id')).toBe(id)
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('connection')).toBe('close')
  expect(JSON.parse(response.body.toString())).toMatchObject({ request_id: id })
  expect(response.body.toString()).not.toContain('secret')
  expect(started.refused.at(-1)).toMatchObject({ code: 'invalid_host', phase: 'headers' })
})

test('a refused HEAD request gets no body bytes', async () => {
  const client = await started.connect()
  client.send('HEAD /x HTTP/1.1\r\n\r\n')
  await client.serverClosed()
  expect(client.text.startsWith('HTTP/1.1 400 ')).toBe(true)
  expect(client.text.endsWith('\r\n\r\n')).toBe(true)
  expect(client.text.indexOf('\r\n\r\n')).toBe(client.text.length - 4)
})

test('a TLS handshake on the plain port is refused at its first byte', async () => {
  const client = await started.connect()
  const response = await client.ask('\x16\x03\x01\x02\x00\x01')
  expect(response.status).toBe(400)
})
