/**
 * What the upstream client costs over bare undici: CPU microseconds per request of this process (from
 * `process.cpuUsage`), same static upstream in a process of its own, same requests, rounds of the three ways in turn.
 *
 *   node bench/upstream.ts [--requests 20000] [--rounds 7] [--concurrency 64]
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Pool, request as undiciRequest, Agent, type Dispatcher } from 'undici'
import {
  createUpstreamClient,
  type UpstreamSink,
  type UpstreamTargeting,
} from '../packages/gateway/src/upstream/index.ts'

const BODY = Buffer.from(
  JSON.stringify({
    model: 'gpt-4.1',
    messages: [{ role: 'user', content: 'x'.repeat(400) }],
    temperature: 0.2,
  }),
)
const ANSWER_BODY = JSON.stringify({ id: 'chatcmpl-1', choices: [{ text: 'y'.repeat(500) }] })
const ANSWER = Buffer.from(
  'HTTP/1.1 200 OK\r\nDate: Mon, 05 Oct 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n' +
    `Content-Length: ${ANSWER_BODY.length}\r\nConnection: keep-alive\r\nx-request-id: 0123456789abcdef\r\n` +
    'openai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\ncf-cache-status: DYNAMIC\r\nServer: cloudflare\r\n\r\n' +
    ANSWER_BODY,
)
const FIELDS = [
  'content-type: application/json',
  'accept: application/json',
  'user-agent: openai/6.49.0',
  'authorization: Bearer sk-0123456789abcdef0123456789abcdef',
  'x-forwarded-for: 127.0.0.1',
  'x-forwarded-proto: http',
  'x-forwarded-host: localhost',
  'x-forwarded-port: 8000',
  'x-forwarded-path: /v1/chat/completions',
  'x-real-ip: 127.0.0.1',
  'via: 1.1 pratu',
  `x-kong-request-id: ${'0'.repeat(32)}`,
].flatMap((line) => line.split(': '))
const PATH = '/v1/chat/completions'

/** One way of sending; `done` after the whole response. */
type Way = (done: (error?: Error) => void) => void

/** Answers every request of known length with the same bytes: as cheap as an upstream can be. */
function serveStatic(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let pending = 0
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const head = chunk.indexOf('\r\n\r\n')
      if (pending === 0 && head !== -1) pending = head + 4 + BODY.length
      pending -= chunk.length
      if (pending <= 0) {
        pending = 0
        socket.write(ANSWER)
      }
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`)
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '20000' },
      rounds: { type: 'string', default: '7' },
      concurrency: { type: 'string', default: '64' },
    },
  })
  const requests = Number(values.requests)
  const rounds = Number(values.rounds)
  const concurrency = Number(values.concurrency)
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'upstream'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const port = await new Promise<number>((resolve) => {
      child.stdout.once('data', (data: Buffer) => resolve(Number(data.toString())))
    })
    const origin = `http://127.0.0.1:${port}`
    const ways: readonly (readonly [string, Way])[] = [
      ['undici Pool.dispatch', bareDispatch(origin)],
      ['undici.request', bareRequest(origin)],
      ['pratu upstream', ours(port)],
    ]
    for (const [, way] of ways) await run(way, requests, concurrency)
    const costs = new Map<string, number[]>(ways.map(([name]) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, way] of ways) costs.get(name)?.push(await run(way, requests, concurrency))
    }
    report(costs, requests, concurrency)
  } finally {
    child.kill()
  }
  process.exit(0)
}

/** CPU microseconds (user and system) per request. */
async function run(way: Way, requests: number, concurrency: number): Promise<number> {
  const before = process.cpuUsage()
  let started = 0
  let finished = 0
  await new Promise<void>((resolve, reject) => {
    const next = (error?: Error): void => {
      if (error !== undefined) reject(error)
      if (++finished === requests) resolve()
      else if (started < requests) {
        started++
        way(next)
      }
    }
    for (; started < concurrency; started++) way(next)
  })
  const { user, system } = process.cpuUsage(before)
  return (user + system) / requests
}

