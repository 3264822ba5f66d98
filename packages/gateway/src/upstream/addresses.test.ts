import { createServer } from 'node:net'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { isAllowedAddress } from './address-policy.ts'
import type { Lookup } from './resolver.ts'
import {
  answer,
  createClient,
  listen,
  noConnections,
  once,
  post,
  rawServer,
  requestOf,
  send,
  start,
  tableLookup,
  targetingOf,
} from './testing/harness.ts'

const named = (host: string, port: number) => ({
  targets: [{ host, port, weight: 1, hostHeader: host }],
})

/** A monotonic clock that the test moves. */
function movableClock(): { now(): number; monotonic(): number; advance(ms: number): void } {
  let nowMs = 1_000
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    advance: (ms) => {
      nowMs += ms
    },
  }
}

test.each([
  '169.254.169.254',
  '169.254.0.0',
  '169.254.255.255',
  '169.254.170.23',
  'fe80::1',
  'fe80::1%eth0',
  'febf:ffff::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
])('S16 %s is a forbidden address', (address) => {
  expect(isAllowedAddress(address)).toBe(false)
})

test.each(['127.0.0.1', '10.0.0.1', '192.168.1.1', '172.16.0.1', '::1', 'fd00::1', '8.8.8.8'])(
  'S16 %s is allowed: upstreams are configured, never chosen by a client',
  (address) => {
    expect(isAllowedAddress(address)).toBe(true)
  },
)

test('S16 every form of 169.254.0.0/16 is forbidden and its neighbours are not', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), (c, d) => {
      const hex = `${((c << 8) | d).toString(16)}`
      expect(isAllowedAddress(`169.254.${c}.${d}`)).toBe(false)
      expect(isAllowedAddress(`::ffff:a9fe:${hex}`)).toBe(false)
      expect(isAllowedAddress(`169.253.${c}.${d}`)).toBe(true)
      expect(isAllowedAddress(`169.255.${c}.${d}`)).toBe(true)
    }),
  )
})

test.each(['169.254.169.254', '[::ffff:a9fe:a9fe]', '2852039166', '0xa9fea9fe', '169.254.43518'])(
  'S16 a target written %s is refused at connect time, by the system’s own reading of it',
  async (host) => {
    const client = createClient()
    const ending = await send(client, targetingOf([], named(host, 80)), post('x'))
    expect(ending.failure).toMatchObject({
      code: 'upstream_forbidden_address',
      requestSent: 'nothing',
    })
  },
)

test('S16 a name that leads to a forbidden address is refused, also when it led elsewhere before', async () => {
  const server = await rawServer((socket) => socket.end(answer('ok', 'Connection: close\r\n')))
  const table = new Map([['rebind.test', ['127.0.0.1']]])
  const clock = movableClock()
  const client = createClient({ dnsTtlMs: 1_000 }, { lookup: tableLookup(table), clock })
  const targeting = targetingOf([], named('rebind.test', server.port))
  expect((await send(client, targeting)).status).toBe(200)
  table.set('rebind.test', ['169.254.169.254'])
  clock.advance(1_001)
  expect((await send(client, targeting)).failure?.code).toBe('upstream_forbidden_address')
})

test('S16 of several addresses only the allowed ones are connected to', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const table = new Map([['mixed.test', ['169.254.169.254', '127.0.0.1']]])
  const client = createClient({}, { lookup: tableLookup(table) })
  const ending = await send(client, targetingOf([], named('mixed.test', server.port)))
  expect(ending.call.tries).toMatchObject([{ address: '127.0.0.1', status: 200 }])
})

test('S16 the rule can be narrowed for a deployment', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const client = createClient({}, { isAllowedAddress: (address) => address !== '127.0.0.1' })
  const ending = await send(client, targetingOf(server.port))
  expect(ending.failure?.code).toBe('upstream_forbidden_address')
})

test('F41 a name that does not exist is Kong’s "name resolution failed", without further tries', async () => {
  const client = createClient({}, { lookup: tableLookup(new Map()) })
  const ending = await send(client, targetingOf([], { ...named('none.test', 80), retries: 5 }))
  expect(ending.failure).toMatchObject({
    code: 'upstream_name_resolution',
    requestSent: 'nothing',
  })
  expect(ending.call.tries).toHaveLength(1)
  expect(client.events).toMatchObject([{ kind: 'resolution-failed', lastGoodUsed: false }])
})

