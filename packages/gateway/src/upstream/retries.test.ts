import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  answer,
  closedPort,
  createClient,
  fields,
  listen,
  post,
  rawServer,
  requestOf,
  send,
  targetingOf,
} from './testing/harness.ts'

const reset = (socket: Socket): void => {
  socket.resetAndDestroy()
}

test('F38 a POST that was read and then reset is not sent again; a GET is, once per retry (kong.md §2.8)', async () => {
  const server = await rawServer(reset)
  const client = createClient()
  const targeting = targetingOf(server.port, { retries: 3 })
  const refused = await send(client, targeting, post('x'))
  expect(refused).toMatchObject({ failure: { code: 'upstream_reset', requestSent: 'all' } })
  expect(server.requests).toHaveLength(1)
  const tried = await send(client, targeting)
  expect(tried.failure?.code).toBe('upstream_reset')
  expect(tried.call.tries).toHaveLength(4)
  expect(server.requests).toHaveLength(5)
})

test.each(['POST', 'PATCH', 'LOCK'])(
  'F38 %s is retried as long as nothing of it was sent (kong.md §2.8)',
  async (method) => {
    const server = await rawServer((socket) => socket.write(answer('ok')))
    const dead = await closedPort()
    const targeting = targetingOf([dead, dead, server.port], { retries: 2 })
    const ending = await send(createClient(), targeting, requestOf({ method }))
    expect(ending).toMatchObject({ status: 200, body: 'ok' })
    expect(ending.call.tries.map(({ error }) => error)).toEqual([
      'upstream_unreachable',
      'upstream_unreachable',
      undefined,
    ])
  },
)

test.each(['PUT', 'DELETE', 'OPTIONS', 'HEAD'])(
  'F38 %s is retried after a reset, with the same body',
  async (method) => {
    const bodies: string[] = []
    const server = await rawServer((socket, head, index) => {
      bodies.push(head)
      if (index === 0) reset(socket)
      else socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    })
    const body = method === 'PUT' ? Buffer.from('again') : undefined
    const targeting = targetingOf(server.port, { retries: 1 })
    const ending = await send(createClient(), targeting, requestOf({ method, body }))
    expect(ending.status).toBe(204)
    expect(bodies).toHaveLength(2)
    expect(bodies[1]).toBe(bodies[0])
  },
)

test('F38 a response header that was seen rules out another try', async () => {
  const server = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', () => reset(socket))
  })
  const ending = await send(createClient(), targetingOf(server.port, { retries: 5 }))
  expect(ending.failure?.code).toBe('upstream_truncated')
  expect(server.requests).toHaveLength(1)
})

test('F38 a status of the upstream is never a reason to try again (kong.md §2.8)', async () => {
  const server = await rawServer((socket) =>
    socket.write('HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n'),
  )
  const ending = await send(createClient(), targetingOf(server.port, { retries: 5 }))
  expect(ending).toMatchObject({ status: 503, failure: undefined })
  expect(server.requests).toHaveLength(1)
})

test('F38 Idempotency-Key and x-stainless-retry-count are the same on every try', async () => {
  const server = await rawServer((socket, _head, index) =>
    index === 0 ? reset(socket) : socket.write(answer('')),
  )
  const headers = fields('Idempotency-Key: k-1', 'x-stainless-retry-count: 0')
  await send(createClient(), targetingOf(server.port, { retries: 1 }), requestOf({ headers }))
  expect(server.requests[1]).toContain('Idempotency-Key: k-1\r\nx-stainless-retry-count: 0')
  expect(server.requests[1]).toBe(server.requests[0])
})

