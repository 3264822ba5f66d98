/**
 * What Pratu costs per request and per streamed event, beside nginx, an empty Node.js proxy and Portkey: same upstream,
 * same load, one worker each, access logs off, several rounds in turn.
 *
 * Usage: npm run bench -- overhead [--seconds 4] [--rounds 3] [--check] [--source] [--without-portkey] [--without-events]
 * --check exits with 1 when a CPU ratio of the best rounds misses its limit by more than 20 %.
 * --source runs Pratu from the repository's source instead of from the built package, which saves the build.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  BARE,
  contenders,
  EVENT_UPSTREAM,
  FIVE,
  FIVE_METERED,
  PORTKEY,
  SPIKE,
  startUpstreams,
  type Contender,
  type Door,
} from './rig/contenders.ts'
import { cpuMicros, residentBytes } from './rig/machine.ts'
import { REQUEST_BODY, STREAM_REQUEST_BODY } from './rig/payloads.ts'
import { buildPackage, SOURCE_BIN } from './rig/pratu.ts'
import type { RigProcess } from './rig/process.ts'
import { median, minimum, save, table } from './rig/report.ts'
import { runWrk, type LoadResult } from './rig/wrk.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
    source: { type: 'boolean', default: false },
    'without-portkey': { type: 'boolean', default: false },
    'without-events': { type: 'boolean', default: false },
  },
})
const SECONDS = Number(options.seconds)
const ROUNDS = Number(options.rounds)

/** Room that a busy machine gets before `--check` fails. */
const SLACK = 1.2
const ANSWER_CONNECTIONS = 32
const EVENT_CONNECTIONS = 100
/** Between two events of a stream: 100 streams make 10,000 events a second, which everybody can carry. */
const PACE_MS = 10

interface EventResult {
  readonly eventsPerSecond: number
  readonly cpuMicrosPerEvent: number
  readonly errors: number
}

interface Row {
  readonly name: string
  readonly idleRssBytes: number
  loadedRssBytes: number
  readonly answers: LoadResult[]
  /** At the pace above. */
  readonly paced: EventResult[]
  /** As fast as events are taken. */
  readonly flatOut: EventResult[]
}

interface Running {
  readonly contender: Contender
  readonly process: RigProcess
  readonly row: Row
}

function load(pid: number, door: Door, connections: number, body: string): Promise<LoadResult> {
  return runWrk(pid, {
    url: `http://127.0.0.1:${door.port}${door.path}`,
    seconds: SECONDS,
    connections,
    headers: door.headers,
    body,
  })
}

