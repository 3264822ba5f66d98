import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { call } from './api-client.ts'
import { chatBody, RawClient, rawRequest } from './raw-client.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
})
afterEach(() => simulator.clear())
afterAll(() => simulator.close())

test('a request is recorded byte for byte, with its fields in order and case', async () => {
  const client = new RawClient(simulator.port)
  const head =
    'POST /v1/chat/completions?a=%20b HTTP/1.1\r\nHOST: x\r\nX-Twice:  one \r\nx-twice: two\r\nContent-Length: 40\r\n\r\n'
  client.write(`${head}${'é'.repeat(20)}`)
  const request = await simulator.waitForRequest()
  expect(request.rawHead.toString('latin1')).toBe(head)
  expect(request.rawBody).toEqual(Buffer.from('é'.repeat(20)))
  expect(request.bodyBytes).toEqual(request.rawBody)
  expect(request).toMatchObject({
    index: 0,
    method: 'POST',
    target: '/v1/chat/completions?a=%20b',
    path: '/v1/chat/completions',
    query: 'a=%20b',
    version: '1.1',
    complete: true,
    malformed: undefined,
    body: 'é'.repeat(20),
  })
  expect(request.headers).toEqual([
    ['HOST', 'x'],
    ['X-Twice', 'one'],
    ['x-twice', 'two'],
    ['Content-Length', '40'],
  ])
  expect(request.header('X-TWICE')).toBe('one')
  client.close()
})