test('F41 another target is tried when the name of the first does not resolve', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const client = createClient({}, { lookup: tableLookup(new Map()) })
  const targets = [
    ...named('none.test', 80).targets,
    { host: '127.0.0.1', port: server.port, weight: 1, hostHeader: 'x' },
  ]
  const ending = await send(client, targetingOf([], { targets, retries: 1 }))
  expect(ending.status).toBe(200)
})

test('F41 a name service that does not answer is given up after the time limit', async () => {
  const lookup: Lookup = () => undefined
  const client = createClient({ dnsTimeoutMs: 80 }, { lookup })
  const startedAt = performance.now()
  const ending = await send(client, targetingOf([], named('slow.test', 80)))
  expect(ending.failure?.code).toBe('upstream_name_resolution')
  expect(performance.now() - startedAt).toBeLessThan(600)
})

test('F41 the last good address serves while resolution fails, and no longer than allowed', async () => {
  const server = await rawServer((socket) => socket.end(answer('ok', 'Connection: close\r\n')))
  const table = new Map([['flaky.test', ['127.0.0.1']]])
  const clock = movableClock()
  const settings = { dnsTtlMs: 1_000, dnsStaleMs: 60_000 }
  const client = createClient(settings, { lookup: tableLookup(table), clock })
  const targeting = targetingOf([], named('flaky.test', server.port))
  expect((await send(client, targeting)).status).toBe(200)
  table.delete('flaky.test')
  clock.advance(60_999)
  expect((await send(client, targeting)).status).toBe(200)
  clock.advance(2)
  expect((await send(client, targeting)).failure?.code).toBe('upstream_name_resolution')
  expect(client.events).toMatchObject([
    { kind: 'resolution-failed', lastGoodUsed: true },
    { kind: 'resolution-failed', lastGoodUsed: false },
  ])
})

test('F41 one look-up under way serves everybody, and a hanging one delays only the first', async () => {
  const server = await rawServer((socket) => socket.end(answer('ok', 'Connection: close\r\n')))
  let hang = false
  const table = tableLookup(new Map([['busy.test', ['127.0.0.1']]]))
  const lookup: Lookup = (host, callback) => {
    if (hang) table.asked++
    else table(host, callback)
  }
  const clock = movableClock()
  const client = createClient({ dnsTtlMs: 1_000, dnsTimeoutMs: 300 }, { lookup, clock })
  const targeting = targetingOf([], named('busy.test', server.port))
  await Promise.all([1, 2, 3].map(() => send(client, targeting)))
  expect(table.asked).toBe(1)
  hang = true
  clock.advance(1_001)
  const startedAt = performance.now()
  expect((await send(client, targeting)).status).toBe(200)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(295)
  const again = performance.now()
  expect((await send(client, targeting)).status).toBe(200)
  expect(performance.now() - again).toBeLessThan(290)
  expect(table.asked).toBe(2)
})