test('every try asks the balancer again, and a retry is reported', async () => {
  const bad = await rawServer(reset)
  const good = await rawServer((socket) => socket.write(answer('good')))
  const client = createClient()
  const targeting = targetingOf([bad.port, good.port], { retries: 1 })
  const endings = [await send(client, targeting), await send(client, targeting)]
  expect(endings.map(({ body }) => body)).toEqual(['good', 'good'])
  expect(client.events).toEqual([
    {
      kind: 'retry',
      service: 'service-1',
      host: '127.0.0.1',
      port: bad.port,
      error: 'upstream_reset',
      stale: false,
    },
    expect.objectContaining({ kind: 'retry', stale: false }),
  ])
})

test('F38 a response byte on a reused connection rules out the transparent retry of a POST', async () => {
  const server = await rawServer((socket, _head, index) => {
    if (index === 0) socket.write(answer('warm'))
    else socket.write('H', () => reset(socket))
  })
  const client = createClient()
  await send(client, targetingOf(server.port))
  const ending = await send(client, targetingOf(server.port), post('x'))
  expect(ending.failure?.code).toBe('upstream_reset')
  expect(server.requests).toHaveLength(2)
})

test('F39 a POST whose reused connection dies before a response byte goes once more over a fresh one', async () => {
  const server = await rawServer((socket, _head, index) =>
    index === 1 ? reset(socket) : socket.write(answer(`answer ${index}`)),
  )
  const client = createClient()
  const targeting = targetingOf(server.port)
  await send(client, targeting)
  const ending = await send(client, targeting, post('payload'))
  expect(ending).toMatchObject({ status: 200, body: 'answer 2', failure: undefined })
  expect(server.sockets).toHaveLength(2)
  expect(ending.call.tries.map(({ error }) => error)).toEqual(['upstream_reset', undefined])
  expect(client.events).toMatchObject([{ kind: 'retry', stale: true, error: 'upstream_reset' }])
})

test('F39 once means once: the fresh connection’s death is told', async () => {
  const server = await rawServer((socket, _head, index) =>
    index === 0 ? socket.write(answer('warm')) : reset(socket),
  )
  const client = createClient()
  await send(client, targetingOf(server.port))
  const ending = await send(client, targetingOf(server.port), post('x'))
  expect(ending.failure?.code).toBe('upstream_reset')
  expect(server.requests).toHaveLength(3)
})

test('F39 the retry does not count against the service’s retries, and asks the same target', async () => {
  const other = await rawServer((socket) => socket.write(answer('other')))
  const server = await rawServer((socket, _head, index) =>
    index === 1 ? reset(socket) : socket.write(answer('same')),
  )
  const client = createClient()
  await send(client, targetingOf(server.port, { key: 'warm' }))
  const targeting = targetingOf([server.port, other.port], { key: 'two' })
  expect((await send(client, targeting, post('x'))).body).toBe('same')
})

test(
  'F39 10,000 requests against a server that closes idle connections just as they are reused: no error',
  { timeout: 60_000 },
  async () => {
    // Half of the time the server closes with the response, so that the client may or may not know yet.
    let requests = 0
    const sockets = new Set<Socket>()
    const server = createServer((request, response) => {
      requests++
      const { socket } = request
      request.resume()
      request.on('end', () => {
        response.end('ok')
        if (requests % 3 === 0) setImmediate(() => socket.resetAndDestroy())
        else if (requests % 3 === 1) setImmediate(() => setImmediate(() => socket.destroy()))
      })
    })
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    const port = await listen(server)
    onTestFinished(() => void server.close())
    const client = createClient({ keepaliveMaxRequests: 1_000_000 })
    const targeting = targetingOf(port)
    const failures: string[] = []
    let left = 10_000
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const { failure, body } = await send(client, targeting, post('{"a":1}'))
        if (failure !== undefined || body !== 'ok') failures.push(failure?.code ?? body)
      }
    }
    await Promise.all(Array.from({ length: 8 }, lane))
    expect(failures).toEqual([])
    const stale = client.events.filter((event) => event.kind === 'retry' && event.stale)
    expect(stale.length).toBeGreaterThan(0)
  },
)
