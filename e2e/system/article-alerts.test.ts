/**
 * The article's alert rules, unmodified, on what a gateway really exports: two scrapes, before and after a load, are
 * taken for two scrapes 15 s apart (the article's interval), and the load for one that goes on like that. Each alert
 * fires for the load that it is about, and for no other.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator, type FaultRule } from '@pratu/simulator'
import { expect, onTestFinished } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { articleTest, type ArticleFiles } from '../article-files.ts'
import { chat } from '../gateway.ts'
import { createMemoryCgroup, type MemoryCgroup } from '../memory-cgroup.ts'
import { scrape, type Sample } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'
import { runCommand } from '../run-command.ts'

/** What the rules look at. */
const SERIES = new Set([
  'kong_request_duration_ms_bucket',
  'kong_requests_total',
  'kong_rate_limiting_count_total',
  'container_memory_usage_bytes',
  'container_spec_memory_limit_bytes',
])

const MEMORY_LIMIT = 512 * 1024 * 1024

interface Given extends AsyncDisposable {
  readonly pratu: PratuProcess
  /** Sends so many requests at once and waits for their ends. */
  load(requests: number): Promise<void>
}

async function given(
  files: ArticleFiles,
  rules: readonly FaultRule[],
  cgroup?: MemoryCgroup,
): Promise<Given> {
  const simulator = await startSimulator({ rules })
  const pratu = await startPratu({
    args: ['--config', files.path('kong.yml')],
    environment: { PRATU_UPSTREAM_OVERRIDES: `https://api.holysheep.ai=${simulator.url}` },
    ...(cgroup === undefined ? {} : { wrapper: cgroup.enter }),
  })
  return {
    pratu,
    async load(requests) {
      await Promise.all(
        Array.from({ length: requests }, async () => {
          const answer = await fetch(`${pratu.proxyUrl}/v1/chat/completions`, chat())
          await answer.arrayBuffer()
        }),
      )
    },
    async [Symbol.asyncDispose]() {
      await pratu.stop()
      await simulator.close()
    },
  }
}

/** The samples of two scrapes as promtool wants them: the first, the second, and 60 more that grow alike. */
function inputSeries(before: readonly Sample[], after: readonly Sample[]): object[] {
  const key = ({ name, labels }: Sample): string =>
    `${name}{${Object.entries({ ...labels, pod: 'ai-gateway-0', job: 'ai-gateway' })
      .map(([label, value]) => `${label}="${value}"`)
      .join(',')}}`
  const first = new Map(before.map((sample) => [key(sample), sample.value]))
  return after
    .filter(({ name }) => SERIES.has(name))
    .map((sample) => {
      const series = key(sample)
      const was = first.get(series)
      // A series that the load brought into being is absent from the first scrape.
      const values =
        was === undefined
          ? `_ ${sample.value}+${sample.value}x60`
          : `${was}+${sample.value - was}x61`
      return { series, values }
    })
}

/** Asks promtool which alerts fire after ten minutes of this. @throws {Error} with its output when it disagrees. */
async function expectFiring(
  files: ArticleFiles,
  series: readonly object[],
  alerts: readonly string[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-alerts-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const test = {
    rule_files: [files.path('ai-gateway-alerts.yml')],
    evaluation_interval: '15s',
    tests: [
      {
        interval: '15s',
        input_series: series,
        promql_expr_test: [
          {
            expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
            eval_time: '10m',
            exp_samples: alerts.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
          },
        ],
      },
    ],
  }
  const path = join(folder, 'test.yml')
  writeFileSync(path, stringify(test))
  const { code, stdout, stderr } = await runCommand(['promtool', 'test', 'rules', path])
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
}

/** A load, and the alerts that it must raise. */
const LOADS = [
  { name: 'a few fast requests: silence', requests: 5, rules: [], firing: [] },
  {
    name: 'answers after 1.2 s: HighLatency',
    requests: 8,
    rules: [{ fault: { delayMs: 1_200 } }],
    firing: ['HighLatency'],
  },
  {
    name: 'the provider fails for some: HighErrorRate',
    requests: 6,
    rules: [{ match: { nth: 'every:3' }, fault: { status: 503 } }],
    firing: ['HighErrorRate'],
  },
  {
    name: 'the provider says 429 and 400, which are no errors of ours: silence',
    requests: 6,
    rules: [{ match: { nth: 'every:2' }, fault: { status: 429 } }, { fault: { status: 400 } }],
    firing: [],
  },
  {
    name: '16 requests in 15 s, 64 % of the limit: silence',
    requests: 16,
    rules: [],
    firing: [],
  },
  {
    name: '22 requests in 15 s, 88 % of the limit: RateLimitApproaching',
    requests: 22,
    rules: [],
    firing: ['RateLimitApproaching'],
  },
] as const

for (const { name, requests, rules, firing } of LOADS) {
  articleTest(name, async (files) => {
    await using it = await given(files, rules)
    // The first requests bring series into being and compile code; they are no part of the load.
    await it.load(3)
    const before = await scrape(it.pratu.adminUrl)
    await it.load(requests)
    const after = await scrape(it.pratu.adminUrl)
    await expectFiring(files, withoutMemory(inputSeries(before.samples, after.samples)), firing)
  })
}

const withoutMemory = (series: readonly object[]): object[] =>
  series.filter((one) => !JSON.stringify(one).includes('container_'))

articleTest(
  "the container's memory below and above 90 % of its limit: PodMemoryUsage",
  async (files) => {
    await using cgroup = createMemoryCgroup(MEMORY_LIMIT)
    await using it = await given(files, [], cgroup)
    const calm = await scrape(it.pratu.adminUrl)
    if (cgroup === undefined) {
      // The exported usage is real; the limit, which this machine does not let us set, is made up.
      process.stderr.write('no memory control group can be made here: the limit is made up\n')
      const usage = calm.samples.find((sample) => sample.name === 'container_memory_usage_bytes')
      expect(usage?.value).toBeGreaterThan(0)
      for (const [share, firing] of [
        [0.5, []],
        [0.95, ['PodMemoryUsage']],
      ] as const) {
        const limit = {
          name: 'container_spec_memory_limit_bytes',
          labels: {},
          value: (usage?.value ?? 0) / share,
        }
        const samples = [...calm.samples, limit]
        await expectFiring(files, inputSeries(samples, samples), firing)
      }
      return
    }
    await expectFiring(files, inputSeries(calm.samples, calm.samples), [])
    const bytes = Math.floor(0.94 * MEMORY_LIMIT) - cgroup.usedBytes()
    await using _ballast = await holdMemory(cgroup, bytes)
    const full = await scrape(it.pratu.adminUrl)
    await expectFiring(files, inputSeries(full.samples, full.samples), ['PodMemoryUsage'])
  },
)

/** A process inside the group that has taken so many bytes, until it is disposed of. */
async function holdMemory(cgroup: MemoryCgroup, bytes: number): Promise<AsyncDisposable> {
  const take = `import sys; held = b"x" * ${bytes}; print("held", flush=True); sys.stdin.read()`
  const [program, ...args] = cgroup.enter
  const child = spawn(program, [...args, '/usr/bin/python3', '-c', take], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await exited
    },
  }
}

