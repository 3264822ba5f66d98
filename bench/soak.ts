/**
 * What remains of a million requests: resident memory (T6), and whether an answer ever reaches another request than its
 * own (T16). One in ten requests is given up by its client, before the answer or in the middle of it; half of them stream.
 *
 * Usage: npm run bench -- soak [--requests 1000000] [--aborts 100000] [--connections 32] [--quick] [--source]
 * --quick makes 30,000 and 5,000 of them: mixed-up answers and leaks of the coarse kind show in two minutes.
 * Exits with 1 when an answer was mixed up or missing, or when memory grew beyond its limit.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { residentBytes } from './rig/machine.ts'
import {
  buildPackage,
  configuration,
  FIVE_PLUGINS,
  KEY,
  ROOT,
  SOURCE_BIN,
  startPratu,
} from './rig/pratu.ts'
import { startProcess, type RigProcess } from './rig/process.ts'
import { save, table } from './rig/report.ts'
import { runSoak, type SoakCounts } from './rig/soak-client.ts'

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string' },
    aborts: { type: 'string' },
    connections: { type: 'string', default: '32' },
    quick: { type: 'boolean', default: false },
    source: { type: 'boolean', default: false },
  },
})

const SIMULATOR = 18_730
const PORT = 18_731
const PATH = '/v1/chat/completions'
const REQUESTS = Number(options.requests ?? (options.quick ? 30_000 : 1_000_000))
const ABORTS = Number(options.aborts ?? (options.quick ? 5_000 : 100_000))
/** Memory is compared from here on: pools are filled and code is compiled. */
const WARM_SHARE = 0.1
const WARM_PHASES = 2
const MAX_GROWTH_MB = 10
/** As in the article's container. Without a limit V8 takes what the machine has, and gives it back late. */
const MEMORY_LIMIT = '512m'
/** Idle time before memory is read, so that what can be collected is. */
const SETTLE_MS = 15_000

interface Phase {
  readonly name: string
  readonly requests: number
  readonly streamShare: number
  readonly abortShare: number
}

const ABORTED = { streamShare: 1, abortShare: 1 }

const PHASES: readonly Phase[] = [
  { name: 'warm-up', requests: REQUESTS * WARM_SHARE, streamShare: 0.5, abortShare: 0.1 },
  { name: 'warm-up, aborted', requests: Math.max(5000, ABORTS * WARM_SHARE), ...ABORTED },
  { name: 'requests', requests: REQUESTS * (1 - WARM_SHARE), streamShare: 0.5, abortShare: 0.1 },
  { name: 'aborted streams', requests: ABORTS, ...ABORTED },
]

async function inFlight(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${PORT + 50}/metrics`)
  const value = /^pratu_requests_in_flight (\d+)/m.exec(await response.text())?.[1]
  return Number(value ?? Number.NaN)
}

interface Result extends SoakCounts {
  readonly name: string
  readonly seconds: number
  readonly rssMb: number
  readonly leftInFlight: number
}

async function runPhase(phase: Phase, gateway: RigProcess): Promise<Result> {
  const started = performance.now()
  const counts = await runSoak({
    port: PORT,
    path: PATH,
    headers: { apikey: KEY },
    connections: Number(options.connections),
    ...phase,
  })
  const seconds = (performance.now() - started) / 1000
  await sleep(SETTLE_MS)
  const rssMb = residentBytes(gateway.pid) / 1e6
  return { name: phase.name, ...counts, seconds, rssMb, leftInFlight: await inFlight() }
}

function report(results: readonly Result[]): void {
  const head = [
    'phase',
    'requests',
    'requests/s',
    'aborted',
    'failed',
    'foreign markers',
    'without marker',
    'left in flight',
    'RSS MB after it',
    'growth MB',
  ]
  const lines = results.map((one, index) => [
    one.name,
    String(one.requests),
    Math.round(one.requests / one.seconds),
    String(one.aborted),
    String(one.failed),
    String(one.foreign),
    String(one.unmarked),
    String(one.leftInFlight),
    one.rssMb,
    index < WARM_PHASES ? '' : one.rssMb - (results[index - 1]?.rssMb ?? 0),
  ])
  console.log(table(head, lines))
  const total = (of: (result: Result) => number): number =>
    results.reduce((sum, result) => sum + of(result), 0)
  const mixedUp = total((one) => one.foreign + one.unmarked + one.failed + one.leftInFlight)
  const growths = results
    .slice(WARM_PHASES)
    .map((one, index) => one.rssMb - (results[index + WARM_PHASES - 1]?.rssMb ?? Number.NaN))
  console.log(`\nT16 foreign, missing or failed answers, left in flight: ${mixedUp} (to reach: 0)`)
  console.log(
    `T6 growth of resident memory: ${growths.map((mb) => mb.toFixed(1)).join(' MB, ')} MB (to reach: ≤ ${MAX_GROWTH_MB} each)`,
  )
  if (mixedUp > 0 || growths.some((mb) => !(mb <= MAX_GROWTH_MB))) process.exitCode = 1
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const started: RigProcess[] = []
try {
  const bin = options.source ? SOURCE_BIN : buildPackage(folder)
  const simulator = join(ROOT, 'packages/simulator/bin/pratu-simulator.js')
  started.push(
    await startProcess({
      command: [process.execPath, simulator, '--port', `${SIMULATOR}`, '--record', '0', '--quiet'],
      port: SIMULATOR,
    }),
  )
  const gateway = await startPratu({
    bin,
    port: PORT,
    folder,
    configuration: configuration([{ path: PATH, upstream: SIMULATOR }], FIVE_PLUGINS),
    environment: { PRATU_MEMORY_LIMIT: MEMORY_LIMIT },
  })
  started.push(gateway)
  const results: Result[] = []
  for (const phase of PHASES) results.push(await runPhase(phase, gateway))
  report(results)
  save('soak', { results })
} finally {
  await Promise.all(started.map((one) => one.stop()))
  rmSync(folder, { recursive: true, force: true })
}
