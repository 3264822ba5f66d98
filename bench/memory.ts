/**
 * Resident memory with a full cache under load, in a container that asks for 512 MiB. Usage:
 * `npm run bench -- memory [--seconds 600] [--source]`.
 *
 * The cache may take 256 MiB. GET answers of 1 to 30 KB, drawn from far more than fit, keep it full, while chat
 * completions, half of them streamed, pass beside. Reach: at most 400 MiB all the time, and less after the load (issue 2
 * part 10). Exits with 1 when that is missed or a request failed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, get, Agent } from 'node:http'
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
import { median, save, table } from './rig/report.ts'
import { runSoak } from './rig/soak-client.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    source: { type: 'boolean', default: false },
  },
})

const MIB = 1024 * 1024
const ITEMS = 18_740
const SIMULATOR = 18_741
const PORT = 18_742
const CHAT = '/v1/chat/completions'
const GETTERS = 8
const CHATTERS = 8
/** About twice what fits, so that every new answer drives another one out. */
const DISTINCT_ITEMS = 40_000
const CHATS_PER_ROUND = 2000
const MAX_MIB = 400
const SETTLE_MS = 60_000
const SAMPLE_MS = 500
const LETTERS = Buffer.alloc(32_000, 'pratu ')

const agent = new Agent({ keepAlive: true, maxSockets: GETTERS })
const counts = { items: 0, chats: 0, failed: 0 }
const endsAt = { ms: 0 }

/** Answers of 1 to 30 KB, the same size for the same path. */
const items = createServer((request, response) => {
  const bytes = 1000 + (Number(request.url?.split('/').at(-1)) % 30) * 1000
  response.setHeader('content-type', 'application/json')
  response.end(LETTERS.subarray(0, bytes))
})

function getItem(): Promise<void> {
  const path = `/items/${Math.floor(Math.random() * DISTINCT_ITEMS)}`
  return new Promise((resolve) => {
    const sent = get({ port: PORT, host: '127.0.0.1', path, agent, headers: { apikey: KEY } })
    sent.on('response', (response) => {
      if (response.statusCode !== 200) counts.failed++
      response.resume().on('end', resolve)
    })
    sent.on('error', () => {
      counts.failed++
      resolve()
    })
  })
}

async function keepGetting(): Promise<void> {
  while (performance.now() < endsAt.ms) {
    await getItem()
    counts.items++
  }
}

async function keepChatting(): Promise<void> {
  while (performance.now() < endsAt.ms) {
    const { requests, failed } = await runSoak({
      port: PORT,
      path: CHAT,
      headers: { apikey: KEY },
      connections: CHATTERS,
      requests: CHATS_PER_ROUND,
      streamShare: 0.5,
      abortShare: 0.05,
    })
    counts.chats += requests
    counts.failed += failed
  }
}

async function cacheBytes(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${PORT + 50}/metrics`)
  return Number(/^pratu_cache_bytes(?:\{[^}]*\})? (\d+)/m.exec(await response.text())?.[1])
}

const folder = mkdtempSync(join(tmpdir(), 'pratu-bench-'))
const started: RigProcess[] = []
try {
  const bin = options.source ? SOURCE_BIN : buildPackage(folder)
  await new Promise<void>((resolve) => items.listen(ITEMS, '127.0.0.1', resolve))
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
    configuration: configuration(
      [
        { path: '/items', upstream: ITEMS },
        { path: CHAT, upstream: SIMULATOR },
      ],
      FIVE_PLUGINS,
    ),
    environment: {
      PRATU_MEMORY_LIMIT: '1g',
      PRATU_MEMORY_REQUEST: '512m',
      KONG_MEM_CACHE_MAX_SIZE: '256m',
    },
  })
  started.push(gateway)
  const idle = residentBytes(gateway.pid) / MIB
  endsAt.ms = performance.now() + Number(options.seconds) * 1000
  const samples: number[] = []
  const sampling = setInterval(() => samples.push(residentBytes(gateway.pid) / MIB), SAMPLE_MS)
  await Promise.all([keepChatting(), ...Array.from({ length: GETTERS }, keepGetting)])
  clearInterval(sampling)
  const cached = (await cacheBytes()) / MIB
  const atEnd = residentBytes(gateway.pid) / MIB
  await sleep(SETTLE_MS)
  const after = residentBytes(gateway.pid) / MIB
  const largest = Math.max(...samples)
  console.log(
    table(
      [
        'load s',
        'GETs',
        'chats',
        'failed',
        'cache MiB',
        'idle',
        'median',
        'largest',
        'at the end',
        '60 s later',
      ],
      [
        [
          options.seconds,
          String(counts.items),
          String(counts.chats),
          String(counts.failed),
          cached,
          idle,
          median(samples),
          largest,
          atEnd,
          after,
        ],
      ],
    ),
  )
  console.log(
    `\nresident memory at most ${largest.toFixed(0)} MiB (to reach: ≤ ${MAX_MIB}), falling after the load`,
  )
  save('memory', { seconds: Number(options.seconds), counts, cached, idle, samples, atEnd, after })
  if (largest > MAX_MIB || counts.failed > 0 || after > atEnd) process.exitCode = 1
} finally {
  agent.destroy()
  items.close()
  await Promise.all(started.map((one) => one.stop()))
  rmSync(folder, { recursive: true, force: true })
}
