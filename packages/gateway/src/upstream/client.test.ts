import { createServer, type IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import {
  answer,
  closedPort,
  createClient,
  noConnections,
  fields,
  listen,
  once,
  post,
  rawServer,
  requestOf,
  RecordingSink,
  send,
  start,
  targetingOf,
} from './testing/harness.ts'

test('a request goes out with the fields of the caller in order, one Host and no framing for a bodiless GET', async () => {
  const server = await rawServer((socket) => socket.write(answer('hi')))
  const ending = await send(
    createClient(),
    targetingOf(server.port),
    requestOf({ path: '/a%20b?q=1', headers: ['X-One', '1', 'accept', '*/*', 'X-One', '2'] }),
  )
  expect(ending).toMatchObject({ status: 200, body: 'hi', failure: undefined })
  expect(server.requests).toEqual([
    'GET /a%20b?q=1 HTTP/1.1\r\nhost: api.test\r\nconnection: keep-alive\r\nX-One: 1\r\naccept: */*\r\nX-One: 2',
  ])
})

test('a preserved host replaces the one of the target (kong.md §2.8)', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  await send(createClient(), targetingOf(server.port), requestOf({ host: 'client.example:8443' }))
  expect(server.requests[0]).toContain('host: client.example:8443\r\n')
})

test('S19 framing and connection fields that the caller left in are replaced by our own', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  const headers = fields(
    'Host: evil',
    'Connection: x-request-id, content-length',
    'Keep-Alive: timeout=1',
    'Transfer-Encoding: chunked',
    'Content-Length: 999',
    'Upgrade: h2c',
    'TE: trailers',
    'Trailer: x',
    'Expect: 100-continue',
    'Proxy-Connection: close',
    'Proxy-Authorization: Basic eA==',
    'x-request-id: kept',
  )
  const ending = await send(createClient(), targetingOf(server.port), post('body', { headers }))
  expect(ending.failure).toBeUndefined()
  expect(server.requests).toEqual([
    'POST / HTTP/1.1\r\nhost: api.test\r\nconnection: keep-alive\r\nTE: trailers\r\nx-request-id: kept\r\ncontent-length: 4',
  ])
})

test('S19 hop-by-hop fields of a response are dropped, also those that Connection names', async () => {
  const server = await rawServer((socket) =>
    socket.write(
      answer(
        'x',
        'Connection: X-Internal, keep-alive, content-length\r\nX-Internal: 1\r\nKeep-Alive: timeout=9\r\n' +
          'Proxy-Authenticate: Basic\r\nTE: x\r\nTrailer: x\r\nUpgrade: h2c\r\nX-Kept: Ümlaut\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n',
      ),
    ),
  )
  const { headers } = await send(createClient(), targetingOf(server.port))
  const latin1 = Buffer.from('Ümlaut').toString('latin1')
  expect(headers?.flat).toEqual(
    fields('Content-Length: 1', `X-Kept: ${latin1}`, 'Set-Cookie: a=1', 'set-cookie: b=2'),
  )
})

test('chunked framing and trailers of a response end here', async () => {
  const server = await rawServer((socket) =>
    socket.write(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n',
    ),
  )
  const ending = await send(createClient(), targetingOf(server.port))
  expect(ending).toMatchObject({ status: 200, body: 'abcde', failure: undefined })
  expect(ending.headers?.flat).toEqual([])
})

test('S17 a redirect is passed on as a response and followed nowhere', async () => {
  const server = await rawServer((socket) =>
    socket.write(
      'HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
    ),
  )
  const ending = await send(createClient(), targetingOf(server.port), post('secret'))
  expect(ending).toMatchObject({ status: 307, failure: undefined })
  expect(ending.headers?.get('location')).toBe('http://127.0.0.1:1/')
  expect(server.requests).toHaveLength(1)
})

test.each([
  ['HEAD', '200 OK', 'Content-Length: 10\r\n'],
  ['GET', '204 No Content', ''],
  ['GET', '304 Not Modified', 'Content-Length: 10\r\nETag: "x"\r\n'],
])('the answer %s %s has a head and no body', async (method, status, fields) => {
  const server = await rawServer((socket) => socket.write(`HTTP/1.1 ${status}\r\n${fields}\r\n`))
  const ending = await send(createClient(), targetingOf(server.port), requestOf({ method }))
  expect(ending).toMatchObject({ status: Number(status.slice(0, 3)), body: '', failure: undefined })
})

