/** F41 with a name server of the test's own, which the gateway asks as it asks any other. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { createNetworkNamespace, type NetworkNamespace } from '../network-namespace.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { PROVIDER_PORT, startProviderIn } from '../simulator-process.ts'

type Behaviour = { readonly address: string } | 'nxdomain' | 'servfail' | 'silent'

interface NameServer {
  behaviour: Behaviour
  readonly socket: Socket
}

async function startNameServer(address: string, behaviour: Behaviour): Promise<NameServer> {
  const socket = createSocket('udp4')
  const server: NameServer = { behaviour, socket }
  socket.on('message', (query, peer) => {
    const answer = answerTo(query, server.behaviour)
    if (answer !== undefined) socket.send(answer, peer.port, peer.address)
  })
  socket.bind(53, address)
  await once(socket, 'listening')
  return server
}

/** RFC 1035 §4.1: the query's id and question, and for A one address; other types have no data. */
function answerTo(query: Buffer, behaviour: Behaviour): Buffer | undefined {
  if (behaviour === 'silent') return undefined
  let end = 12
  while (query[end] !== 0) end += (query[end] ?? 0) + 1
  const question = query.subarray(12, end + 5)
  const isA = query.readUInt16BE(end + 1) === 1
  const found = typeof behaviour === 'object' && isA
  const code = behaviour === 'nxdomain' ? 3 : behaviour === 'servfail' ? 2 : 0
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8180 | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(found ? 1 : 0, 6)
  if (!found) return Buffer.concat([header, question])
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4])
  const address = Buffer.from(behaviour.address.split('.').map(Number))
  return Buffer.concat([header, question, record, address])
}

interface Given extends AsyncDisposable {
  readonly network: NetworkNamespace
  readonly names: NameServer
  readonly pratu: PratuProcess
  /** Status, duration, and the seed of the provider that answered. */
  ask(): Promise<{ status: number; ms: number; seed: string | undefined; text: string }>
}

async function given(behaviour: Behaviour): Promise<Given> {
  const network = await createNetworkNamespace()
  const names = await startNameServer(network.hostAddress, behaviour)
  const folder = mkdtempSync(join(tmpdir(), 'pratu-dns-'))
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${network.hostAddress}\n`)
  const pratu = await startPratu({
    configuration: `_format_version: "3.0"
services:
- name: llm
  url: http://provider.example:${PROVIDER_PORT}/v1/chat/completions
  retries: 0
  routes:
  - name: chat
    paths: [/v1/chat/completions]
`,
    wrapper: [
      ...network.enter,
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind "$0" /etc/resolv.conf && exec "$@"',
      resolvConf,
    ],
    environment: { PRATU_PROXY_LISTEN: '0.0.0.0:0' },
  })
  return {
    network,
    names,
    pratu,
    async ask() {
      const startedAt = performance.now()
      const url = `http://${network.address}:${pratu.proxyPort}/v1/chat/completions`
      const answer = await fetch(url, chat())
      const text = await answer.text()
      const seed = /chatcmpl-sim(\d+)x/.exec(text)?.[1]
      return { status: answer.status, ms: performance.now() - startedAt, seed, text }
    },
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      names.socket.close()
      rmSync(folder, { recursive: true })
      await network[Symbol.asyncDispose]()
    },
  }
}

describe.concurrent('F41 the name service', () => {
  test.each([
    ['says NXDOMAIN', 'nxdomain', 3_000],
    ['says SERVFAIL', 'servfail', 3_000],
    ['says nothing', 'silent', 6_500],
  ] as const)(
    '%s: 503 in the time limit, and well again with the first good answer',
    async (_what, behaviour, limitMs) => {
      await using it = await given(behaviour)
      await using _provider = await startProviderIn(it.network, '127.0.0.1')
      const failed = await it.ask()
      expect(failed.status).toBe(503)
      expect(failed.ms).toBeLessThan(limitMs)
      expect(failed.text).not.toContain('provider.example')
      const refused = await it.pratu.waitForLog(
        ({ level }) => level === 'warn' || level === 'error',
      )
      expect(JSON.stringify(refused)).toContain('provider.example')

      it.names.behaviour = { address: '127.0.0.1' }
      const deadline = performance.now() + 15_000
      let again = await it.ask()
      while (again.status !== 200 && performance.now() < deadline) {
        await sleep(200)
        again = await it.ask()
      }
      expect(again.status).toBe(200)
    },
    60_000,
  )

  test('goes silent: the last good address serves on, at once', async () => {
    await using it = await given({ address: '127.0.0.1' })
    await using _provider = await startProviderIn(it.network, '127.0.0.1')
    expect((await it.ask()).status).toBe(200)
    it.names.behaviour = 'silent'
    // The answer is trusted for 10 s.
    await sleep(10_500)
    const results: Awaited<ReturnType<Given['ask']>>[] = []
    for (let i = 0; i < 20; i++) results.push(await it.ask())
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set([200]))
    expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(1_000)
  }, 60_000)

  test('names another address: every request goes there within the 10 s of trust and 5 more', async () => {
    await using it = await given({ address: '127.0.0.1' })
    await using _first = await startProviderIn(it.network, '127.0.0.1', 1)
    await using _second = await startProviderIn(it.network, '127.0.0.2', 2)
    expect((await it.ask()).seed).toBe('1')
    it.names.behaviour = { address: '127.0.0.2' }
    const changedAt = performance.now()
    let last = performance.now()
    for (;;) {
      const { status, seed } = await it.ask()
      expect(status).toBe(200)
      if (seed === '1') last = performance.now()
      if (performance.now() - changedAt > 18_000) break
      await sleep(100)
    }
    expect(last - changedAt).toBeLessThan(15_000)
    expect((await it.ask()).seed).toBe('2')
  }, 60_000)
})