test('a chunked body is recorded raw and decoded', async () => {
  const client = new RawClient(simulator.port)
  client.write('POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  const framed = '3;ext=1\r\n{"a\r\n4\r\n":1}\r\n0\r\ntrailer: x\r\n\r\n'
  for (const character of framed) client.write(character)
  const request = await simulator.waitForRequest()
  expect(request.rawBody.toString()).toBe(framed)
  expect(request.body).toBe('{"a":1}')
  expect(request.json()).toEqual({ a: 1 })
  client.close()
})

test('events tell when the head, the body and the answer were complete, in order', async () => {
  await call(`${simulator.url}/v1/chat/completions`, { body: chatBody('hi') })
  const [request] = simulator.requests
  const types = request?.events.map((event) => event.type) ?? []
  expect(types.slice(0, 4)).toEqual(['head', 'complete', 'response-start', 'response-end'])
  const times = request?.events.map((event) => event.atMs) ?? []
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect(request?.status).toBe(200)
})

test('F05 a client that resets is seen at once, and the answer is given up', async () => {
  const client = new RawClient(simulator.port)
  client.write(
    rawRequest({
      headers: { 'x-simulator-fault': 'delay=20s' },
      body: chatBody('hi', { stream: true }),
    }),
  )
  const request = await simulator.waitForRequest()
  expect(simulator.openStreams).toBe(1)
  const leftMs = performance.now()
  client.socket.resetAndDestroy()
  const closing = await request.closed
  expect(closing).toMatchObject({ by: 'client', how: 'reset' })
  expect(closing.atMs - leftMs).toBeLessThan(250)
  expect(request.closing).toEqual(closing)
  expect(request.events.map((event) => event.type)).toEqual([
    'head',
    'complete',
    'client-reset',
    'closed',
  ])
  expect(simulator.openStreams).toBe(0)
})

test('F06 a client that closes with FIN in the middle of a stream has gone, too', async () => {
  const client = new RawClient(simulator.port)
  client.write(
    rawRequest({
      headers: { 'x-simulator-fault': 'hang=after-tokens:2' },
      body: chatBody('hi', { stream: true }),
    }),
  )
  await client.until((text) => text.includes('"content":"'))
  const request = await simulator.waitForRequest()
  client.socket.end()
  expect(await request.closed).toMatchObject({ by: 'client', how: 'fin' })
  client.close()
})

test('a server that closes first is recorded as such', async () => {
  for (const [fault, how] of [
    ['close', 'fin'],
    ['reset', 'reset'],
  ] as const) {
    simulator.clear()
    const client = new RawClient(simulator.port)
    client.write(rawRequest({ headers: { 'x-simulator-fault': fault }, body: chatBody('hi') }))
    await client.closed
    client.close()
    const request = await simulator.waitForRequest()
    expect(await request.closed).toMatchObject({ by: 'server', how })
    expect(request.events.map((event) => event.type)).toContain(`server-${how}`)
  }
})

test('requests of one connection share its number and count on', async () => {
  const client = new RawClient(simulator.port)
  client.write(
    rawRequest({ body: chatBody('one') }) +
      rawRequest({ body: chatBody('two') }) +
      rawRequest({ body: chatBody('three') }),
  )
  await client.until((text) => text.split('"finish_reason"').length === 4)
  expect(simulator.requests.map((request) => request.connectionRequests)).toEqual([0, 1, 2])
  expect(new Set(simulator.requests.map((request) => request.connection)).size).toBe(1)
  client.close()
})

test('pipelined requests are answered in order, delays included', async () => {
  const client = new RawClient(simulator.port)
  const slow = { 'x-simulator-fault': 'delay=40ms', 'x-simulator-nonce': 'slow' }
  client.write(
    rawRequest({ headers: slow, body: chatBody('a') }) +
      rawRequest({ headers: { 'x-simulator-nonce': 'fast' }, body: chatBody('b') }),
  )
  await client.until((text) => text.includes('nonce:fast'))
  expect(client.text.indexOf('nonce:slow')).toBeLessThan(client.text.indexOf('nonce:fast'))
  client.close()
})

test('Expect: 100-continue is answered before the body comes', async () => {
  const client = new RawClient(simulator.port)
  const body = chatBody('hi')
  client.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  expect(await client.until((text) => text.endsWith('\r\n\r\n'))).toBe(
    'HTTP/1.1 100 Continue\r\n\r\n',
  )
  client.write(body)
  await client.until((text) => text.includes('finish_reason'))
  client.close()
})

test('HTTP/1.0 gets no chunks: a stream ends with the connection', async () => {
  const client = new RawClient(simulator.port)
  const body = chatBody('tokens:3', { stream: true })
  client.write(
    `POST /v1/chat/completions HTTP/1.0\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  expect(await client.closed).toBe('fin')
  expect(client.text).not.toContain('transfer-encoding')
  expect(client.text.endsWith('data: [DONE]\n\n')).toBe(true)
  client.close()
})

test.each([
  [
    'two Content-Lengths',
    'content-length: 3\r\ncontent-length: 3\r\n',
    /more than one Content-Length/,
  ],
  [
    'both framings',
    'content-length: 3\r\ntransfer-encoding: chunked\r\n',
    /both Content-Length and Transfer-Encoding/,
  ],
  ['an odd Transfer-Encoding', 'transfer-encoding: gzip, chunked\r\n', /not "chunked"/],
  ['a folded line', 'x: a\r\n b\r\n', /without a valid name/],
  ['a bare LF', 'x: a\nb: c\r\n', /control character/],
  ['NUL in a value', 'x: a\0b\r\n', /control character/],
  ['a space before the colon', 'x : a\r\n', /without a valid name/],
  ['a negative length', 'content-length: -1\r\n', /Content-Length is "-1"/],
  ['a second Host', 'host: b\r\n', /2 Host fields/],
])(
  'S01 %s is recorded as malformed, refused with 400, and nothing after it is read',
  async (_name, fields, reason) => {
    const client = new RawClient(simulator.port)
    client.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n${fields}\r\nabc${rawRequest({ body: chatBody('smuggled') })}`,
    )
    expect(await client.closed).toBe('fin')
    expect(client.text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(client.text).toContain('malformed_request')
    expect(simulator.requests).toHaveLength(1)
    expect(simulator.requests[0]?.malformed).toMatch(reason)
    expect(simulator.requests[0]?.rawHead.toString('latin1')).toContain(fields)
    client.close()
  },
)

test('broken chunks and a broken request line are malformed, too', async () => {
  for (const bytes of [
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZ\r\nabc\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n',
    'POST  / HTTP/1.1\r\nhost: a\r\n\r\n',
    'POST / HTTP/2.0\r\nhost: a\r\n\r\n',
    '\x16\x03\x01 hello TLS\r\n\r\n',
  ]) {
    simulator.clear()
    const client = new RawClient(simulator.port)
    client.write(bytes)
    expect(await client.closed).toBe('fin')
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /)
    expect(simulator.requests[0]?.malformed).toBeDefined()
    client.close()
  }
})

test('a body longer than maxBodyBytes is 413', async () => {
  const small = await startSimulator({ maxBodyBytes: 10 })
  const declared = await call(`${small.url}/v1/chat/completions`, { body: 'x'.repeat(11) })
  expect(declared.status).toBe(413)
  const client = new RawClient(small.port)
  client.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\n')
  expect(await client.until((text) => text.includes('"error"'))).toMatch(/^HTTP\/1\.1 413 /)
  client.close()
  await small.close()
})

test('a request whose body never completes is recorded when its connection closes', async () => {
  const client = new RawClient(simulator.port)
  client.write('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf')
  const head = await simulator.waitForRequest(undefined, { until: 'head' })
  expect(head.complete).toBe(false)
  client.socket.end()
  const request = await simulator.waitForRequest((one) => !one.complete)
  expect(request.body).toBe('half')
  expect(request.complete).toBe(false)
  client.close()
})

test('waitForRequest finds what is there, waits for what comes, and tells what came instead', async () => {
  const later = simulator.waitForRequest((request) => request.path === '/v1/models')
  await call(`${simulator.url}/v1/chat/completions`, { body: chatBody('hi') })
  await call(`${simulator.url}/v1/models`)
  expect((await later).index).toBe(1)
  expect((await simulator.waitForRequest()).index).toBe(0)
  await expect(simulator.waitForRequest(() => false, { timeoutMs: 20 })).rejects.toThrow(
    /within 20 ms.*POST \/v1\/chat\/completions, GET \/v1\/models/,
  )
})

test('records are bounded by number; the oldest goes first', async () => {
  const small = await startSimulator({ record: { maxRequests: 3 } })
  for (let i = 0; i < 5; i += 1) await call(`${small.url}/v1/models`)
  expect(small.requests.map((request) => request.index)).toEqual([2, 3, 4])
  await small.close()
})

test('with recording off nothing is kept, and waiting is refused', async () => {
  const blind = await startSimulator({ record: false })
  await call(`${blind.url}/v1/chat/completions`, { body: chatBody('hi') })
  expect(blind.requests).toHaveLength(0)
  await expect(blind.waitForRequest()).rejects.toThrow(/recording is off/)
  await blind.close()
})

test('clear() forgets requests and rules and counts from 0 again', async () => {
  simulator.setRules([{ fault: 'status=500' }])
  expect((await call(`${simulator.url}/v1/models`)).status).toBe(500)
  simulator.clear()
  expect(simulator.requests).toHaveLength(0)
  expect((await call(`${simulator.url}/v1/models`)).status).toBe(200)
  expect(simulator.requests[0]?.index).toBe(0)
})

test('close() cuts open streams and resolves', async () => {
  const own = await startSimulator()
  const client = new RawClient(own.port)
  client.write(
    rawRequest({
      headers: { 'x-simulator-fault': 'hang=after-tokens:1' },
      body: chatBody('hi', { stream: true }),
    }),
  )
  await client.until((text) => text.includes('"content":"'))
  expect([own.openStreams, own.openConnections]).toEqual([1, 1])
  await own.close()
  await client.closed
  expect([own.openStreams, own.openConnections]).toEqual([0, 0])
  client.close()
})

test('a busy port and options without meaning are refused in words', async () => {
  await expect(startSimulator({ port: simulator.port })).rejects.toThrow(/EADDRINUSE/)
  await expect(startSimulator({ latency: 'slow' })).rejects.toThrow(/write article/)
  await expect(startSimulator({ tokensPerSecond: 0 })).rejects.toThrow(/tokensPerSecond/)
  await expect(startSimulator({ port: 70_000 })).rejects.toThrow(/port: 70000/)
  await expect(startSimulator({ rules: [{ fault: 'bogus' }] })).rejects.toThrow(
    /"bogus" is unknown/,
  )
  await expect(startSimulator({ completionTokens: { min: 5, max: 2 } })).rejects.toThrow(
    /completionTokens/,
  )
})
