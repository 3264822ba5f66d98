import { connect as connectSocket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { answer, startListener, type Started, type TestOptions } from './testing/start.ts'
import type { RawClient } from './testing/raw-client.ts'
import { createListener, readOpenFilesLimit, type RequestListener } from './index.ts'

let started: Started | undefined
afterEach(async () => {
  await started?.stop()
  started = undefined
})

async function start(options: TestOptions = {}, onRequest?: RequestListener): Promise<Started> {
  started = await startListener(options, onRequest)
  return started
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const HEALTH = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'

async function fill(server: Started, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => server.connect()))
  await expect.poll(() => server.listener.connections).toBe(count)
  return clients
}

test('F13 above the cap a request gets 503 and a close, health is answered, and those inside go on', async () => {
  const server = await start({
    limits: { maxConnections: 5, keepAliveTimeoutMs: 10_000, headersTimeoutMs: 5000 },
  })
  const inside = await fill(server, 5)
  const extra = await server.connect()
  const refused = await extra.ask(GET)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(refused.headers.get('connection')).toBe('close')
  const probe = await server.connect()
  const health = await probe.ask(HEALTH)
  expect(health.status).toBe(200)
  expect(health.headers.get('connection')).toBe('close')
  for (const client of inside) expect((await client.ask(GET)).status).toBe(200)
  expect(server.refused).toEqual([
    { code: 'too_many_connections', phase: 'connection', reason: 'above the connection cap' },
  ])
})

test('F13 places above the cap are few, and go to the newest: a flood cannot shut health out', async () => {
  const server = await start({ limits: { maxConnections: 5, headersTimeoutMs: 5000 } })
  await fill(server, 5)
  const flood = await Promise.all(Array.from({ length: 200 }, () => server.connect()))
  await expect.poll(() => server.listener.connections).toBeLessThanOrEqual(69)
  const begun = performance.now()
  const probe = await server.connect()
  expect((await probe.ask(HEALTH)).status).toBe(200)
  expect(performance.now() - begun).toBeLessThan(500)
  await expect
    .poll(() => flood.filter((client) => client.closed || client.ended || client.reset).length)
    .toBeGreaterThanOrEqual(136)
})

test('F13 a free place is used again', async () => {
  const server = await start({ limits: { maxConnections: 1, keepAliveTimeoutMs: 5000 } })
  const first = await server.connect()
  expect((await first.ask(GET)).status).toBe(200)
  const second = await server.connect()
  expect((await second.ask(GET)).status).toBe(503)
  first.destroy()
  second.destroy()
  await expect.poll(() => server.listener.connections).toBe(0)
  const third = await server.connect()
  expect((await third.ask(GET)).status).toBe(200)
})

test('F14 with few files the cap leaves room for upstream sockets', async () => {
  const server = await start({
    openFiles: 64 + 64 + 6,
    limits: { keepAliveTimeoutMs: 5000, headersTimeoutMs: 5000 },
  })
  await fill(server, 3)
  const fourth = await server.connect()
  expect((await fourth.ask(GET)).status).toBe(503)
})

test('F14 the limit of open files is what the system says', () => {
  const limit = readOpenFilesLimit()
  if (process.platform === 'linux') expect(limit).toBeGreaterThan(0)
  else expect(limit).toBeUndefined()
})

test('F46 F47 while draining every answer says close, and new connections are still served', async () => {
  const { connect, listener } = await start({ limits: { keepAliveTimeoutMs: 5000 } })
  const kept = await connect()
  expect((await kept.ask(GET)).headers.get('connection')).toBe('keep-alive')
  listener.drain()
  const last = await kept.ask(GET)
  expect(last.status).toBe(200)
  expect(last.headers.get('connection')).toBe('close')
  await kept.serverClosed()
  expect(kept.reset).toBe(false)
  const fresh = await connect()
  expect((await fresh.ask(GET)).headers.get('connection')).toBe('close')
})

test('close ends idle connections at once, lets a request finish, and refuses new connections', async () => {
  let finish = (): void => undefined
  const { connect, listener, port } = await start(
    { limits: { keepAliveTimeoutMs: 5000, headersTimeoutMs: 5000 } },
    (request, client) => {
      if (request.path === '/slow') finish = () => answer(client, 200, 'finished')
      else answer(client, 200, 'quick')
    },
  )
  const idle = await connect()
  await idle.ask(GET)
  const silent = await connect()
  const busy = await connect()
  busy.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => listener.activeRequests).toBe(1)
  const closed = listener.close(5000)
  await Promise.all([idle.serverClosed(), silent.serverClosed()])
  idle.destroy()
  silent.destroy()
  const refused = connectSocket({ port, host: '127.0.0.1' })
  await new Promise((resolve) => refused.once('error', resolve))
  finish()
  const response = await busy.response()
  expect(response.body.toString()).toBe('finished')
  expect(response.headers.get('connection')).toBe('close')
  busy.finish()
  await closed
  expect(listener.connections).toBe(0)
})

test('close cuts what is left after its grace time', async () => {
  const departures: string[] = []
  const { connect, listener } = await start({}, (_request, client) => {
    client.onDeparture((departure) => departures.push(departure))
  })
  const client = await connect()
  client.send(GET)
  await expect.poll(() => listener.activeRequests).toBe(1)
  const begun = performance.now()
  await listener.close(100)
  expect(performance.now() - begun).toBeGreaterThan(80)
  expect(departures).toEqual(['client_cancelled'])
  expect(listener.activeRequests).toBe(0)
})

test('stopAccepting refuses new connections and keeps serving the old', async () => {
  const { connect, listener, port } = await start()
  const old = await connect()
  await expect.poll(() => listener.connections).toBe(1)
  listener.stopAccepting()
  const refused = connectSocket({ port, host: '127.0.0.1' })
  await new Promise((resolve) => refused.once('error', resolve))
  expect((await old.ask(GET)).status).toBe(200)
})

test('an address that is taken is an error of listen', async () => {
  const { port } = await start()
  const other = createListener(
    {
      limits: (await import('./testing/start.ts')).TEST_LIMITS,
      trustedIps: [],
      realIpHeader: 'X-Real-IP',
      realIpRecursive: false,
      pathMode: 'strict',
      memory: started?.memory ?? fail(),
      healthPaths: new Set(),
      renderRefusal: () => ({ contentType: 'text/plain', body: '' }),
    },
    () => undefined,
  )
  await expect(other.listen({ host: '127.0.0.1', port })).rejects.toThrow('EADDRINUSE')
})

function fail(): never {
  throw new Error('not started')
}

test('S34 forwarding headers count only from trusted peers', async () => {
  const ask = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.1.1\r\n\r\n'
  const trusting = await start({
    trustedIps: ['127.0.0.1', '10.0.0.0/8'],
    realIpHeader: 'X-Forwarded-For',
    realIpRecursive: true,
  })
  await (await trusting.connect()).ask(ask)
  expect(trusting.seen[0]?.request).toMatchObject({
    peerIp: '127.0.0.1',
    peerTrusted: true,
    clientIp: '203.0.113.7',
    port: trusting.port,
  })
  await trusting.stop()
  const wary = await start({
    trustedIps: ['10.0.0.0/8'],
    realIpHeader: 'X-Forwarded-For',
    realIpRecursive: true,
  })
  await (await wary.connect()).ask(ask)
  expect(wary.seen[0]?.request).toMatchObject({ peerTrusted: false, clientIp: '127.0.0.1' })
})
