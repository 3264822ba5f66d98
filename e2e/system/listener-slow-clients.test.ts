/** Clients that are slow on purpose, with the catalogue's own tools and the product's default limits. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { chat } from '../gateway.ts'
import { scrape, sumOf, type Sample } from '../metrics-text.ts'
import { residentBytes } from '../process-facts.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { RawClient } from '../raw-client.ts'
import { runCommand } from '../run-command.ts'
import { startVictim } from '../victim-probe.ts'

const CONNECTIONS = 500
const VICTIM = { apikey: 'key-of-the-victim' }
const LIMIT = 100_000

interface Given extends AsyncDisposable {
  readonly pratu: PratuProcess
  readonly simulator: Simulator
  ask(): Promise<Response>
  metrics(): Promise<readonly Sample[]>
}

async function given(): Promise<Given> {
  const simulator = await startSimulator()
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
  - name: rate-limiting
    config: {hour: ${LIMIT}, policy: local}
consumers:
- username: victim
  keyauth_credentials: [{key: ${VICTIM.apikey}}]
- username: slow
  keyauth_credentials: [{key: slow-key}]
`,
    // In a container as the article's: without a limit V8 lets its garbage grow, which is not what a connection holds.
    environment: { PRATU_PROXY_ACCESS_LOG: '/dev/stdout', PRATU_MEMORY_LIMIT: '512m' },
  })
  const ask = (): Promise<Response> =>
    fetch(`${pratu.proxyUrl}/v1/chat/completions`, chat({}, VICTIM))
  // Code that has never run is slow: that is not what is measured here.
  for (let i = 0; i < 100; i++) await (await ask()).arrayBuffer()
  return {
    pratu,
    simulator,
    ask,
    metrics: async () => (await scrape(pratu.adminUrl)).samples,
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}

/** Runs slowhttptest and returns its table, a row a second. */
async function slowHttpTest(
  ...args: readonly string[]
): Promise<readonly { closed: number; connected: number }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-slow-'))
  try {
    const { code, stdout } = await runCommand(
      // For slow reads it spins, and would take a processor from the tests beside it.
      [
        'nice',
        '-n',
        args.includes('-X') ? '19' : '0',
        'slowhttptest',
        ...args,
        '-g',
        '-o',
        'report',
      ],
      { cwd: folder },
    )
    if (code !== 0) throw new Error(`slowhttptest ended with ${code}: ${stdout}`)
    const [, ...rows] = readFileSync(join(folder, 'report.csv'), 'utf8').trim().split('\n')
    return rows.map((row) => {
      const [, closed = 0, , connected = 0] = row.split(',').map(Number)
      return { closed, connected }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** After how many seconds the tool had opened its last connection: on a busy machine it takes its time. */
function secondsToOpenAll(rows: readonly { closed: number; connected: number }[]): number {
  const opened = rows.map(({ closed, connected }) => closed + connected)
  return opened.indexOf(Math.max(...opened))
}

/**
 * Runs a victim beside the flood, and another one against a gateway that is left alone: what the flood's tools and the
 * rest of the machine cost, both have to bear. Unharmed: nothing failed, and not twice as slow as the other.
 */
async function expectUnharmed<T>(it: Given, flood: () => Promise<T>): Promise<T> {
  await using control = await given()
  const victim = startVictim(() => it.ask())
  const other = startVictim(() => control.ask())
  const result = await flood()
  const [harmed, calm] = await Promise.all([victim.stop(), other.stop()])
  expect(harmed.failures).toEqual([])
  expect(harmed.requests).toBeGreaterThan(50)
  // The second summand is what chance does to the third worst of some 300.
  expect(harmed.medianMs).toBeLessThan(2 * calm.medianMs + 20)
  expect(harmed.p99Ms).toBeLessThan(2 * calm.p99Ms + 250)
  return result
}

describe.concurrent('slow clients', () => {
  test('F01 500 clients that never finish their headers get 408 at 10 s, and the others notice nothing', async () => {
    await using it = await given()
    const url = `${it.pratu.proxyUrl}/v1/chat/completions`
    const flood = expectUnharmed(it, () =>
      slowHttpTest('-H', '-c', `${CONNECTIONS}`, '-r', '200', '-i', '3', '-l', '30', '-u', url),
    )
    const watched = await Promise.all(
      Array.from({ length: 10 }, () => RawClient.open(it.pratu.proxyPort)),
    )
    const openedAt = performance.now()
    for (const client of watched) client.send('POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n')
    const answers = await Promise.all(
      watched.map(async (client) => {
        const answer = await client.response()
        const elapsedMs = performance.now() - openedAt
        await client.serverClosed()
        return { status: answer.status, connection: answer.headers.get('connection'), elapsedMs }
      }),
    )
    for (const { status, connection, elapsedMs } of answers) {
      expect([status, connection]).toEqual([408, 'close'])
      expect(elapsedMs).toBeGreaterThan(9_000)
      expect(elapsedMs).toBeLessThan(11_500)
    }
    const rows = await flood
    // It ends by itself when the last one has been closed: 10 s after it was opened, and a tick.
    expect(rows.length - secondsToOpenAll(rows)).toBeLessThan(13)
    const metrics = await it.metrics()
    expect(sumOf(metrics, 'pratu_client_timeouts_total', { phase: 'headers' })).toBe(
      CONNECTIONS + watched.length,
    )
    expect(sumOf(metrics, 'pratu_exchanges_total', { outcome: 'rejected_request_timeout' })).toBe(0)
  })

  test('F02 500 clients that trickle their bodies get 408 after the grace, hold no slot and little memory', async () => {
    await using it = await given()
    const url = `${it.pratu.proxyUrl}/v1/chat/completions?apikey=slow-key`
    const flood = (): ReturnType<typeof slowHttpTest> =>
      slowHttpTest(
        '-B',
        '-c',
        `${CONNECTIONS}`,
        '-r',
        '200',
        '-s',
        '8192',
        '-i',
        '3',
        '-l',
        '30',
        '-u',
        url,
      )
    const rows = await expectUnharmed(it, flood)
    // 5 s of grace and a tick: far below the 60 s that a body may take.
    expect(rows.length - secondsToOpenAll(rows)).toBeLessThan(8)

    // Once more without the victim, whose garbage would be measured too.
    const before = residentBytes(it.pratu.pid)
    let most = 0
    const watching = setInterval(() => (most = Math.max(most, residentBytes(it.pratu.pid))), 100)
    await flood()
    clearInterval(watching)
    expect(most - before).toBeLessThan(16 * 1024 * CONNECTIONS)

    const metrics = await it.metrics()
    expect(sumOf(metrics, 'pratu_client_timeouts_total', { phase: 'body' })).toBe(2 * CONNECTIONS)
    expect(sumOf(metrics, 'pratu_exchanges_total', { outcome: 'rejected_request_timeout' })).toBe(
      2 * CONNECTIONS,
    )
    const good = await fetch(url, chat())
    expect(good.status).toBe(200)
    // Counted are this one and the tool's own probes, which it completes to see whether the server still answers.
    const completed = it.pratu.log.filter(
      ({ consumer, outcome }) =>
        isNamed(consumer, 'slow') && outcome !== 'rejected_request_timeout',
    )
    expect(completed.length).toBeLessThan(50)
    expect(good.headers.get('x-ratelimit-remaining-hour')).toBe(
      String(LIMIT - 1 - completed.length),
    )
  })

  test('F03 clients that do not read their answers are cut off after 60 s; their upstream was free at once', async () => {
    await using it = await given()
    const count = 5
    const body = JSON.stringify({
      object: 'chat.completion',
      usage: { prompt_tokens: 7, completion_tokens: 1_000_000, total_tokens: 1_000_007 },
      padding: 'x'.repeat(3_500_000),
    })
    it.simulator.clear()
    it.simulator.setRules([{ fault: { status: 200, body, contentType: 'application/json' } }])
    const url = `${it.pratu.proxyUrl}/v1/chat/completions?apikey=slow-key`
    const tool = slowHttpTest(
      '-X',
      '-c',
      `${count}`,
      '-r',
      `${count}`,
      '-w',
      '1',
      '-y',
      '2',
      '-n',
      '1',
      '-z',
      '1',
      '-k',
      '3',
      '-l',
      '63',
      '-u',
      url,
    )
    await it.pratu.waitForLog(({ outcome }) => outcome === 'client_stalled', 90_000)
    await tool
    const stalled = it.pratu.log.filter(({ outcome }) => outcome === 'client_stalled')
    expect(stalled).toHaveLength(count)
    for (const line of stalled) {
      const { latencies } = Stalled.parse(line)
      expect(latencies.request).toBeGreaterThan(59_000)
      expect(latencies.request).toBeLessThan(64_000)
    }
    const taken = it.simulator.requests.map(
      (request) => (request.timeOf('response-end') ?? Infinity) - (request.timeOf('head') ?? 0),
    )
    expect(Math.max(...taken)).toBeLessThan(2_000)
    const metrics = await it.metrics()
    expect(sumOf(metrics, 'pratu_client_timeouts_total', { phase: 'write' })).toBe(count)
    expect(sumOf(metrics, 'pratu_requests_in_flight')).toBe(0)
  }, 120_000)
})

/** A line of the access log: what the provider billed is known in full, although the client took nothing of it. */
const Stalled = z.object({
  response: z.object({ status: z.literal(200) }),
  latencies: z.object({ request: z.number() }),
  ai: z.object({
    usage: z.object({ completion_tokens: z.literal(1_000_000), source: z.literal('provider') }),
  }),
})

function isNamed(consumer: unknown, name: string): boolean {
  return (
    typeof consumer === 'object' &&
    consumer !== null &&
    'username' in consumer &&
    consumer.username === name
  )
}
