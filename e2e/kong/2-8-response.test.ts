import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { ask, at, givenKong, givenUpstream, type Answered, type GivenUpstream } from './support.ts'

let upstream: GivenUpstream
let given: GivenGateway

const configuration = (more: object = {}) => ({
  services: [{ url: upstream.url, routes: [{ paths: ['/a'] }], ...more }],
})

beforeAll(async () => {
  upstream = await givenUpstream()
  given = await givenKong(configuration())
})
afterAll(async () => {
  await given[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** A proxied answer of an upstream that sends these fields. */
async function answered(
  headers: Readonly<Record<string, string | string[]>>,
  to: GivenGateway = given,
  status = 200,
): Promise<Answered> {
  upstream.respond = (_request, response) => {
    response.writeHead(status, headers).end('ok')
  }
  return ask(to.port, { path: '/a' })
}

describe('kong.md §2.8 response headers', () => {
  test('of a proxied answer: two latencies, Via, the request’s id', async () => {
    const { headers } = await answered({})
    expect(headers.get('x-kong-upstream-latency')).toMatch(/^\d+$/)
    expect(headers.get('x-kong-proxy-latency')).toMatch(/^\d+$/)
    expect(headers.get('via')).toBe('1.1 kong/3.9.1')
    expect(headers.get('x-kong-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(headers.has('x-kong-response-latency')).toBe(false)
    expect(headers.has('x-kong-upstream-status')).toBe(false)
  })

  test('Via is appended to the upstream’s', async () => {
    const { headers } = await answered({ Via: '1.1 cdn' })
    expect(headers.get('via')).toBe('1.1 cdn, 1.1 kong/3.9.1')
  })

  test('Server is the upstream’s, and Kong’s only where there is none', async () => {
    expect((await answered({ Server: 'theirs' })).headers.get('server')).toBe('theirs')
    expect((await answered({})).headers.get('server')).toBe('kong/3.9.1')
  })

  test('of an answer of the gateway’s own: one latency, its Server, the request’s id', async () => {
    const { headers } = await ask(given.port, { path: '/none' })
    expect(headers.get('x-kong-response-latency')).toMatch(/^\d+$/)
    expect(headers.get('server')).toBe('kong/3.9.1')
    expect(headers.get('x-kong-request-id')).toMatch(/^[0-9a-f]{32}$/)
    for (const name of ['via', 'x-kong-upstream-latency', 'x-kong-proxy-latency'])
      expect(headers.has(name)).toBe(false)
  })

  test('KONG_HEADERS adds the upstream’s status, or takes all of them out', async () => {
    await using status = await givenKong(configuration(), {
      KONG_HEADERS: 'x-kong-upstream-status',
    })
    await using none = await givenKong(configuration(), { KONG_HEADERS: 'off' })
    const told = await answered({}, status, 503)
    expect(told.headers.get('x-kong-upstream-status')).toBe('503')
    expect(told.headers.has('via')).toBe(false)
    for (const { headers } of [await answered({}, none), await ask(none.port, { path: '/none' })]) {
      expect([...headers.keys()].filter((name) => /^x-kong|^via$|^server$/.test(name))).toEqual([])
    }
  })

  test('fields of the connection are dropped, with those that Connection names', async () => {
    const { headers } = await answered({
      Connection: 'keep-alive, X-Hop',
      'X-Hop': '1',
      'Keep-Alive': 'timeout=1',
      Trailer: 'X-Late',
      'Proxy-Authenticate': 'Basic',
      Upgrade: 'h2c',
      'X-Kept': 'yes',
    })
    for (const name of ['x-hop', 'trailer', 'upgrade', 'proxy-authenticate'])
      expect(headers.has(name)).toBe(false)
    expect(headers.get('x-kept')).toBe('yes')
  })

  test('Date, Set-Cookie and all others pass as they are', async () => {
    const { head, headers } = await answered({
      Date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      'Set-Cookie': ['a=1', 'b=2'],
    })
    expect(headers.get('date')).toBe('Thu, 01 Jan 1970 00:00:00 GMT')
    expect(head.match(/^Set-Cookie: /gm)).toHaveLength(2)
  })

  test.each([400, 404, 429, 500, 503])('an upstream’s own %i passes untouched', async (status) => {
    const answer = await answered({ 'Content-Type': 'text/x-mine' }, given, status)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('text/x-mine')
    expect(answer.text).toBe('ok')
  })
})

/** An upstream that does to its sockets what it is told. */
async function givenSockets(
  serve: (socket: Socket, connection: number) => void,
): Promise<{ readonly port: number; readonly count: () => number } & AsyncDisposable> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    const connection = ++connections
    socket.once('data', () => serve(socket, connection))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    count: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('kong.md §2.8 retries', () => {
  const to = (port: number, more: object = {}) => ({
    services: [{ host: '127.0.0.1', port, routes: [{ paths: ['/'] }], ...more }],
  })

  test('a connection error is tried again, five times by default', async () => {
    await using sockets = await givenSockets((socket, connection) => {
      if (connection < 6) socket.resetAndDestroy()
      else socket.end(OK)
    })
    await using gateway = await givenKong(to(sockets.port))
    expect((await ask(gateway.port)).status).toBe(200)
    expect(sockets.count()).toBe(6)
  })

  test.each([
    [0, 1],
    [2, 3],
  ])('retries: %i means %i tries in all', async (retries, tries) => {
    await using sockets = await givenSockets((socket) => socket.resetAndDestroy())
    await using gateway = await givenKong(to(sockets.port, { retries }))
    expect((await ask(gateway.port)).status).toBe(502)
    expect(sockets.count()).toBe(tries)
  })

  test.each([
    ['garbage in place of a status line', 'garbage\r\n\r\n'],
    ['an empty answer', ''],
  ])('%s is tried again', async (_name, bytes) => {
    await using sockets = await givenSockets((socket, connection) => {
      socket.end(connection === 1 ? bytes : OK)
    })
    await using gateway = await givenKong(to(sockets.port))
    expect((await ask(gateway.port)).status).toBe(200)
    expect(sockets.count()).toBe(2)
  })

  test('a read timeout before any header is tried again', async () => {
    await using sockets = await givenSockets((socket, connection) => {
      if (connection > 1) socket.end(OK)
    })
    await using gateway = await givenKong(to(sockets.port, { read_timeout: 50 }))
    expect((await ask(gateway.port)).status).toBe(200)
    expect(sockets.count()).toBe(2)
  })

  test.each(['POST', 'PATCH', 'LOCK'])('%s is not, once it was sent', async (method) => {
    await using sockets = await givenSockets((socket) => socket.resetAndDestroy())
    await using gateway = await givenKong(to(sockets.port))
    expect((await ask(gateway.port, { method, body: 'x' })).status).toBe(502)
    expect(sockets.count()).toBe(1)
  })

  test.each(['PUT', 'DELETE', 'OPTIONS'])('%s is, with its body', async (method) => {
    await using sockets = await givenSockets((socket, connection) => {
      if (connection === 1) socket.resetAndDestroy()
      else socket.end(OK)
    })
    await using gateway = await givenKong(to(sockets.port))
    expect((await ask(gateway.port, { method, body: 'x' })).status).toBe(200)
  })

  test('a refused connection is tried elsewhere, POST too: each try asks the balancer', async () => {
    upstream.respond = (_request, response) => response.end('ok')
    await using gone = await givenSockets(() => undefined)
    const { port } = gone
    await gone[Symbol.asyncDispose]()
    await using gateway = await givenKong({
      upstreams: [
        {
          name: 'pool',
          targets: [{ target: `127.0.0.1:${port}` }, { target: `127.0.0.1:${upstream.port}` }],
        },
      ],
      services: [{ host: 'pool', routes: [{ paths: ['/'] }] }],
    })
    for (let i = 0; i < 4; i++)
      expect((await ask(gateway.port, { method: 'POST', body: 'x' })).status).toBe(200)
  })

  test.each([500, 502, 503, 504, 429])(
    'a status of the upstream, %i, is no reason',
    async (status) => {
      const before = upstream.requests.length
      await answered({}, given, status)
      expect(upstream.requests.length - before).toBe(1)
    },
  )

  test('nothing is tried again once a header was seen', async () => {
    await using sockets = await givenSockets((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', () => socket.destroy())
    })
    await using gateway = await givenKong(to(sockets.port))
    await expect(ask(gateway.port)).rejects.toThrow()
    expect(sockets.count()).toBe(1)
  })
})

describe('kong.md §2.8 balancing', () => {
  test('targets take turns by weight', async () => {
    await using other = await givenUpstream()
    upstream.respond = (_request, response) => response.end('ok')
    const before = upstream.requests.length
    await using gateway = await givenKong({
      upstreams: [
        {
          name: 'pool',
          targets: [
            { target: `127.0.0.1:${upstream.port}`, weight: 300 },
            { target: `127.0.0.1:${other.port}`, weight: 100 },
          ],
        },
      ],
      services: [{ host: 'pool', routes: [{ paths: ['/'] }] }],
    })
    for (let i = 0; i < 8; i++) await ask(gateway.port)
    expect([upstream.requests.length - before, other.requests.length]).toEqual([6, 2])
  })
})

describe('kong.md §2.8 statuses and texts', () => {
  async function failing(services: readonly object[], upstreams: readonly object[] = []) {
    await using gateway = await givenKong({ services, upstreams })
    return await ask(gateway.port, { headers: { Accept: '*/*' } })
  }
  const route = { routes: [{ paths: ['/'] }], retries: 0 }
  const messageOf = ({ text }: Answered): unknown => at(JSON.parse(text), 'message')

  test('no usable target: 503', async () => {
    const answer = await failing(
      [{ host: 'pool', ...route }],
      [{ name: 'pool', targets: [{ target: '127.0.0.1:1', weight: 0 }] }],
    )
    expect(answer.status).toBe(503)
    expect(messageOf(answer)).toBe('failure to get a peer from the ring-balancer')
  })

  test('a name without an address: 503', async () => {
    const answer = await failing([{ host: 'no-such-host.invalid', ...route }])
    expect(answer.status).toBe(503)
    expect(messageOf(answer)).toBe('name resolution failed')
  })

  test.each([
    ['refused', undefined],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
    ['garbage', (socket: Socket) => socket.end('garbage\r\n\r\n')],
    ['TLS where there is none', (socket: Socket) => socket.end('not tls')],
  ])('%s: 502', async (name, serve) => {
    await using sockets = await givenSockets(serve ?? (() => undefined))
    const { port } = sockets
    if (serve === undefined) await sockets[Symbol.asyncDispose]()
    const protocol = name.startsWith('TLS') ? 'https' : 'http'
    const answer = await failing([{ host: '127.0.0.1', port, protocol, ...route }])
    expect(answer.status).toBe(502)
    expect(messageOf(answer)).toBe('An invalid response was received from the upstream server')
  })

  test('silence: 504 after read_timeout', async () => {
    await using sockets = await givenSockets(() => undefined)
    const answer = await failing([
      { host: '127.0.0.1', port: sockets.port, read_timeout: 50, ...route },
    ])
    expect(answer.status).toBe(504)
    expect(messageOf(answer)).toBe('The upstream server is timing out')
  })

  test('a body above the limit: 413', async () => {
    await using gateway = await givenKong(configuration(), {
      KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: '4',
    })
    const answer = await ask(gateway.port, {
      method: 'POST',
      path: '/a',
      body: '12345',
      headers: { Accept: '*/*' },
    })
    expect(answer.status).toBe(413)
    expect(messageOf(answer)).toBe('Payload too large')
  })

  test('a target above the limit: 414, a malformed request: 400', async () => {
    const long = await ask(given.port, { path: `/${'a'.repeat(9000)}`, headers: { Accept: '*/*' } })
    expect(long.status).toBe(414)
    expect(long.text).toContain('URI too long')
    const bad = await ask(given.port, { headers: { 'Bad Name': 'x' } })
    expect(bad.status).toBe(400)
    expect(bad.text).toContain('Bad request')
  })
})

describe('kong.md §2.8 bodies of errors', () => {
  const kongError = { path: '/none' }
  const unreachable = { host: '127.0.0.1', port: 1, retries: 0 }
  let failing: GivenGateway

  beforeAll(async () => {
    failing = await givenKong({ services: [{ ...unreachable, routes: [{ paths: ['/nginx'] }] }] })
  })
  afterAll(() => failing[Symbol.asyncDispose]())

  const JSON_TYPE = 'application/json; charset=utf-8'
  const PLAIN = 'text/plain; charset=utf-8'

  test('JSON: over lines, no space after the colon, nothing after the brace', async () => {
    const { text, headers } = await ask(failing.port, kongError)
    const id = headers.get('x-kong-request-id') ?? ''
    expect(headers.get('content-type')).toBe(JSON_TYPE)
    expect(text).toBe(
      `{\n  "message":"no Route matched with those values",\n  "request_id":"${id}"\n}`,
    )
  })

  test('plain text', async () => {
    const asked = { ...kongError, headers: { Accept: 'text/plain' } }
    const { text, headers } = await ask(failing.port, asked)
    expect(headers.get('content-type')).toBe(PLAIN)
    expect(text).toBe(
      `no Route matched with those values\nrequest_id: ${headers.get('x-kong-request-id')}\n`,
    )
  })

  test('HTML', async () => {
    const asked = { ...kongError, headers: { Accept: 'text/html' } }
    const { text, headers } = await ask(failing.port, asked)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(text).toContain('<title>Error</title>')
    expect(text).toContain('<p>no Route matched with those values.</p>')
    expect(text).toContain(`<p>request_id: ${headers.get('x-kong-request-id')}</p>`)
  })

  test('XML', async () => {
    const asked = { ...kongError, headers: { Accept: 'application/xml' } }
    const { text, headers } = await ask(failing.port, asked)
    expect(headers.get('content-type')).toBe('application/xml; charset=utf-8')
    expect(text).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n<error>/)
    expect(text).toContain('<message>no Route matched with those values</message>')
    expect(text).toContain(`<requestid>${headers.get('x-kong-request-id')}</requestid>`)
  })

  test.each([
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['image/png', JSON_TYPE],
    ['text/*', PLAIN],
    ['text/html;q=0.5, text/plain;q=0.9', PLAIN],
    ['text/html;q=0.5, application/json', JSON_TYPE],
    ['application/xml;q=0.8, text/plain;q=0.2', 'application/xml; charset=utf-8'],
  ])('Accept: %s gives %s, by both mechanisms', async (accept, type) => {
    for (const path of ['/none', '/nginx']) {
      const { headers } = await ask(failing.port, { path, headers: { Accept: accept } })
      expect(headers.get('content-type')).toBe(type)
    }
  })

  test('without Accept: Kong’s own errors are JSON whatever the request’s type', async () => {
    const asked = {
      ...kongError,
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: 'x',
    }
    expect((await ask(failing.port, asked)).headers.get('content-type')).toBe(JSON_TYPE)
  })

  test.each([
    [undefined, PLAIN],
    ['application/json', JSON_TYPE],
    ['text/html', 'text/html; charset=utf-8'],
    ['application/x-www-form-urlencoded', JSON_TYPE],
  ])(
    'without Accept: those of nginx follow the request’s Content-Type %s: %s',
    async (type, shown) => {
      const headers: Record<string, string> = type === undefined ? {} : { 'Content-Type': type }
      const answer = await ask(failing.port, { path: '/nginx', method: 'POST', headers, body: 'x' })
      expect(answer.status).toBe(502)
      expect(answer.headers.get('content-type')).toBe(shown)
    },
  )

  test('answers that plugins make of a table are compact JSON without a request id', async () => {
    await using gateway = await givenKong({
      routes: [{ paths: ['/'] }],
      plugins: [{ name: 'request-termination' }],
    })
    expect((await ask(gateway.port)).text).toBe('{"message":"Service unavailable"}')
  })
})
