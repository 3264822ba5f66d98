/** Floods, early answers and oversize messages on the real program at its default limits. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { cpuSeconds, openFilesLimit, residentBytes } from '../process-facts.ts'
import { startPratu, type PratuProcess, type PratuProcessOptions } from '../pratu-process.ts'
import { RawClient } from '../raw-client.ts'
import { startVictim } from '../victim-probe.ts'

const KEY = { apikey: 'key-of-the-victim' }

interface Given extends AsyncDisposable {
  readonly pratu: PratuProcess
  readonly simulator: Simulator
  ask(body?: object): Promise<Response>
}

async function given(options: PratuProcessOptions = {}): Promise<Given> {
  const simulator = await startSimulator({ tokensPerSecond: 10 })
  const pratu = await startPratu({
    configuration: `_format_version: "3.0"
services:
- name: llm
  url: ${simulator.url}/v1/chat/completions
  routes:
  - name: chat
    paths: [/v1/chat]
    strip_path: false
  plugins:
  - name: key-auth
consumers:
- username: victim
  keyauth_credentials: [{key: ${KEY.apikey}}]
`,
    ...options,
  })
  const ask = (body: object = {}): Promise<Response> =>
    fetch(`${pratu.proxyUrl}/v1/chat/completions`, chat({ ...body }, KEY))
  // Code that has never run is slow and takes memory: that is not what is measured here.
  for (let i = 0; i < 200; i++) await (await ask()).arrayBuffer()
  return {
    pratu,
    simulator,
    ask,
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}

interface Flood extends AsyncDisposable {
  /** Not yet closed by the gateway. */
  readonly open: number
}

/** Connections that say nothing. A closed one stays closed. */
async function openConnections(port: number, count: number): Promise<Flood> {
  const sockets: Socket[] = []
  let open = 0
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(250, count - sockets.length) }, (_, n) => {
      // Source addresses of their own, so that the machine does not run out of ports.
      const localAddress = `127.0.1.${1 + ((sockets.length + n) % 200)}`
      const socket = connect({ port, host: '127.0.0.1', localAddress })
      socket.on('error', () => undefined)
      socket.on('close', () => open--)
      open++
      return socket
    })
    sockets.push(...batch)
    await Promise.all(
      batch.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])),
    )
  }
  return {
    get open() {
      return open
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        sockets.map(async (socket) => {
          if (socket.closed) return
          const closed = once(socket, 'close')
          socket.destroy()
          await closed
        }),
      )
    },
  }
}

async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<number> {
  const startedAt = performance.now()
  while (!(await condition())) {
    if (performance.now() - startedAt > timeoutMs) throw new Error(`not within ${timeoutMs} ms`)
    await sleep(20)
  }
  return performance.now() - startedAt
}

async function timed(ask: () => Promise<Response>): Promise<{ status: number; ms: number }> {
  const startedAt = performance.now()
  const answer = await ask()
  await answer.arrayBuffer()
  return { status: answer.status, ms: performance.now() - startedAt }
}