test('a POST without a body says so', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  await send(createClient(), targetingOf(server.port), requestOf({ method: 'POST' }))
  expect(server.requests[0]).toMatch(/\r\ncontent-length: 0$/)
})

test('a large buffered body arrives whole', async () => {
  let received = 0
  let declared: string | undefined
  const server = createServer((request: IncomingMessage, response) => {
    declared = request.headers['content-length']
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    request.on('end', () => response.end('ok'))
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const body = Buffer.alloc(3_000_001, 'x')
  const ending = await send(createClient(), targetingOf(port), requestOf({ method: 'PUT', body }))
  expect(ending).toMatchObject({ status: 200, body: 'ok' })
  expect({ received, declared }).toEqual({ received: 3_000_001, declared: '3000001' })
})

test('a sink hears nothing before send has returned, neither success nor failure', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  const client = createClient()
  const targetings = [
    targetingOf(server.port),
    targetingOf(await closedPort()),
    targetingOf([]),
    targetingOf(server.port, { key: 'again' }),
  ]
  for (const targeting of targetings) {
    const sink = start(client, targeting, requestOf())
    expect(sink.log).toEqual([])
    await sink.until(() => sink.done)
  }
  const invalid = start(client, targetingOf(server.port), requestOf({ headers: ['bad name', 'x'] }))
  expect(invalid.log).toEqual([])
  await invalid.until(() => invalid.done)
  expect(invalid.failure?.code).toBe('internal')
})

test('a header that cannot be written is our defect: reported, and nothing goes out', async () => {
  const server = await rawServer((socket) => socket.write(answer('')))
  const client = createClient()
  const ending = await send(client, targetingOf(server.port), requestOf({ headers: ['x', 'a\nb'] }))
  expect(ending.failure).toMatchObject({ code: 'internal', requestSent: 'nothing' })
  expect(client.events).toMatchObject([{ kind: 'defect' }])
  expect(server.requests).toEqual([])
})

test('a target list without a usable weight is Kong’s 503 (kong.md §2.8)', async () => {
  const targeting = targetingOf(1)
  const idle = { ...targeting, targets: targeting.targets.map((each) => ({ ...each, weight: 0 })) }
  const client = createClient()
  for (const each of [idle, targetingOf([])]) {
    expect((await send(client, each)).failure?.code).toBe('upstream_no_target')
  }
})

test('CONNECT is refused', async () => {
  const ending = await send(createClient(), targetingOf(1), requestOf({ method: 'CONNECT' }))
  expect(ending.failure?.code).toBe('method_not_allowed')
})

test('an override changes where the connection goes, not the Host that is sent', async () => {
  const server = await rawServer((socket) => socket.write(answer('mock')))
  const client = createClient({
    overrides: new Map([['https://API.holysheep.ai:443/', `http://127.0.0.1:${server.port}`]]),
  })
  const target = { host: 'api.holysheep.ai', port: 443, weight: 1, hostHeader: 'api.holysheep.ai' }
  const ending = await send(client, targetingOf([], { scheme: 'https', targets: [target] }))
  expect(ending).toMatchObject({ status: 200, body: 'mock' })
  expect(server.requests[0]).toContain('host: api.holysheep.ai\r\n')
  expect(client.events).toEqual([
    {
      kind: 'override',
      from: 'https://api.holysheep.ai',
      to: `http://127.0.0.1:${server.port}`,
    },
  ])
})

test('an override that is no pair of origins is refused with the entry in the message', () => {
  for (const [from, to] of [
    ['https://a', 'ftp://b'],
    ['https://a/path', 'http://b'],
    ['a', 'http://b'],
  ] as const) {
    expect(() => createClient({ overrides: new Map([[from, to]]) })).toThrow(`${from}=${to}`)
  }
})

test('idle connections are reused, and no more of them kept than the pool size', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient({ keepalivePoolSize: 2 })
  const targeting = targetingOf(server.port)
  await Promise.all([1, 2, 3, 4].map(() => send(client, targeting)))
  expect(server.sockets).toHaveLength(4)
  const open = () => server.sockets.filter((socket) => !socket.destroyed)
  while (open().length > 2) await Promise.race(open().map((socket) => once(socket, 'close')))
  await Promise.all([1, 2].map(() => send(client, targeting)))
  expect(server.sockets).toHaveLength(4)
  expect(client.connections()).toBe(2)
})

test('a pool size of 0 keeps no connection and says so to the upstream', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient({ keepalivePoolSize: 0 })
  await send(client, targetingOf(server.port))
  await send(client, targetingOf(server.port))
  expect(server.sockets).toHaveLength(2)
  expect(server.requests[0]).toContain('connection: close')
})

