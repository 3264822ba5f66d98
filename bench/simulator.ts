/**
 * What the simulator can carry, so that a benchmark behind it measures the gateway and not its provider:
 * small JSON answers per second and CPU time per answer, then many streams open at once with CPU and memory.
 * Both targets are meant on one core: ≥ 15,000 answers a second and 10,000 streams.
 *
 *   npm run bench -- simulator [--seconds 8] [--rounds 3] [--connections 64] [--streams 10000] [--tokens-per-second 1]
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cpuMicros, residentBytes } from './rig/machine.ts'
import { median, save, table } from './rig/report.ts'
import { runWrk } from './rig/wrk.ts'

const BIN = fileURLToPath(new URL('../packages/simulator/bin/pratu-simulator.js', import.meta.url))
const JSON_BODY = JSON.stringify({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'Say hello to the gate. tokens:24' }],
})
const STREAM_SECONDS = 10
/** Connections opened by the client before it waits for their first bytes. */
const OPENING_BATCH = 200

interface Running {
  readonly child: ChildProcess
  readonly pid: number
  readonly url: string
}

async function startSimulator(...flags: string[]): Promise<Running> {
  const child = spawn(process.execPath, [BIN, '--port', '0', '--json', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const ready: { url?: unknown } = JSON.parse(line)
    return { child, pid: child.pid ?? 0, url: String(ready.url) }
  }
  throw new Error('the simulator ended before it was ready')
}

function stop({ child }: Running): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}

/** Opens so many streams from a process of its own and counts the events that come. */
class StreamClient {
  readonly #child: ChildProcess
  #open = 0
  #events = 0

  constructor(url: string, streams: number, tokens: number) {
    const self = fileURLToPath(import.meta.url)
    this.#child = spawn(process.execPath, [self, 'client', url, `${streams}`, `${tokens}`], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message: { open: number; events: number }) => {
      this.#open = message.open
      this.#events = message.events
    })
  }

  get open(): number {
    return this.#open
  }

  get events(): number {
    return this.#events
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The other process: opens streams in batches, then only reads. */
async function runClient(url: string, streams: number, tokens: number): Promise<void> {
  const { hostname, port } = new URL(url)
  const body = JSON.stringify({
    model: 'gpt-4.1',
    stream: true,
    messages: [{ role: 'user', content: `tokens:${tokens}` }],
  })
  const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  let open = 0
  let events = 0
  const openOne = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = net.connect(Number(port), hostname, () => socket.write(request))
      socket.once('data', () => {
        open += 1
        resolve()
      })
      socket.on('data', (bytes: Buffer) => {
        for (let at = bytes.indexOf('data: '); at >= 0; at = bytes.indexOf('data: ', at + 6)) {
          events += 1
        }
      })
      socket.once('error', () => resolve())
      socket.once('close', () => {
        open -= 1
      })
    })
  setInterval(() => process.send?.({ open, events }), 100)
  for (let opened = 0; opened < streams; opened += OPENING_BATCH) {
    const count = Math.min(OPENING_BATCH, streams - opened)
    await Promise.all(Array.from({ length: count }, openOne))
  }
}

async function measureAnswers(
  seconds: number,
  rounds: number,
  connections: number,
): Promise<object> {
  const running = await startSimulator()
  const load = {
    url: `${running.url}/v1/chat/completions`,
    seconds,
    connections,
    headers: { 'content-type': 'application/json' },
    body: JSON_BODY,
  }
  await runWrk(running.pid, { ...load, seconds: 2 })
  const results = []
  for (let round = 0; round < rounds; round += 1) results.push(await runWrk(running.pid, load))
  const rssMiB = residentBytes(running.pid) / 1_048_576
  await stop(running)
  const cpuMicrosPerAnswer = median(results.map((result) => result.cpuMicrosPerRequest))
  const figures = {
    answersPerSecond: median(results.map((result) => result.requestsPerSecond)),
    cpuMicrosPerAnswer,
    answersPerCoreSecond: 1e6 / cpuMicrosPerAnswer,
    p50Ms: median(results.map((result) => result.p50Ms)),
    p99Ms: median(results.map((result) => result.p99Ms)),
    errors: results.reduce((sum, result) => sum + result.errors, 0),
    rssMiB,
  }
  console.log(
    `Small JSON answers, ${connections} connections, ${rounds} × ${seconds} s (medians):\n`,
  )
  console.log(table(Object.keys(figures), [Object.values(figures)]))
  return figures
}

async function measureStreams(streams: number, tokensPerSecond: number): Promise<object> {
  const running = await startSimulator('--tokens-per-second', `${tokensPerSecond}`)
  const idleRssMiB = residentBytes(running.pid) / 1_048_576
  const startMs = performance.now()
  // Long enough that none ends while others are still being opened.
  const client = new StreamClient(running.url, streams, Math.ceil(tokensPerSecond * 300))
  while (client.open < streams && performance.now() - startMs < 120_000) await sleep(100)
  const openMs = performance.now() - startMs
  const before = { cpu: cpuMicros(running.pid), events: client.events, atMs: performance.now() }
  await sleep(STREAM_SECONDS * 1000)
  const elapsedSeconds = (performance.now() - before.atMs) / 1000
  const cpuShare = (cpuMicros(running.pid) - before.cpu) / 1e6 / elapsedSeconds
  const tokensEverySecond = (client.events - before.events) / elapsedSeconds
  const rssMiB = residentBytes(running.pid) / 1_048_576
  const figures = {
    openStreams: client.open,
    openedInSeconds: openMs / 1000,
    tokensPerSecond: tokensEverySecond,
    cpuCores: cpuShare,
    cpuMicrosPerToken: (cpuShare * 1e6) / tokensEverySecond,
    rssMiB,
    kibPerStream: ((rssMiB - idleRssMiB) * 1024) / client.open,
  }
  client.stop()
  await stop(running)
  console.log(
    `\nOpen streams at ${tokensPerSecond} token/s each, measured for ${STREAM_SECONDS} s:\n`,
  )
  console.log(table(Object.keys(figures), [Object.values(figures)]))
  return figures
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '8' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '64' },
      streams: { type: 'string', default: '10000' },
      'tokens-per-second': { type: 'string', default: '1' },
    },
  })
  const answers = await measureAnswers(
    Number(values.seconds),
    Number(values.rounds),
    Number(values.connections),
  )
  const streams = await measureStreams(Number(values.streams), Number(values['tokens-per-second']))
  save('simulator', { answers, streams })
}

const [role, url = '', streams = '', tokens = ''] = process.argv.slice(2)
if (role === 'client') await runClient(url, Number(streams), Number(tokens))
else await run()