/** As a kubelet asks: a connection of its own each time. One of a pool would have its place already. */
async function healthOnNewConnection(port: number): Promise<{ status: number; ms: number }> {
  const startedAt = performance.now()
  const client = await RawClient.open(port)
  const { status } = await client.ask(
    'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  client.destroy()
  return { status, ms: performance.now() - startedAt }
}

test('F13 10,000 idle connections: at most 16 KiB each, health within 500 ms, nobody else harmed', async () => {
  await using it = await given()
  // Every connection may need another file for its upstream; a limit of 20,000 files leaves room for 9,936.
  const count = Math.min(10_000, Math.floor((openFilesLimit(it.pratu.pid) - 128) / 2) - 100)
  expect(count).toBeGreaterThan(9_000)
  const open = async (): Promise<number> =>
    sumOf((await scrape(it.pratu.adminUrl)).samples, 'pratu_connections_open')
  const stream = await it.ask({ stream: true })
  const events = stream.text().catch(String)
  // So many once before: what the kernel and the heap keep for the next flood is no cost of a connection.
  {
    await using _first = await openConnections(it.pratu.proxyPort, 1_000)
    await until(async () => (await open()) >= 1_000, 10_000)
  }
  await until(async () => (await open()) < 100, 10_000)
  const before = residentBytes(it.pratu.pid)
  const victim = startVictim(() => it.ask())
  await using flood = await openConnections(it.pratu.proxyPort, count)
  await until(async () => (await open()) >= count, 20_000)
  const held = flood.open
  const after = residentBytes(it.pratu.pid)
  for (let i = 0; i < 10; i++) {
    const { status, ms } = await timed(() => fetch(`${it.pratu.proxyUrl}/health`))
    expect(status).toBe(200)
    expect(ms).toBeLessThan(500)
  }
  expect((await victim.stop()).failures).toEqual([])
  expect((await events).endsWith('data: [DONE]\n\n')).toBe(true)
  expect(held).toBe(count)
  expect((after - before) / count).toBeLessThan(16 * 1024)
}, 120_000)

test('F13 above the cap connections are closed at once, and health is still answered', async () => {
  await using it = await given({ environment: { PRATU_MAX_CONNECTIONS: '500' } })
  const stream = await it.ask({ stream: true })
  const events = stream.text().catch(String)
  await using flood = await openConnections(it.pratu.proxyPort, 1_500)
  // The cap, and a few that are heard out because they might ask for health.
  await until(() => flood.open < 500 + 100, 5_000)
  for (let i = 0; i < 10; i++) {
    const { status, ms } = await healthOnNewConnection(it.pratu.proxyPort)
    expect(status).toBe(200)
    expect(ms).toBeLessThan(500)
  }
  const refused = await RawClient.open(it.pratu.proxyPort)
  expect((await refused.ask('GET /v1/chat HTTP/1.1\r\nHost: a\r\n\r\n')).status).toBe(503)
  expect((await events).endsWith('data: [DONE]\n\n')).toBe(true)
}, 60_000)

test('F14 with 256 files, 400 connections: 503 or closed, no busy loop, well again within a second', async () => {
  await using it = await given({ wrapper: ['prlimit', '--nofile=256:256'] })
  const stream = await it.ask({ stream: true })
  const events = stream.text().catch(String)
  {
    await using _flood = await openConnections(it.pratu.proxyPort, 400)
    const cpuBefore = cpuSeconds(it.pratu.pid)
    await sleep(3_000)
    expect(cpuSeconds(it.pratu.pid) - cpuBefore).toBeLessThan(1)
    const health = await healthOnNewConnection(it.pratu.proxyPort)
    expect(health.status).toBe(200)
    const refused = await RawClient.open(it.pratu.proxyPort)
    expect((await refused.ask('GET /v1/chat HTTP/1.1\r\nHost: a\r\n\r\n')).status).toBe(503)
  }
  await until(async () => {
    try {
      return (await timed(() => it.ask())).status === 200
    } catch {
      return false
    }
  }, 1_000)
  expect((await events).endsWith('data: [DONE]\n\n')).toBe(true)
  expect(it.pratu.log.filter(({ level }) => level === 'fatal')).toEqual([])
}, 60_000)

test('F08 10 GB announced with a bad key: the 401 is read, at most 4 MiB more is taken, closed within 2 s', async () => {
  await using it = await given({
    environment: { PRATU_MAX_BODY_SIZE: '0', PRATU_MAX_AI_BODY_SIZE: '0' },
  })
  const client = await RawClient.open(it.pratu.proxyPort)
  const startedAt = performance.now()
  client.send(
    'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\napikey: wrong\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n',
  )
  const piece = Buffer.alloc(64 * 1024, 'x')
  const push = (): void => {
    while (!client.closed && client.socket.writable && client.socket.write(piece));
  }
  client.socket.on('drain', push)
  push()
  const answer = await client.response()
  expect([answer.status, answer.headers.get('connection')]).toEqual([401, 'close'])
  await until(() => client.closed, 4_000)
  expect(performance.now() - startedAt).toBeLessThan(3_500)
  // 4 MiB, and what the two kernels hold between them.
  expect(client.socket.bytesWritten - client.socket.writableLength).toBeLessThan(20 * 1024 * 1024)
  expect(it.simulator.requests).toHaveLength(200)
})

test.each([
  ['a', 'a body of 50 MiB + 1', 413, 'Content-Length: 52428801\r\n\r\n'],
  ['c', '17 KiB of headers', 431, `X-Long: ${'x'.repeat(17 * 1024)}\r\n\r\n`],
  ['d', '200 fields', 431, `${'X-Many: x\r\n'.repeat(200)}\r\n`],
  [
    'f',
    '64 KiB of chunk extension',
    413,
    `Transfer-Encoding: chunked\r\n\r\n5;${'x'.repeat(64 * 1024)}\r\nhello\r\n`,
  ],
])('F12 (%s) %s is %d and does not reach the provider', async (_case, _what, status, rest) => {
  await using it = await given()
  const client = await RawClient.open(it.pratu.proxyPort)
  client.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\napikey: ${KEY.apikey}\r\n${rest}`)
  expect((await client.response()).status).toBe(status)
  await client.serverClosed()
  expect(it.simulator.requests).toHaveLength(200)
})

test('F12 (b) a chunked body that crosses 50 MiB is 413 on the way, and the connection closes', async () => {
  await using it = await given()
  const client = await RawClient.open(it.pratu.proxyPort)
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\napikey: ${KEY.apikey}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  const chunk = Buffer.concat([
    Buffer.from('100000\r\n'),
    Buffer.alloc(0x100000, 'x'),
    Buffer.from('\r\n'),
  ])
  for (let i = 0; i < 51 && !client.closed; i++) {
    if (!client.socket.write(chunk))
      await Promise.race([once(client.socket, 'drain'), client.serverClosed()])
  }
  expect((await client.response()).status).toBe(413)
  await client.serverClosed()
})

test('F12 (e) a target of 64 KiB is 414', async () => {
  await using it = await given()
  const client = await RawClient.open(it.pratu.proxyPort)
  const answer = await client.ask(`GET /${'x'.repeat(64 * 1024)} HTTP/1.1\r\nHost: a\r\n\r\n`)
  expect(answer.status).toBe(414)
})
