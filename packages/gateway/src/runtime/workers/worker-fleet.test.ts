import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { parseConfiguration, readNodeSettings } from '../../config/index.ts'
import {
  createMetrics,
  createMetricStorage,
  createSilentLogger,
  type LogSink,
  type Metrics,
} from '../../observe/index.ts'
import { loadPlugins } from '../plugin-modules.ts'
import { regionCount } from './regions.ts'
import { WorkerFleet, type FleetTimings } from './worker-fleet.ts'
import type { WorkerThread } from './worker-thread.ts'

const FACTS = {
  hostname: 'test',
  cpus: 2,
  memoryLimitBytes: undefined,
  namespace: undefined,
  readText: (path: string): string => {
    throw new Error(`no file ${path} in tests`)
  },
}

const SHORT: FleetTimings = {
  stuckMs: 400,
  startMs: 30_000,
  checkMs: 50,
  firstRestartMs: 10,
  lastRestartMs: 200,
  stableMs: 60_000,
  answerMs: 30_000,
}

interface Given {
  readonly fleet: WorkerFleet
  readonly port: number
  readonly metrics: Metrics
  /** Makes `message` the answer, or uses another configuration. */
  load(generation: number, message: string, configuration?: string): Promise<void>
}

let given: Given | undefined
afterEach(async () => {
  await given?.fleet.close(0)
  given = undefined
})

const PROBE = fileURLToPath(
  new URL('../../../../../e2e/lifecycle/lifecycle-probe.ts', import.meta.url),
)

async function start(timings: Partial<FleetTimings> = {}): Promise<Given> {
  const { settings } = readNodeSettings(
    {},
    {
      PRATU_PROXY_LISTEN: '127.0.0.1:0',
      PRATU_WORKERS: '2',
      PRATU_PROXY_ACCESS_LOG: 'off',
      PRATU_PLUGIN_MODULES: PROBE,
    },
    FACTS,
  )
  const storage = createMetricStorage({ regions: regionCount(2), cellsPerRegion: 16_384 })
  const metrics = createMetrics({ storage })
  const sink: LogSink = {
    terminal: false,
    write: () => undefined,
    flush: () => Promise.resolve(),
    flushSync: () => undefined,
    close: () => undefined,
  }
  const fleet = new WorkerFleet({
    settings,
    secrets: { redisUrl: undefined, redactKey: '' },
    metrics,
    storage,
    logger: createSilentLogger(),
    sinks: new Map([[settings.errorLog, sink]]),
    timings: { ...SHORT, ...timings },
  })
  const plugins = await loadPlugins([PROBE])
  const load: Given['load'] = async (generation, message, configuration) => {
    const text = configuration ?? answering(message)
    const parsed = parseConfiguration([{ name: 'test.yml', text }], {
      plugins,
      enabledPlugins: 'bundled',
      environment: {},
    })
    if (!parsed.ok) throw new Error(parsed.problems[0]?.message)
    const { portions } = parsed.pack()
    await fleet.prepare({ generation, entities: parsed.entities, portions: () => portions })
    fleet.commit(generation)
  }
  const [address] = await fleet.listen()
  given = { fleet, port: address?.port ?? 0, metrics, load }
  await load(1, 'one')
  return given
}

function answering(message: string): string {
  return `_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:9
  routes:
  - name: r
    paths: [/]
    plugins:
    - name: lifecycle-probe
    - name: request-termination
      config: {status_code: 200, message: ${message}}
`
}

/** Two at once of those that reach the provider; all else is answered. */
function limitedAt(address: string | AddressInfo | null): string {
  const port = typeof address === 'object' ? address?.port : undefined
  return `${answering('limited')}- name: slow
  url: http://127.0.0.1:${port ?? 0}
  retries: 0
  routes:
  - name: slow
    paths: [/]
    headers: {x-slow: ['yes']}
    plugins:
    - name: ai-limits
      config: {limits: [{name: slots, quantity: concurrent_requests, limit: 2, by: everything}]}
`
}

const SLOW = { 'x-slow': 'yes' }

function ask(port: number, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, headers, agent: false, timeout: 6000 },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => resolve(text))
      },
    )
    sent.on('timeout', () => sent.destroy(new Error('hung')))
    sent.on('error', reject)
    sent.end()
  })
}

function firstThread({ fleet }: Given): WorkerThread {
  const [first] = fleet.threads()
  if (first === undefined) throw new Error('there is no worker')
  return first
}