test('a connection serves no more requests than keepaliveMaxRequests', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient({ keepaliveMaxRequests: 2 })
  for (let i = 0; i < 5; i++) {
    expect((await send(client, targetingOf(server.port))).status).toBe(200)
  }
  expect(server.sockets).toHaveLength(3)
})

test('services with the same target share connections; preserved hosts over http do too', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient()
  await send(client, targetingOf(server.port, { key: 'a' }))
  await send(client, targetingOf(server.port, { key: 'b' }))
  await send(client, targetingOf(server.port, { key: 'b' }), requestOf({ host: 'other' }))
  expect(server.sockets).toHaveLength(1)
})

test('close waits for calls in flight, refuses new ones and leaves no socket', async () => {
  let release: () => void = () => undefined
  const server = await rawServer((socket) => {
    release = () => socket.write(answer('late'))
  })
  const client = createClient()
  const sink = start(client, targetingOf(server.port), requestOf())
  await sink.until(() => sink.sent === 1)
  while (server.requests.length === 0) await once(server.sockets[0] ?? process, 'data')
  const closed = client.close(2_000)
  const refused = await send(client, targetingOf(server.port))
  expect(refused.failure?.code).toBe('server_shutting_down')
  release()
  await closed
  expect(sink).toMatchObject({ ended: true, text: 'late' })
  await noConnections(client)
})

test('close ends calls that outlast the grace', async () => {
  const server = await rawServer(() => undefined)
  const client = createClient()
  const sink = start(client, targetingOf(server.port), requestOf())
  await sink.until(() => sink.sent === 1)
  await client.close(20)
  expect(sink.failure?.code).toBe('server_shutting_down')
})

test.each(['sending', 'head', 'data', 'end', 'fail'] as const)(
  'a sink that throws in %s harms its own call only, and is reported',
  async (moment) => {
    const server = await rawServer((socket) => socket.write(answer('x')))
    const client = createClient()
    const sink = new RecordingSink()
    const original = sink[moment].bind(sink)
    Object.assign(sink, {
      [moment]: (...values: never[]) => {
        Reflect.apply(original, sink, values)
        throw new TypeError('defect of a plugin')
      },
    })
    const port = moment === 'fail' ? await closedPort() : server.port
    client.send(targetingOf(port), requestOf(), sink)
    await sink.until(() => sink.done)
    const told = moment === 'end' || moment === 'fail' ? moment : 'internal'
    expect(sink.failure?.code ?? 'end').toBe(told === 'fail' ? 'upstream_unreachable' : told)
    expect(client.events).toMatchObject([
      { kind: 'defect', error: { message: 'defect of a plugin' } },
    ])
    expect((await send(client, targetingOf(server.port))).status).toBe(200)
  },
)

test('a call may be started from within another one’s sink', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const client = createClient()
  const inner = new RecordingSink()
  class Nested extends RecordingSink {
    override end(): void {
      client.send(targetingOf(server.port), requestOf(), inner)
      super.end()
    }
  }
  // Two idle connections, so that the inner call would enter the parser of the second one.
  await Promise.all([1, 2].map(() => send(client, targetingOf(server.port))))
  const outer = new Nested()
  client.send(targetingOf(server.port), requestOf(), outer)
  await inner.until(() => inner.done)
  expect([outer.ended, inner.ended]).toEqual([true, true])
})

test('every try is told with target, address, time and outcome', async () => {
  const server = await rawServer((socket) => socket.write(answer('x')))
  const dead = await closedPort()
  const clock = { now: () => 1_234, monotonic: () => performance.now() }
  const client = createClient({}, { clock })
  const { call } = await send(client, targetingOf([dead, server.port], { retries: 1 }))
  expect(call.tries).toEqual([
    {
      host: '127.0.0.1',
      port: dead,
      address: undefined,
      startedAtMs: 1_234,
      status: undefined,
      error: 'upstream_unreachable',
    },
    {
      host: '127.0.0.1',
      port: server.port,
      address: '127.0.0.1',
      startedAtMs: 1_234,
      status: 200,
      error: undefined,
    },
  ])
})

test('the client works against node:http with keep-alive and many calls at once', async () => {
  const server = createServer((request, response) => response.end(request.url))
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const client = createClient()
  const endings = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      send(client, targetingOf(port), requestOf({ path: `/${i}` })),
    ),
  )
  expect(endings.map(({ body }) => body)).toEqual(Array.from({ length: 200 }, (_, i) => `/${i}`))
})
