/**
 * How much later answers come through the gateway: 1,000 requests a second on schedule, to the upstream directly and
 * through Pratu in turn, counted from the moment at which each was due.
 *
 * Usage: npm run bench -- open-loop [--rate 1000] [--block-seconds 2] [--blocks 10] [--connections 16] [--source]
 * A pair of blocks counts only where the direct way has a p99 of 1 ms at most and the loader itself was at most 0.5 ms
 * late in 99 of 100 cases: on a machine that is busy with something else there is nothing to be measured.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startNginx, staticServer } from './rig/nginx.ts'
import type { Block, LoaderTask } from './rig/open-loop-loader.ts'
import { ANSWER, REQUEST_BODY } from './rig/payloads.ts'
import {
  buildPackage,
  configuration,
  FIVE_PLUGINS,
  KEY,
  SOURCE_BIN,
  startPratu,
} from './rig/pratu.ts'
import type { RigProcess } from './rig/process.ts'
import { percentile, save, table } from './rig/report.ts'

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    'block-seconds': { type: 'string', default: '2' },
    blocks: { type: 'string', default: '10' },
    connections: { type: 'string', default: '16' },
    source: { type: 'boolean', default: false },
  },
})

const UPSTREAM = 18_720
const CHAT = '/v1/chat/completions'
const MAX_DIRECT_P99_MS = 1
const MAX_LAG_P99_MS = 0.5
/** To reach. */
const MAX_ADDED_P99_MS = 2

const GATEWAYS = [
  { name: 'Pratu bare', port: 18_721, path: '/plain', plugins: '' },
  {
    name: 'Pratu, five plugins, AI metering',
    port: 18_722,
    path: CHAT,
    plugins: FIVE_PLUGINS,
  },
]

interface Pair {
  readonly direct: Block
  readonly through: Block
}

function request(port: number, path: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\napikey: ${KEY}\r\nContent-Length: ${Buffer.byteLength(REQUEST_BODY)}\r\n\r\n${REQUEST_BODY}`
}

async function runLoader(task: LoaderTask): Promise<Block[]> {
  const program = fileURLToPath(new URL('./rig/open-loop-loader.ts', import.meta.url))
  const child = spawn(process.execPath, [program, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const blocks: Block[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    blocks.push(JSON.parse(line) as Block)
  }
  if (blocks.length !== task.blocks * task.doors.length) throw new Error('the loader gave up')
  return blocks
}

async function measure(port: number, path: string): Promise<Pair[]> {
  const blocks = await runLoader({
    ratePerSecond: Number(options.rate),
    blockSeconds: Number(options['block-seconds']),
    // The first pair warms up.
    blocks: Number(options.blocks) + 1,
    connections: Number(options.connections),
    doors: [
      { name: 'direct', port: UPSTREAM, request: request(UPSTREAM, path) },
      { name: 'through', port, request: request(port, path) },
    ],
  })
  const pairs: Pair[] = []
  for (let i = 2; i + 1 < blocks.length; i += 2) {
    const [direct, through] = [blocks[i], blocks[i + 1]]
    if (direct !== undefined && through !== undefined) pairs.push({ direct, through })
  }
  return pairs
}

function isValid({ direct, through }: Pair): boolean {
  return (
    percentile(direct.latenciesMs, 0.99) <= MAX_DIRECT_P99_MS &&
    percentile(direct.lagsMs, 0.99) <= MAX_LAG_P99_MS &&
    percentile(through.lagsMs, 0.99) <= MAX_LAG_P99_MS
  )
}

function describe(name: string, pairs: readonly Pair[]): readonly (string | number)[] {
  const valid = pairs.filter(isValid)
  // Without any valid pair the figures of all are shown, marked as what they are.
  const used = valid.length > 0 ? valid : pairs
  const direct = used.flatMap((pair) => pair.direct.latenciesMs)
  const through = used.flatMap((pair) => pair.through.latenciesMs)
  const lags = used.flatMap((pair) => [...pair.direct.lagsMs, ...pair.through.lagsMs])
  const errors = pairs.reduce((sum, pair) => sum + pair.direct.errors + pair.through.errors, 0)
  const added = (p: number): number => percentile(through, p) - percentile(direct, p)
  return [
    valid.length > 0 ? name : `${name} (NOT VALID: the machine is too busy)`,
    percentile(direct, 0.5),
    percentile(direct, 0.99),
    percentile(through, 0.5),
    percentile(through, 0.99),
    added(0.5),
    added(0.99),
    percentile(lags, 0.99),
    `${valid.length} of ${pairs.length}`,
    String(errors),
  ]
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const started: RigProcess[] = []
try {
  const bin = options.source ? SOURCE_BIN : buildPackage(folder)
  started.push(await startNginx(folder, UPSTREAM, staticServer(UPSTREAM, ANSWER)))
  const rows: (readonly (string | number)[])[] = []
  for (const { name, port, path, plugins } of GATEWAYS) {
    const gateway = await startPratu({
      bin,
      port,
      folder,
      configuration: configuration([{ path, upstream: UPSTREAM }], plugins),
    })
    started.push(gateway)
    rows.push(describe(name, await measure(port, path)))
    await gateway.stop()
  }
  const head = [
    `${options.rate} requests/s on schedule, ms`,
    'direct p50',
    'direct p99',
    'through p50',
    'through p99',
    'added p50',
    'added p99',
    'loader late p99',
    'valid blocks',
    'errors',
  ]
  console.log(table(head, rows))
  console.log(`\nto reach: ≤ ${MAX_ADDED_P99_MS} ms added at p99`)
  save('open-loop', { head, rows })
} finally {
  await Promise.all(started.map((one) => one.stop()))
  rmSync(folder, { recursive: true, force: true })
}
