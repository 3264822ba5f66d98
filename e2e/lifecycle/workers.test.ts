import { writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { scrape, sumOf } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { ask, startLoad, type Answer } from './load.ts'

const PROBE = fileURLToPath(new URL('./lifecycle-probe.ts', import.meta.url))

let pratu: PratuProcess | undefined
afterEach(async () => {
  await pratu?.stop()
  pratu = undefined
})

function configuration(probe = '{}', message = 'first'): string {
  return `_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:9
  routes:
  - name: answered
    paths: [/answered]
    plugins:
    - name: lifecycle-probe
      config: ${probe}
    - name: request-termination
      config: {status_code: 200, message: ${message}}
  - name: limited
    paths: [/limited]
    plugins:
    - name: rate-limiting
      config: {year: 100, policy: local, limit_by: service}
    - name: request-termination
      config: {status_code: 200}
`
}

async function start(environment: Readonly<Record<string, string>> = {}): Promise<PratuProcess> {
  pratu = await startPratu({
    configuration: configuration(),
    environment: { PRATU_WORKERS: '2', PRATU_PLUGIN_MODULES: PROBE, ...environment },
  })
  return pratu
}

interface Status {
  readonly pratu: {
    readonly generation: number
    readonly workers: readonly { readonly generation: number }[]
    readonly last_error: { readonly message: string } | null
  }
}

async function status({ adminPort }: PratuProcess): Promise<Status['pratu']> {
  const { text } = await ask({ port: adminPort, path: '/status' })
  return (JSON.parse(text) as Status).pratu
}

/** Asks on new connections until every worker has answered. */
async function workersSeen(port: number): Promise<ReadonlySet<string>> {
  const seen = new Set<string>()
  for (let i = 0; i < 200 && seen.size < 2; i++) {
    const { headers } = await ask({ port, path: '/answered' })
    seen.add(String(headers['x-worker']))
  }
  return seen
}

test('two workers share one port, and local limits are exact for the whole process', async () => {
  const { proxyPort: port, adminUrl } = await start()
  expect(await workersSeen(port)).toEqual(new Set(['0', '1']))
  const agents = Array.from({ length: 100 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, index) => {
      const agent = agents[index % agents.length]
      return ask({ port, path: '/limited', ...(agent === undefined ? {} : { agent }) })
    }),
  )
  for (const agent of agents) agent.destroy()
  const count = (wanted: number): number => answers.filter(({ status }) => status === wanted).length
  expect([count(200), count(429)]).toEqual([100, 900])
  const { samples } = await scrape(adminUrl)
  const limited = { route: 'limited' }
  expect(sumOf(samples, 'kong_http_requests_total', limited)).toBe(1000)
  expect(sumOf(samples, 'kong_http_requests_total', { ...limited, code: '429' })).toBe(900)
  expect(sumOf(samples, 'pratu_workers')).toBe(2)
})

test('a second gateway on the same port is told so, also with workers', async () => {
  const { proxyPort } = await start()
  const second = startPratu({
    configuration: configuration(),
    environment: {
      PRATU_WORKERS: '2',
      PRATU_PLUGIN_MODULES: PROBE,
      PRATU_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    },
  })
  await expect(second).rejects.toThrow(/pratu did not start: the address is in use/)
})

test('lines of workers reach standard output whole', async () => {
  const { proxyPort: port, ...running } = await start()
  const load = startLoad({
    port,
    path: `/answered?padding=${'x'.repeat(4000)}`,
    clients: 16,
  })
  await expect.poll(() => load.requests).toBeGreaterThan(500)
  const { requests, failures } = await load.stop()
  expect(failures).toEqual([])
  const lines = (): readonly string[] => running.output.filter((line) => line.includes('padding='))
  await expect.poll(() => lines().length, { timeout: 10_000 }).toBe(requests)
  expect(lines().map((line) => JSON.parse(line) as unknown)).toHaveLength(requests)
})