articleTest(
  "of a scrape promtool finds nothing to say but what Kong's names are to blame for",
  async (files) => {
    await using it = await given(files, [])
    await it.load(3)
    const { text } = await scrape(it.pratu.adminUrl)
    const { stdout, stderr } = await runCommand(['promtool', 'check', 'metrics'], { input: text })
    const remarks = `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
    expect(remarks.filter((line) => !KONG_NAME.test(line))).toEqual([])
  },
)

/** A remark about a name: wrong units or endings. */
const KONG_NAME =
  /^kong_\w+ .*(should have "_total" suffix|should not have "_total" suffix|abbreviated units)$/

articleTest(
  "a Prometheus with the article's jobs and rules finds both targets up",
  async (files) => {
    await using it = await given(files, [])
    await it.load(3)
    const folder = mkdtempSync(join(tmpdir(), 'pratu-prometheus-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const target = `127.0.0.1:${it.pratu.adminPort}`
    writeFileSync(
      join(folder, 'prometheus.yml'),
      withTarget(files.read('prometheus.yml'), target, files),
    )
    const address = `127.0.0.1:${await freePort()}`
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    )
    const exited = once(child, 'exit')
    onTestFinished(async () => {
      child.kill('SIGTERM')
      await exited
    })
    const query = async (expression: string): Promise<Record<string, string>[]> => {
      const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`
      const { data } = QueryResult.parse(await (await fetch(url)).json())
      return data.result.map(({ metric }) => metric)
    }
    const deadline = performance.now() + 30_000
    for (;;) {
      const up = await query('up == 1').catch(() => [])
      if (up.length === 2 || performance.now() > deadline) break
      await sleep(200)
    }
    expect(new Set((await query('up == 1')).map(({ job }) => job))).toEqual(
      new Set(['ai-gateway', 'ai-gateway-latency']),
    )
    expect(await query('kong_requests_total{status="200"} == 3')).toMatchObject([
      { job: 'ai-gateway', route: 'chat-route' },
    ])
    expect(await query('count(pratu_latency_ms) > 0')).toHaveLength(1)
    const rules = await (await fetch(`http://${address}/api/v1/rules`)).json()
    expect(JSON.stringify(rules)).toContain('"name":"RateLimitApproaching"')
    expect(JSON.stringify(rules)).not.toContain('"health":"err"')
  },
)

const QueryResult = z.object({
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
})

/** The article's file with the target where this test has it, asked once a second, and the rules where they lie. */
function withTarget(text: string, target: string, files: ArticleFiles): string {
  const configuration = z
    .looseObject({
      global: z.looseObject({}),
      scrape_configs: z.array(z.looseObject({ static_configs: z.unknown().optional() })),
    })
    .parse(parse(text))
  const jobs = configuration.scrape_configs.map(
    ({ kubernetes_sd_configs: _discovery, relabel_configs: _relabelling, ...job }) => ({
      ...job,
      static_configs: [{ targets: [target] }],
    }),
  )
  return stringify({
    ...configuration,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [files.path('ai-gateway-alerts.yml')],
    scrape_configs: jobs,
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
