import { expect, test } from 'vitest'
import {
  answer,
  createClient,
  noConnections,
  post,
  rawServer,
  requestOf,
  send,
  start,
  targetingOf,
} from './testing/harness.ts'

test('F22 a reset in the middle of a response is a truncated response within 100 ms', async () => {
  const server = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  })
  const client = createClient()
  const delays: number[] = []
  // The quickest of a few: the machine may be busy, the client must not be slow.
  for (let i = 0; i < 3; i++) {
    const sink = start(client, targetingOf(server.port), requestOf())
    await sink.until(() => sink.bytes === 5)
    const resetAt = performance.now()
    server.sockets.at(-1)?.resetAndDestroy()
    await sink.until(() => sink.done)
    delays.push(performance.now() - resetAt)
    expect(sink.failure).toMatchObject({ code: 'upstream_truncated', responseBytes: 5 })
  }
  expect(Math.min(...delays)).toBeLessThan(100)
  await noConnections(client)
})

test('F22 a reset is no clean end even where the end of the connection is the end of the body', async () => {
  const server = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhello')
  })
  const sink = start(createClient(), targetingOf(server.port), requestOf())
  await sink.until(() => sink.bytes === 5)
  server.sockets[0]?.resetAndDestroy()
  await sink.until(() => sink.done)
  expect(sink).toMatchObject({ ended: false, failure: { code: 'upstream_truncated' } })
})

test('a body that ends with the connection is complete when the connection ends cleanly', async () => {
  const server = await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'))
  const ending = await send(createClient(), targetingOf(server.port))
  expect(ending).toMatchObject({ status: 200, body: 'hello', failure: undefined })
})

test('F22 a reset before the head is told as such', async () => {
  const server = await rawServer((socket) => socket.resetAndDestroy())
  const ending = await send(createClient(), targetingOf(server.port), post('x'))
  expect(ending.failure).toMatchObject({
    code: 'upstream_reset',
    requestSent: 'all',
    responseBytes: 0,
  })
})

test.each([
  ['length', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n', '500 bytes'],
  ['chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1f4\r\nabc'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '3\r\nabc\r\n'],
  [
    'closed chunks',
    'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n',
    '3\r\nabc\r\n',
  ],
  ['closed length', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n', 'abc'],
])('F24 a short body (%s) fails as truncated and never ends', async (_kind, head, part) => {
  const server = await rawServer((socket) => socket.end(head + part))
  const client = createClient()
  const ending = await send(client, targetingOf(server.port, { retries: 5 }))
  expect(ending).toMatchObject({ status: 200, failure: { code: 'upstream_truncated' } })
  expect(server.requests).toHaveLength(1)
  await noConnections(client)
})

test('F25 bytes beyond the response are nobody’s answer: the first is right, the connection is not reused', async () => {
  let nonce = 0
  const poison = answer('poison')
  const server = await rawServer((socket) => {
    nonce++
    socket.write(answer(`nonce-${nonce}`) + (nonce === 1 ? poison : ''))
  })
  const client = createClient()
  const first = await send(client, targetingOf(server.port))
  const second = await send(client, targetingOf(server.port))
  expect([first.body, second.body]).toEqual(['nonce-1', 'nonce-2'])
  expect(server.sockets).toHaveLength(2)
})

test('F25 bytes that arrive while a connection is idle cost it its place in the pool', async () => {
  const server = await rawServer((socket) => socket.write(answer('first')))
  const client = createClient()
  await send(client, targetingOf(server.port))
  const [socket] = server.sockets
  const closed = new Promise((resolve) => socket?.once('close', resolve))
  socket?.write(answer('poison'))
  await closed
  expect((await send(client, targetingOf(server.port))).body).toBe('first')
  expect(server.sockets).toHaveLength(2)
})

const FILLER = 'a'.repeat(1_000)

test.each([
  ['a status line of nonsense', 'XTTP/9 hello\r\n\r\n'],
  ['bytes of another protocol', '\x15\x03\x01\x00\x02\x02\x0a'],
  ['a status that is no number', 'HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n'],
  [
    'a 100 KiB header',
    `HTTP/1.1 200 OK\r\n${`x-a: ${FILLER}\r\n`.repeat(100)}Content-Length: 0\r\n\r\n`,
  ],
  ['10,000 headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}Content-Length: 0\r\n\r\n`],
  ['NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n'],
  ['CR in a value', 'HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n'],
  ['a folded value', 'HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
  ['a name with a space', 'HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 0\r\n\r\n'],
  ['a field without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
  ],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  [
    'an upgrade nobody asked for',
    'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  ],
])('F26 %s is a protocol error of which no byte is passed on', async (_what, bytes) => {
  const server = await rawServer((socket) => socket.write(bytes))
  const client = createClient({ maxHeaderBytes: 65_536 })
  const ending = await send(client, targetingOf(server.port), post('x'))
  expect(ending).toMatchObject({
    status: undefined,
    body: '',
    failure: { code: 'upstream_protocol_error' },
  })
  await noConnections(client)
})

test('F26 a chunk size of nonsense ends the response as broken', async () => {
  const server = await rawServer((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n'),
  )
  const ending = await send(createClient(), targetingOf(server.port))
  expect(ending).toMatchObject({ body: 'abc', failure: { code: 'upstream_protocol_error' } })
})

const INTERIM = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'

test('F27 interim responses are swallowed and the final one is passed on', async () => {
  const server = await rawServer((socket) => socket.write(INTERIM.repeat(100) + answer('final')))
  const ending = await send(createClient(), targetingOf(server.port))
  expect(ending).toMatchObject({ status: 200, body: 'final', failure: undefined })
})

test('F27 a flood of interim responses is cut off at 100', async () => {
  const server = await rawServer((socket) => socket.write(INTERIM.repeat(10_000) + answer('final')))
  const ending = await send(createClient(), targetingOf(server.port), post('x'))
  expect(ending).toMatchObject({
    status: undefined,
    failure: { code: 'upstream_protocol_error' },
  })
})

test('S23 no failure text of the catalogue names the upstream; the cause for the log does', async () => {
  const server = await rawServer((socket) => socket.resetAndDestroy())
  const { failure } = await send(createClient(), targetingOf(server.port), post('x'))
  expect(failure?.cause).toBeInstanceOf(Error)
  const { CATALOGUE } = await import('../errors/index.ts')
  const texts = Object.values(CATALOGUE).map(({ message }) => message)
  expect(texts.filter((text) => /\d+\.\d+\.\d+\.\d+|ECONN|\/|:\d/.test(text))).toEqual([])
})