test('a worker that cannot prepare a configuration keeps all on the one before', async () => {
  const running = await start()
  const { proxyPort: port } = running
  writeFileSync(running.configurationPath, configuration('{refuse_in_worker: 1}', 'second'))
  running.signal('SIGHUP')
  const line = await running.waitForLog(({ msg }) => String(msg).includes('was refused'))
  expect(line).toMatchObject({ reason: 'the probe refuses in worker 1' })
  const { generation, workers, last_error: error } = await status(running)
  expect([generation, ...workers.map((worker) => worker.generation)]).toEqual([1, 1, 1])
  expect(error?.message).toBe('the probe refuses in worker 1')
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => ask({ port, path: '/answered' })),
  )
  expect(answers.filter(({ text }) => !text.includes('first'))).toEqual([])

  writeFileSync(running.configurationPath, configuration('{}', 'third'))
  running.signal('SIGHUP')
  await running.waitForLog(
    ({ msg, origin }) => msg === 'configuration applied' && origin !== 'start',
  )
  await expect
    .poll(async () => (await status(running)).workers.map((worker) => worker.generation))
    .toEqual([3, 3])
})

test('S11 a revoked key is refused by all workers within 2 s', async () => {
  const withKey = (key: string): string =>
    `${configuration()}plugins:\n- name: key-auth\nconsumers:\n- username: u\n  keyauth_credentials:\n  - key: ${key}\n`
  const running = await start()
  const { proxyPort: port } = running
  const asking = (apikey: string): Promise<Answer> =>
    ask({ port, path: '/answered', headers: { apikey } })
  writeFileSync(running.configurationPath, withKey('one'))
  await expect.poll(async () => (await asking('wrong')).status, { timeout: 4000 }).toBe(401)
  expect((await asking('one')).status).toBe(200)
  writeFileSync(running.configurationPath, withKey('two'))
  const revokedAt = performance.now()
  await expect.poll(async () => (await asking('one')).status, { timeout: 4000 }).toBe(401)
  expect(performance.now() - revokedAt).toBeLessThan(2000)
  const answers = await Promise.all(Array.from({ length: 40 }, () => asking('one')))
  expect(answers.filter((answer) => answer.status !== 401)).toEqual([])
})

describe('F50 T4 a worker that dies', () => {
  test.each([
    ['throws', 'throw', {}, /harm: thrown in a timer/],
    ['rejects', 'reject', {}, /harm: rejected/],
    ['exhausts its heap', 'exhaust', { PRATU_MEMORY_LIMIT: '512m' }, /memory limit/],
  ])('because it %s is replaced, and nobody hangs', async (_name, harm, environment, told) => {
    const running = await start({ PRATU_PROXY_ACCESS_LOG: 'off', ...environment })
    const { proxyPort: port, adminUrl } = running
    const load = startLoad({ port, path: '/answered', clients: 16, pauseMs: 5, timeoutMs: 6000 })
    await expect.poll(() => load.requests).toBeGreaterThan(200)
    const before = (await scrape(adminUrl)).samples
    const harmed = await ask({
      port,
      path: '/answered',
      headers: { 'x-harm': harm, 'x-hold': '1000' },
    }).then(
      (answer) => String(answer.status),
      (error: unknown) => String(error),
    )
    // F51: the request that did it is told, unless its thread is gone.
    expect(harmed).toMatch(harm === 'exhaust' ? /socket hang up|ECONNRESET/ : /^500$/)
    const back = await running.waitForLog(({ msg }) => msg === 'a worker is back')
    expect(Number(back['seconds'])).toBeLessThan(6)
    expect(running.log.map((line) => JSON.stringify(line)).join('\n')).toMatch(told)
    expect(await workersSeen(port)).toEqual(new Set(['0', '1']))
    const { failures, slowestMs } = await load.stop()
    expect(failures.filter((failure) => failure.includes('hung'))).toEqual([])
    // Only what that worker was answering broke: at most one request of each client.
    expect(failures.filter((failure) => !/hang up|ECONNRESET|EPIPE/.test(failure))).toEqual([])
    expect(failures.length).toBeLessThanOrEqual(16)
    expect(slowestMs).toBeLessThan(6000)
    const { samples } = await scrape(adminUrl)
    expect(sumOf(samples, 'pratu_worker_restarts_total')).toBe(1)
    const counted = (from: typeof samples): number =>
      sumOf(from, 'kong_http_requests_total', { route: 'answered', code: '200' })
    expect(counted(samples)).toBeGreaterThanOrEqual(counted(before))
    await expect
      .poll(async () => sumOf((await scrape(adminUrl)).samples, 'pratu_requests_in_flight'), {
        timeout: 10_000,
      })
      .toBe(0)
  })
})