class BareHandler implements Dispatcher.DispatchHandler {
  readonly #done: (error?: Error) => void
  bytes = 0
  constructor(done: (error?: Error) => void) {
    this.#done = done
  }
  onRequestStart(): void {
    this.bytes = 0
  }
  onResponseStart(): void {
    this.bytes = 0
  }
  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length
  }
  onResponseEnd(): void {
    this.#done()
  }
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#done(error)
  }
}

function bareDispatch(origin: string): Way {
  const pool = new Pool(origin, { allowH2: false, keepAliveTimeout: 55_000 })
  const headers = ['host', 'api.example.com', ...FIELDS]
  return (done) => {
    pool.dispatch({ method: 'POST', path: PATH, headers, body: BODY }, new BareHandler(done))
  }
}

function bareRequest(origin: string): Way {
  const dispatcher = new Agent({ allowH2: false, keepAliveTimeout: 55_000 })
  const headers = ['host', 'api.example.com', ...FIELDS]
  const send = async (done: (error?: Error) => void): Promise<void> => {
    const response = await undiciRequest(`${origin}${PATH}`, {
      method: 'POST',
      headers,
      body: BODY,
      dispatcher,
    })
    let bytes = 0
    response.body.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    response.body.on('end', () => done(bytes > 0 ? undefined : new Error('empty answer')))
    response.body.on('error', done)
  }
  return (done) => {
    send(done).catch((error: Error) => setImmediate(done, error))
  }
}

class OurSink implements UpstreamSink {
  readonly #done: (error?: Error) => void
  bytes = 0
  constructor(done: (error?: Error) => void) {
    this.#done = done
  }
  sending(): void {
    this.bytes = 0
  }
  head(): void {
    this.bytes = 0
  }
  data(chunk: Uint8Array): boolean {
    this.bytes += chunk.length
    return true
  }
  end(): void {
    this.#done()
  }
  fail({ cause }: { cause: Error }): void {
    this.#done(cause)
  }
}

function ours(port: number): Way {
  const client = createUpstreamClient({
    settings: {
      keepalivePoolSize: 512,
      keepaliveMaxRequests: 100_000,
      keepaliveIdleTimeoutMs: 55_000,
      maxAgeMs: 300_000,
      dnsTimeoutMs: 3_000,
      dnsTtlMs: 30_000,
      dnsStaleMs: 60_000,
      caBundle: undefined,
      overrides: new Map(),
      httpProxy: undefined,
      httpsProxy: undefined,
      noProxy: [],
      maxHeaderBytes: 16_384,
    },
  })
  const targeting: UpstreamTargeting = {
    key: 'bench',
    scheme: 'http',
    targets: [{ host: '127.0.0.1', port, weight: 100, hostHeader: 'api.example.com' }],
    connectTimeoutMs: 3_000,
    writeTimeoutMs: 60_000,
    readTimeoutMs: 60_000,
    retries: 5,
    tls: undefined,
  }
  const request = {
    method: 'POST',
    path: PATH,
    headers: FIELDS,
    host: undefined,
    body: BODY,
    stream: undefined,
  }
  return (done) => {
    client.send(targeting, request, new OurSink(done))
  }
}

function report(costs: ReadonlyMap<string, number[]>, requests: number, concurrency: number): void {
  const base = summary(costs.get('undici Pool.dispatch') ?? [])
  const lines = [
    `node ${process.version}, ${requests} requests a round, ${concurrency} at once; CPU µs per request`,
    `${'way'.padEnd(24)}${'min'.padStart(8)}${'median'.padStart(8)}${'ratio of minima'.padStart(18)}${'of medians'.padStart(12)}`,
  ]
  for (const [name, values] of costs) {
    const { min, median } = summary(values)
    lines.push(
      name.padEnd(24) +
        min.toFixed(1).padStart(8) +
        median.toFixed(1).padStart(8) +
        (min / base.min).toFixed(3).padStart(18) +
        (median / base.median).toFixed(3).padStart(12),
    )
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

function summary(values: readonly number[]): { min: number; median: number } {
  const sorted = values.toSorted((a, b) => a - b)
  return { min: sorted[0] ?? NaN, median: sorted[Math.floor(sorted.length / 2)] ?? NaN }
}

if (process.argv[2] === 'upstream') serveStatic()
else await main()
