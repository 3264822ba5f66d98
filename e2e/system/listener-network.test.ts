/** Packets that get lost: clients and providers in network namespaces of their own, with filters in between. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { chat } from '../gateway.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { createNetworkNamespace } from '../network-namespace.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { PROVIDER_PORT, startProviderIn } from '../simulator-process.ts'

function service(lines: string): string {
  return `_format_version: "3.0"
services:
- name: llm
${lines}
  routes:
  - name: chat
    paths: [/v1/chat/completions]
`
}

async function ask(pratu: PratuProcess): Promise<{ status: number; ms: number; text: string }> {
  const startedAt = performance.now()
  const answer = await fetch(`${pratu.proxyUrl}/v1/chat/completions`, chat())
  const text = await answer.text()
  return { status: answer.status, ms: performance.now() - startedAt, text }
}

async function gauge(pratu: PratuProcess, name: string): Promise<number> {
  return sumOf((await scrape(pratu.adminUrl)).samples, name)
}

describe.concurrent('lost packets', () => {
  test('F16 50 clients that vanish in the middle of their streams are noticed within 60 s', async () => {
    await using network = await createNetworkNamespace()
    const simulator = await startSimulator()
    simulator.setRules([{ fault: 'endless=100kb' }])
    const pratu = await startPratu({
      configuration: service(`  url: ${simulator.url}/v1/chat/completions`),
      environment: { PRATU_PROXY_LISTEN: `${network.hostAddress}:0` },
    })
    const url = `http://${network.hostAddress}:${pratu.proxyPort}/v1/chat/completions`
    const body = JSON.stringify({
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    })
    const [program, ...enter] = network.enter
    const clients = Array.from({ length: 50 }, () =>
      spawn(
        program,
        [
          ...enter,
          'curl',
          '-sN',
          '-o',
          '/dev/null',
          '-H',
          'Content-Type: application/json',
          '-d',
          body,
          url,
        ],
        { stdio: 'ignore' },
      ),
    )
    const gone = clients.map((client) => once(client, 'exit'))
    try {
      const deadline = performance.now() + 15_000
      while (simulator.openStreams < 50 && performance.now() < deadline) await sleep(50)
      expect(await gauge(pratu, 'pratu_requests_in_flight')).toBe(50)
      // Neither their FIN nor their RST arrives.
      await network.run('iptables', '-A', 'OUTPUT', '-j', 'DROP')
      await network.run('iptables', '-A', 'INPUT', '-j', 'DROP')
      for (const client of clients) client.kill('SIGKILL')
      await Promise.all(gone)
      const vanishedAt = performance.now()
      while ((await gauge(pratu, 'pratu_requests_in_flight')) > 0) {
        // 60 s from when the kernel takes no more for it, and a tick.
        expect(performance.now() - vanishedAt).toBeLessThan(66_000)
        await sleep(250)
      }
      while (simulator.openStreams > 0 && performance.now() - vanishedAt < 67_000) await sleep(50)
      expect(simulator.openStreams).toBe(0)
    } finally {
      for (const client of clients) client.kill('SIGKILL')
      await pratu.stop()
      await simulator.close()
    }
  }, 150_000)

  test('F18 a provider that swallows SYN: 504 after connect_timeout for each try, the next target where there is one', async () => {
    await using network = await createNetworkNamespace()
    await network.run('iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', '9001', '-j', 'DROP')
    const simulator = await startSimulator()
    const alone = await startPratu({
      configuration: service(
        `  url: http://${network.address}:9001/v1/chat/completions\n  connect_timeout: 3000\n  retries: 1`,
      ),
    })
    const withOther = await startPratu({
      configuration: `${service(
        '  host: models\n  path: /v1/chat/completions\n  connect_timeout: 3000\n  retries: 1',
      )}upstreams:
- name: models
  targets:
  - target: ${network.address}:9001
  - target: 127.0.0.1:${simulator.port}
`,
    })
    try {
      // One after the other: as in Kong, what is asked meanwhile moves the turn of a retry.
      const failing = ask(alone)
      const first = await ask(withOther)
      const second = await ask(withOther)
      const failed = await failing
      expect(failed.status).toBe(504)
      expect(failed.ms).toBeGreaterThan(5_900)
      expect(failed.ms).toBeLessThan(8_000)
      expect(failed.text).not.toContain(network.address)
      expect([first.status, second.status]).toEqual([200, 200])
      expect(Math.max(first.ms, second.ms)).toBeGreaterThan(2_900)
      expect(Math.max(first.ms, second.ms)).toBeLessThan(5_000)
      expect(simulator.requests).toHaveLength(2)
    } finally {
      await alone.stop()
      await withOther.stop()
      await simulator.close()
    }
  }, 60_000)

  test('F40 an idle connection that a NAT has forgotten is not used again', async () => {
    await using network = await createNetworkNamespace()
    await using _provider = await startProviderIn(network, network.address)
    const pratu = await startPratu({
      configuration: service(
        `  url: http://${network.address}:${PROVIDER_PORT}/v1/chat/completions\n  read_timeout: 5000`,
      ),
    })
    try {
      expect((await ask(pratu)).status).toBe(200)
      expect(await gauge(pratu, 'pratu_upstream_connections_open')).toBe(1)
      // Only what belongs to known connections is dropped: new ones pass, as through a NAT that lost its table.
      const ports = await network.run('ss', '-Htn', 'state', 'established', 'sport', '=', ':9001')
      const [, port] = /:(\d+)\s*$/m.exec(ports.trim()) ?? []
      if (port === undefined) throw new Error(`no connection: ${ports}`)
      for (const chain of ['INPUT', 'OUTPUT']) {
        const direction = chain === 'INPUT' ? '--sport' : '--dport'
        await network.run('iptables', '-A', chain, '-p', 'tcp', direction, port, '-j', 'DROP')
      }
      await sleep(56_500)
      const later = await ask(pratu)
      expect(later.status).toBe(200)
      expect(later.ms).toBeLessThan(1_000)
    } finally {
      await pratu.stop()
    }
  }, 120_000)

  test('F40 one that is used again too early costs that request its read timeout, and is never used a third time', async () => {
    await using network = await createNetworkNamespace()
    await using _provider = await startProviderIn(network, network.address)
    const pratu = await startPratu({
      configuration: service(
        `  url: http://${network.address}:${PROVIDER_PORT}/v1/chat/completions\n  read_timeout: 2000\n  retries: 0`,
      ),
    })
    try {
      expect((await ask(pratu)).status).toBe(200)
      const ports = await network.run('ss', '-Htn', 'state', 'established', 'sport', '=', ':9001')
      const [, port] = /:(\d+)\s*$/m.exec(ports.trim()) ?? []
      if (port === undefined) throw new Error(`no connection: ${ports}`)
      await network.run('iptables', '-A', 'INPUT', '-p', 'tcp', '--sport', port, '-j', 'DROP')
      const lost = await ask(pratu)
      expect(lost.status).toBe(504)
      expect(lost.ms).toBeLessThan(3_500)
      const next = await ask(pratu)
      expect(next.status).toBe(200)
      expect(next.ms).toBeLessThan(1_000)
    } finally {
      await pratu.stop()
    }
  }, 60_000)
})
