/**
 * How long a large configuration takes to be applied by a running gateway, how long it holds up requests meanwhile, and
 * what the compiled snapshot keeps in memory. Usage: `npm run bench -- reload [routes] [consumers]`, 10,000 of each
 * unless given; every route has a plugin of its own, every consumer a key.
 *
 * The gateway runs in this process with one worker, so the stalls are those of its serving loop. Reach: applied in 2 s,
 * no stall above 50 ms, no more than 150 MB of live heap (issue 2 part 3).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { givenGateway } from '../e2e/gateway.ts'
import { median, save, table } from './rig/report.ts'

const ROUNDS = 5
const ROUTES_PER_SERVICE = 10
const AT_REST_MS = 2000

const routes = Number(process.argv[2] ?? 10_000)
const consumers = Number(process.argv[3] ?? 10_000)

function configuration(round: number): string {
  const lines = ['_format_version: "3.0"', 'services:']
  for (let route = 0; route < routes; route++) {
    if (route % ROUTES_PER_SERVICE === 0) {
      const service = route / ROUTES_PER_SERVICE
      lines.push(`- name: service-${service}`, `  url: http://backend-${service}.internal:8080/api`)
      lines.push('  routes:')
    }
    lines.push(`  - name: route-${route}`, '    paths:', `    - /api/v1/route-${route}`)
    lines.push('    methods: [GET, POST]', '    plugins:', '    - name: rate-limiting')
    lines.push('      config:', `        minute: ${100 + route + round}`, '        policy: local')
  }
  lines.push('- name: probe', '  url: http://127.0.0.1:9/', '  routes:', '  - name: probe')
  lines.push('    paths: [/probe]', '    plugins:', '    - name: request-termination')
  lines.push(`      config: {status_code: 200, message: generation ${round}}`)
  lines.push('plugins:', '- name: correlation-id', '- name: prometheus', 'consumers:')
  for (let consumer = 0; consumer < consumers; consumer++) {
    lines.push(`- username: user-${consumer}`, '  keyauth_credentials:')
    lines.push(`  - key: key-${consumer}-0123456789abcdef0123456789abcdef`)
  }
  return `${lines.join('\n')}\n`
}

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

async function liveHeapBytes(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    if (typeof collectGarbage === 'function') collectGarbage()
    await sleep(20)
  }
  return process.memoryUsage().heapUsed
}

/** How late a timer of 1 ms was, at worst, and the slowest of the requests that ran one after the other. */
async function watch<T>(port: number, work: () => Promise<T>): Promise<Watched<T>> {
  let stallMs = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    stallMs = Math.max(stallMs, now - last - 1)
    last = now
  }, 1)
  let done = false
  const latencies: number[] = []
  const probing = (async () => {
    while (!done) {
      const startedAt = performance.now()
      await probe(port)
      latencies.push(performance.now() - startedAt)
      await sleep(1)
    }
  })()
  const startedAt = performance.now()
  const result = await work()
  const totalMs = performance.now() - startedAt
  done = true
  await probing
  clearInterval(timer)
  return { result, totalMs, stallMs, slowestMs: Math.max(...latencies), requests: latencies.length }
}

interface Watched<T> {
  readonly result: T
  readonly totalMs: number
  readonly stallMs: number
  readonly slowestMs: number
  readonly requests: number
}

function probe(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: '/probe' }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const path = join(folder, 'kong.yml')
writeFileSync(path, configuration(0).replace(/^- name: service-[^]*?(?=- name: probe)/m, ''))
writeSmall()
const {
  gateway,
  port,
  [Symbol.asyncDispose]: end,
} = await givenGateway({
  configuration: '',
  environment: { PRATU_CONFIG: path },
})
await liveHeapBytes()
const before = await liveHeapBytes()
const rounds: Watched<void>[] = []
for (let round = 1; round <= ROUNDS; round++) {
  writeFileSync(path, configuration(round))
  const watched = await watch(port, () => gateway.reload('signal'))
  const answer = await probe(port)
  if (!answer.includes(`generation ${round}`)) throw new Error(`not applied: ${answer}`)
  rounds.push(watched)
  // The file's own watch looks once more when the file has been at rest; the next round is not to wait behind it.
  await sleep(AT_REST_MS)
}
const heap = (await liveHeapBytes()) - before
await end()
rmSync(folder, { recursive: true })

const rows = rounds.map(({ totalMs, stallMs, slowestMs, requests }, index) => [
  String(index + 1),
  totalMs,
  stallMs,
  slowestMs,
  requests,
])
console.log(`${routes} routes with a plugin each, ${consumers} consumers with a key each\n`)
console.log(
  table(['reload', 'applied, ms', 'longest stall, ms', 'slowest request, ms', 'requests'], rows),
)
console.log(`\nmedian applied ${median(rounds.map(({ totalMs }) => totalMs)).toFixed(0)} ms`)
console.log(`live heap of the snapshot ${(heap / 1e6).toFixed(1)} MB`)
save('reload', { routes, consumers, rounds, heapBytes: heap })
process.exit(0)

function writeSmall(): void {
  writeFileSync(
    path,
    `_format_version: "3.0"
services:
- name: probe
  url: http://127.0.0.1:9/
  routes:
  - name: probe
    paths: [/probe]
    plugins:
    - name: request-termination
      config: {status_code: 200, message: generation 0}
`,
  )
}
