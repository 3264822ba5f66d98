/** F46–F50 and S40 at the product's default limits; F57 on a file system of its own. Needs root. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startSimulator } from '@pratu/simulator'
import { expect, test } from 'vitest'
import { startHeldStreams } from '../lifecycle/held-streams.ts'
import { ask, chatBody, openStream, startLoad } from '../lifecycle/load.ts'
import { startUploads } from '../lifecycle/start-uploads.ts'
import { createMemoryCgroup } from '../memory-cgroup.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { startPratu } from '../pratu-process.ts'

const PROBE = fileURLToPath(new URL('../lifecycle/lifecycle-probe.ts', import.meta.url))
const MIB = 1024 * 1024

function configuration(chat: string, held: string): string {
  return `_format_version: "3.0"
services:
- name: chat
  url: ${chat}/v1/chat/completions
  routes: [{name: chat, paths: [/chat]}]
- name: held
  url: ${held}/v1/chat/completions
  routes: [{name: held, paths: [/held]}]
- name: answered
  url: http://127.0.0.1:9
  routes:
  - name: answered
    paths: [/answered]
    plugins:
    - name: lifecycle-probe
    - name: request-termination
      config: {status_code: 200, message: fine}
`
}

test('F46 F47 T3 at default limits: 10 s of accepting, 100 streams, killed only after 30 s', async () => {
  const simulator = await startSimulator({ record: false })
  await using provider = await startHeldStreams()
  const pratu = await startPratu({
    configuration: configuration(simulator.url, provider.url),
    environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_PROXY_ACCESS_LOG: 'off' },
  })
  const { proxyPort: port } = pratu
  const streams = Array.from({ length: 100 }, () =>
    openStream({ port, path: '/held', body: chatBody({ stream: true }) }),
  )
  await Promise.all(streams.map(({ begun }) => begun))
  const busy = startLoad({ port, path: '/chat', body: chatBody(), clients: 64, pauseMs: 20 })
  const idle = startLoad({ port, path: '/chat', body: chatBody(), clients: 16, pauseMs: 200 })
  await expect.poll(() => busy.requests, { timeout: 20_000 }).toBeGreaterThan(500)
  pratu.signal('SIGTERM')
  const startedAt = performance.now()
  const killed = setTimeout(() => pratu.signal('SIGKILL'), 30_000)
  await new Promise((resolve) => setTimeout(resolve, 8000))
  const reports = await Promise.all([busy.stop(), idle.stop()])
  expect(reports.flatMap(({ failures }) => failures)).toEqual([])
  expect((await ask({ port, path: '/livez' })).status).toBe(200)
  await new Promise((resolve) => setTimeout(resolve, 4000))
  provider.finish()
  const ended = await Promise.all(streams.map((stream) => stream.ended))
  expect(ended.filter(({ cut, text }) => cut || !text.endsWith('data: [DONE]\n\n'))).toEqual([])
  expect(await pratu.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeGreaterThan(9500)
  clearTimeout(killed)
  await simulator.close()
})

test('F48 T3 at the default deadline of 25 s every stream is told, and the exit is within 1 s', async () => {
  await using provider = await startHeldStreams()
  const pratu = await startPratu({
    configuration: configuration('http://127.0.0.1:9', provider.url),
    environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_PROXY_ACCESS_LOG: 'off' },
  })
  const streams = Array.from({ length: 100 }, () =>
    openStream({ port: pratu.proxyPort, path: '/held', body: chatBody({ stream: true }) }),
  )
  await Promise.all(streams.map(({ begun }) => begun))
  pratu.signal('SIGTERM')
  const startedAt = performance.now()
  expect(await pratu.exited).toEqual({ code: 0, signal: null })
  const elapsedMs = performance.now() - startedAt
  expect(elapsedMs).toBeGreaterThan(24_000)
  expect(elapsedMs).toBeLessThan(26_500)
  const ended = await Promise.all(streams.map((stream) => stream.ended))
  expect(ended.filter(({ text }) => !text.includes('server_shutting_down'))).toEqual([])
})

test('F50 T4 a stuck worker is ended after 5 s: nobody hangs, nobody waits longer than 6 s', async () => {
  const pratu = await startPratu({
    configuration: configuration('http://127.0.0.1:9', 'http://127.0.0.1:9'),
    environment: {
      PRATU_PLUGIN_MODULES: PROBE,
      PRATU_PROXY_ACCESS_LOG: 'off',
      PRATU_WORKERS: '2',
    },
  })
  const { proxyPort: port, adminUrl } = pratu
  const load = startLoad({ port, path: '/answered', clients: 16, pauseMs: 50, timeoutMs: 8000 })
  await expect.poll(() => load.requests).toBeGreaterThan(50)
  const startedAt = performance.now()
  const stuck = ask({ port, path: '/answered', headers: { 'x-harm': 'stick' }, timeoutMs: 8000 })
  await expect(stuck).rejects.toThrow(/socket hang up|ECONNRESET/)
  expect(performance.now() - startedAt).toBeLessThan(7000)
  await pratu.waitForLog(({ msg }) => msg === 'a worker is back')
  const { failures, slowestMs } = await load.stop()
  expect(failures.filter((failure) => failure.includes('hung'))).toEqual([])
  expect(failures.length).toBeLessThanOrEqual(16)
  expect(slowestMs).toBeLessThan(7000)
  expect(sumOf((await scrape(adminUrl)).samples, 'pratu_worker_restarts_total')).toBe(1)
  await pratu.stop()
})

test('F57 an access log on a full disk stops no request, and comes back whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
  try {
    const path = join(folder, 'access.log')
    const pratu = await startPratu({
      configuration: configuration('http://127.0.0.1:9', 'http://127.0.0.1:9'),
      environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_PROXY_ACCESS_LOG: path },
    })
    const { proxyPort: port, adminUrl } = pratu
    const load = startLoad({
      port,
      path: `/answered?padding=${'x'.repeat(6000)}`,
      clients: 8,
      timeoutMs: 5000,
    })
    const dropped = async (): Promise<number> =>
      sumOf((await scrape(adminUrl)).samples, 'pratu_log_dropped_total', { destination: path })
    await expect.poll(dropped, { timeout: 60_000, interval: 250 }).toBeGreaterThan(100)
    expect((await load.stop()).failures).toEqual([])
    execFileSync('mount', ['-o', 'remount,size=64m', folder])
    const marker = 'after-the-disk-had-room'
    await expect
      .poll(
        async () => {
          await ask({ port, path: `/answered?${marker}` })
          return readFileSync(path, 'utf8').includes(marker)
        },
        { timeout: 20_000, interval: 250 },
      )
      .toBe(true)
    await pratu.stop()
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    expect(lines.every((line) => typeof JSON.parse(line) === 'object')).toBe(true)
  } finally {
    execFileSync('umount', [folder])
    rmSync(folder, { recursive: true, force: true })
  }
})

test('F52 under 512 MiB 200 uploads of 10 MiB kill nothing, and small requests are served', async ({
  skip,
}) => {
  await using group = createMemoryCgroup(512 * MIB)
  if (group === undefined) return skip('no control group can be made here')
  const uploads = await startUploads(200, 10 * MIB)
  const pratu = await startPratu({
    configuration: configuration(uploads.upstreamUrl, 'http://127.0.0.1:9'),
    environment: { PRATU_PLUGIN_MODULES: PROBE, PRATU_PROXY_ACCESS_LOG: 'off' },
    wrapper: group.enter,
  })
  try {
    const { proxyPort: port } = pratu
    uploads.begin(port)
    const small = startLoad({ port, path: '/answered', clients: 2, pauseMs: 20 })
    const health: number[] = []
    const stopAt = performance.now() + 30_000
    while (performance.now() < stopAt) {
      const startedAt = performance.now()
      expect((await ask({ port, path: '/health' })).status).toBe(200)
      health.push(performance.now() - startedAt)
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    const served = await small.stop()
    const answers = await uploads.end()
    expect(group.kills()).toBe(0)
    expect(answers['200']).toBeGreaterThan(100)
    expect(served.failures.length).toBeLessThanOrEqual(served.requests / 100)
    const typical = health.toSorted((a, b) => a - b)[Math.floor(health.length / 2)]
    expect(typical).toBeLessThan(500)
    expect((await ask({ port, path: '/answered' })).status).toBe(200)
  } finally {
    await pratu.stop()
  }
})