async function expectBothServing({ fleet, port }: Given, generation: number): Promise<void> {
  await expect
    .poll(() => fleet.workers().map((worker) => worker.generation), { timeout: 10_000 })
    .toEqual([generation, generation])
  expect(await ask(port)).toContain('message')
}

describe('F50 T4', () => {
  test('a thread that is terminated is replaced; nobody hangs, and its counts stay', async () => {
    const started = await start()
    const { port, metrics } = started
    for (let i = 0; i < 20; i++) await ask(port)
    const count = (): number => metrics.total('kong_http_requests_total', LABELS)
    // An exchange settles when its last byte has left, which the client may see first.
    await expect.poll(count).toBe(20)
    const thread = firstThread(started)
    await thread.end()
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => ask(port)))
    expect(answers.map(String).join()).not.toContain('hung')
    await expectBothServing(started, 1)
    expect(started.fleet.threads()).not.toContain(thread)
    expect(count()).toBeGreaterThanOrEqual(20)
    expect(metrics.total('pratu_worker_restarts_total')).toBe(1)
  })

  test('F70 what a thread held at once when it died is free for the others', async () => {
    const started = await start()
    const { port, fleet } = started
    let calls = 0
    // It answers nobody.
    const provider = createServer(() => (calls += 1)).listen(0, '127.0.0.1')
    try {
      await once(provider, 'listening')
      await started.load(2, '', limitedAt(provider.address()))
      await expectBothServing(started, 2)
      const held = [ask(port, SLOW), ask(port, SLOW)].map((call) => call.catch(String))
      await expect.poll(() => calls, { timeout: 5000 }).toBe(2)
      expect(await ask(port, SLOW)).toContain('at the same time')
      await Promise.all(fleet.threads().map((thread) => thread.end()))
      expect((await Promise.all(held)).join()).not.toContain('hung')
      await expectBothServing(started, 2)
      const next = ask(port, SLOW).catch(String)
      await expect.poll(() => calls, { timeout: 5000 }).toBe(3)
      provider.closeAllConnections()
      expect(await next).not.toContain('at the same time')
    } finally {
      provider.closeAllConnections()
      provider.close()
    }
  })

  test('a thread whose event loop is stuck is ended and replaced', async () => {
    const started = await start()
    const { port } = started
    const startedAt = performance.now()
    const stuck = ask(port, { 'x-harm': 'stick' }).catch(String)
    expect(await stuck).toMatch(/socket hang up|ECONNRESET/)
    expect(performance.now() - startedAt).toBeLessThan(6000)
    await expect.poll(() => started.metrics.total('pratu_worker_restarts_total')).toBe(1)
    await expectBothServing(started, 1)
  })

  test('a replacement gets the configuration that was committed while it started', async () => {
    const started = await start()
    const thread = firstThread(started)
    await thread.end()
    await started.load(2, 'two')
    await started.load(3, 'three')
    await expectBothServing(started, 3)
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(started.port)))
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toContain('three')
  })

  test('a thread that keeps dying is started with growing pauses', async () => {
    const started = await start({ firstRestartMs: 20, lastRestartMs: 80 })
    const starts: number[] = []
    for (let death = 0; death < 4; death++) {
      const thread = firstThread(started)
      const endedAt = performance.now()
      await thread.end()
      await expect
        .poll(() => started.fleet.threads()[0] !== thread && started.fleet.threads().length === 2, {
          interval: 2,
          timeout: 5000,
        })
        .toBe(true)
      starts.push(performance.now() - endedAt)
    }
    expect(starts[0]).toBeLessThan(starts[3] ?? 0)
    expect(starts[3]).toBeGreaterThanOrEqual(80)
  })
})

const LABELS = ['s', 'r', '200', 'kong', 'default', '']

test('a worker without requests lets go of the configuration before at once', async () => {
  const started = await start()
  await started.load(2, 'two')
  await expect
    .poll(() => started.fleet.workers().map(({ generation }) => generation))
    .toEqual([2, 2])
})

test('an aborted configuration is gone, and the next one takes over', async () => {
  const started = await start()
  const { fleet, port } = started
  started.fleet.abort(2)
  await started.load(3, 'three')
  await expectBothServing(started, 3)
  expect(await ask(port)).toContain('three')
  expect(() => fleet.commit(4)).toThrow('generation 4 was not prepared')
})

test('a fleet that drains replaces nobody', async () => {
  const started = await start()
  started.fleet.drain()
  const thread = firstThread(started)
  await thread.end()
  await sleep(150)
  expect(started.fleet.threads()).toHaveLength(1)
  expect(await started.fleet.settled(500)).toBe(true)
})