async function askEventUpstream(path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${EVENT_UPSTREAM}${path}`)
  return Number(await response.text())
}

async function loadWithEvents(
  { contender, process }: Running,
  paceMs: number,
): Promise<EventResult> {
  const before = await askEventUpstream(`/pace/${paceMs}`)
  const cpuBefore = cpuMicros(process.pid)
  const { errors } = await load(
    process.pid,
    contender.events,
    EVENT_CONNECTIONS,
    STREAM_REQUEST_BODY,
  )
  const events = (await askEventUpstream('/written')) - before
  return {
    eventsPerSecond: events / SECONDS,
    cpuMicrosPerEvent: (cpuMicros(process.pid) - cpuBefore) / Math.max(1, events),
    errors,
  }
}

async function start(bin: string, folder: string, started: RigProcess[]): Promise<Running[]> {
  const all: Running[] = []
  for (const contender of contenders(bin, folder)) {
    if (options['without-portkey'] && contender.name === PORTKEY) continue
    try {
      const process = await contender.start()
      started.push(process)
      // What starting left behind is collected, as it would be in a gateway that waits for its first request.
      await sleep(1000)
      const idleRssBytes = residentBytes(process.pid)
      const row = { answers: [], paced: [], flatOut: [], idleRssBytes, loadedRssBytes: 0 }
      all.push({ contender, process, row: { name: contender.name, ...row } })
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
      console.log(`${contender.name} is left out: ${reason}`)
    }
  }
  return all
}

async function measure(all: readonly Running[]): Promise<void> {
  // One round that does not count: just-in-time compilers and pools warm up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const running of all) {
      const { contender, process, row } = running
      const result = await load(process.pid, contender.answers, ANSWER_CONNECTIONS, REQUEST_BODY)
      if (round >= 0) row.answers.push(result)
    }
  }
  for (const { row, process } of all) row.loadedRssBytes = residentBytes(process.pid)
  if (options['without-events']) return
  for (const paceMs of [PACE_MS, 0]) {
    for (let round = -1; round < ROUNDS; round++) {
      for (const running of all) {
        const result = await loadWithEvents(running, paceMs)
        if (round >= 0) (paceMs > 0 ? running.row.paced : running.row.flatOut).push(result)
      }
    }
  }
}

function best(rows: readonly Row[], name: string, of: (row: Row) => readonly number[]): number {
  const row = rows.find((one) => one.name === name)
  return row === undefined ? Number.NaN : minimum(of(row))
}

const answerMicros = (row: Row): number[] => row.answers.map((one) => one.cpuMicrosPerRequest)
const eventMicros = (row: Row): number[] => row.paced.map((one) => one.cpuMicrosPerEvent)

function reportAnswers(rows: readonly Row[]): void {
  const spike = best(rows, SPIKE, answerMicros)
  const nginx = best(rows, 'nginx', answerMicros)
  const head = [
    'JSON answers',
    'CPU µs/request (min)',
    '(median)',
    '÷ spike',
    '÷ nginx',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'errors',
    'idle RSS MB',
    'RSS MB under load',
  ]
  const lines = rows.map((row) => [
    row.name,
    minimum(answerMicros(row)),
    median(answerMicros(row)),
    minimum(answerMicros(row)) / spike,
    minimum(answerMicros(row)) / nginx,
    Math.round(median(row.answers.map((one) => one.requestsPerSecond))),
    median(row.answers.map((one) => one.p50Ms)),
    median(row.answers.map((one) => one.p99Ms)),
    String(row.answers.reduce((sum, { errors }) => sum + errors, 0)),
    row.idleRssBytes / 1e6,
    row.loadedRssBytes / 1e6,
  ])
  console.log(`${table(head, lines)}\n`)
}

function reportEvents(rows: readonly Row[]): void {
  const spike = best(rows, SPIKE, eventMicros)
  const head = [
    'streamed events',
    `CPU µs/event at ${(EVENT_CONNECTIONS * 1000) / PACE_MS}/s (min)`,
    '(median)',
    '÷ spike',
    'events/s flat out',
    'CPU µs/event flat out (min)',
    'errors',
  ]
  const lines = rows.map((row) => [
    row.name,
    minimum(eventMicros(row)),
    median(eventMicros(row)),
    minimum(eventMicros(row)) / spike,
    Math.round(median(row.flatOut.map((one) => one.eventsPerSecond))),
    minimum(row.flatOut.map((one) => one.cpuMicrosPerEvent)),
    String([...row.paced, ...row.flatOut].reduce((sum, { errors }) => sum + errors, 0)),
  ])
  console.log(`${table(head, lines)}\n`)
}

function reportGoals(rows: readonly Row[]): void {
  const cpu = (name: string): number => best(rows, name, answerMicros)
  const ratios: readonly (readonly [name: string, ratio: number, limit: number])[] = [
    ['Pratu bare ÷ spike', cpu(BARE) / cpu(SPIKE), 1.15],
    ['Pratu, five plugins ÷ spike', cpu(FIVE) / cpu(SPIKE), 1.35],
    ['Pratu, five plugins ÷ nginx', cpu(FIVE) / cpu('nginx'), 5],
  ]
  for (const [name, ratio, limit] of ratios) {
    console.log(`CPU, ${name}: ${ratio.toFixed(2)} (to reach: ≤ ${limit})`)
    if (options.check && ratio > limit * SLACK) process.exitCode = 1
  }
  const throughput = (name: string): number => {
    const row = rows.find((one) => one.name === name)
    return row === undefined ? Number.NaN : median(row.answers.map((one) => one.requestsPerSecond))
  }
  const toPortkey = throughput(FIVE_METERED) / throughput(PORTKEY)
  if (Number.isFinite(toPortkey)) {
    console.log(
      `requests/s, Pratu with five plugins and AI metering ÷ Portkey: ${toPortkey.toFixed(1)} (to reach: ≥ 12)`,
    )
  }
  const idle = rows.find(({ name }) => name === FIVE)?.idleRssBytes ?? Number.NaN
  const what = options.source ? 'source' : 'built package'
  console.log(`idle RSS of the ${what}: ${(idle / 1e6).toFixed(0)} MB (to reach: ≤ 120)`)
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const started: RigProcess[] = []
try {
  const bin = options.source ? SOURCE_BIN : buildPackage(folder)
  started.push(...(await startUpstreams(folder)))
  const all = await start(bin, folder, started)
  await measure(all)
  const rows = all.map(({ row }) => row)
  reportAnswers(rows)
  if (!options['without-events']) reportEvents(rows)
  reportGoals(rows)
  save('overhead', { seconds: SECONDS, built: !options.source, rows })
} finally {
  await Promise.all(started.map((one) => one.stop()))
  rmSync(folder, { recursive: true, force: true })
}