test('F41 after a change every new request goes to the new address; busy connections finish first', async () => {
  const old = await rawServer((socket, head) => {
    if (head.startsWith('GET /slow')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no')
    else socket.write(answer('old'))
  })
  const moved = createServer((socket) => {
    socket.on('data', () => socket.write(answer('new')))
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => moved.listen(old.port, '127.0.0.2', resolve))
  onTestFinished(() => void moved.close())
  const table = new Map([['moving.test', ['127.0.0.1']]])
  const clock = movableClock()
  const client = createClient({ dnsTtlMs: 1_000 }, { lookup: tableLookup(table), clock })
  const targeting = targetingOf([], named('moving.test', old.port))
  const slow = start(client, targeting, requestOf({ path: '/slow' }))
  await slow.until(() => slow.bytes === 1)
  expect((await send(client, targeting)).body).toBe('old')
  expect(client.connections()).toBe(2)

  table.set('moving.test', ['127.0.0.2'])
  clock.advance(1_001)
  // The request that notices the expiry still travels on its connection; the answer retires all of them.
  await send(client, targeting)
  expect(client.events).toEqual([
    { kind: 'addresses-changed', host: 'moving.test', addresses: ['127.0.0.2'], retired: 2 },
  ])
  for (let i = 0; i < 3; i++) expect((await send(client, targeting)).body).toBe('new')
  const [slowSocket] = old.sockets
  slowSocket?.write('ld')
  await slow.until(() => slow.done)
  expect(slow).toMatchObject({ ended: true, text: 'old' })
  if (slowSocket !== undefined && !slowSocket.destroyed) await once(slowSocket, 'close')
  expect(client.connections()).toBe(1)
})

test('F41 an address list in another order is no change, and its addresses share the load', async () => {
  const table = new Map([['many.test', ['127.0.0.1', '127.0.0.2']]])
  const server = createServer((socket) => {
    socket.on('data', () => socket.write(answer(socket.localAddress ?? '')))
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const clock = movableClock()
  const client = createClient({ dnsTtlMs: 1_000 }, { lookup: tableLookup(table), clock })
  const targeting = targetingOf([], named('many.test', port))
  const first = await Promise.all([1, 2, 3, 4].map(() => send(client, targeting)))
  expect(first.map(({ body }) => body).toSorted()).toEqual([
    '127.0.0.1',
    '127.0.0.1',
    '127.0.0.2',
    '127.0.0.2',
  ])
  table.set('many.test', ['127.0.0.2', '127.0.0.1'])
  clock.advance(1_001)
  await send(client, targeting)
  await send(client, targeting)
  expect(client.events).toEqual([])
})

test('an address that refuses is followed by the next one of the name within the same try', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const table = new Map([['half.test', ['127.0.0.9', '127.0.0.1']]])
  const client = createClient({}, { lookup: tableLookup(table) })
  const ending = await send(client, targetingOf([], named('half.test', server.port)))
  expect(ending.call.tries).toMatchObject([{ address: '127.0.0.1', status: 200 }])
})

test('F40 an idle connection is closed after the idle timeout', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const client = createClient({ keepaliveIdleTimeoutMs: 60 })
  await send(client, targetingOf(server.port))
  const [socket] = server.sockets
  expect(socket?.destroyed).toBe(false)
  if (socket !== undefined) await once(socket, 'close')
  await noConnections(client)
})

test('F40 a connection that is too old is not used again', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  const clock = movableClock()
  const client = createClient({ maxAgeMs: 5_000 }, { clock })
  await send(client, targetingOf(server.port))
  clock.advance(4_999)
  await send(client, targetingOf(server.port))
  expect(server.sockets).toHaveLength(1)
  clock.advance(1)
  await send(client, targetingOf(server.port))
  expect(server.sockets).toHaveLength(2)
})

test('F40 an age above 300 s or without limit is lowered to 300 s', async () => {
  const server = await rawServer((socket) => socket.write(answer('ok')))
  for (const maxAgeMs of [0, 9_999_999]) {
    const clock = movableClock()
    const client = createClient({ maxAgeMs }, { clock })
    const { length } = server.sockets
    await send(client, targetingOf(server.port))
    clock.advance(300_000)
    await send(client, targetingOf(server.port))
    expect(server.sockets).toHaveLength(length + 2)
  }
})

test('F40 a server’s keep-alive hint shortens the time a connection stays idle', async () => {
  const server = await rawServer((socket) =>
    socket.write(answer('ok', 'Keep-Alive: timeout=1\r\nConnection: keep-alive\r\n')),
  )
  const client = createClient()
  await send(client, targetingOf(server.port))
  const [socket] = server.sockets
  if (socket !== undefined && !socket.destroyed) await once(socket, 'close')
  expect(socket?.destroyed).toBe(true)
})

test('a name in the hosts file resolves as everywhere else', async () => {
  const server = createServer((socket) => {
    socket.on('data', () => socket.write(answer('local')))
  })
  const port = await listen(server)
  onTestFinished(() => void server.close())
  const ending = await send(createClient(), targetingOf([], named('localhost', port)))
  expect(ending.body).toBe('local')
})
