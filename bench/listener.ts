/**
 * What the listener costs beside bare `node:http`, both giving the same fixed answer to the same requests: CPU
 * microseconds per request of the serving process (user + system, from `process.cpuUsage`), rounds of the two in turn.
 * The loader is a process of its own: keep-alive connections, one request in flight on each.
 *
 *   node bench/listener.ts [--seconds 3] [--rounds 5] [--connections 64]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HeaderList, MemoryBudget } from '../packages/gateway/src/http/index.ts'
import { createListener } from '../packages/gateway/src/listener/index.ts'
import type { ClientChannel } from '../packages/gateway/src/pipeline/index.ts'

const ANSWER = Buffer.from(
  JSON.stringify({ id: 'chatcmpl-1', choices: [{ message: { content: 'y'.repeat(240) } }] }),
)
const ANSWER_FIELDS = [
  'Content-Type',
  'application/json',
  'Content-Length',
  String(ANSWER.length),
  'x-request-id',
  '0'.repeat(32),
]
const BODY = JSON.stringify({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'x'.repeat(300) }],
})
const COMMON_FIELDS =
  'Host: 127.0.0.1:8000\r\nAccept: application/json\r\nUser-Agent: openai/6.49.0\r\n' +
  'Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\n'
const REQUESTS: Readonly<Record<string, Buffer>> = {
  GET: Buffer.from(`GET /v1/models HTTP/1.1\r\n${COMMON_FIELDS}\r\n`),
  POST: Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\n${COMMON_FIELDS}Content-Type: application/json\r\n` +
      `Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
  ),
}

/** What the parts tell each other; every message is a plain object. */
interface Message {
  readonly port?: number
  readonly cpuMicroseconds?: number
  readonly requests?: number
}

async function serveWithListener(): Promise<number> {
  const respond = (client: ClientChannel): void => {
    client.head({ status: 200, headers: new HeaderList([...ANSWER_FIELDS]) })
    client.write(ANSWER)
    client.end()
  }
  const listener = createListener(
    {
      limits: {
        headerBytes: 16_384,
        headerFields: 100,
        urlBytes: 8192,
        bodyBytes: 10_485_760,
        aiBodyBytes: 52_428_800,
        jsonDepth: 64,
        jsonMembers: 100_000,
        headersTimeoutMs: 10_000,
        bodyTimeoutMs: 60_000,
        bodyFloorBytesPerSecond: 1024,
        bodyGraceMs: 5000,
        keepAliveTimeoutMs: 75_000,
        writeStallMs: 60_000,
        maxConnections: 10_000,
        requestBufferBytes: 1_048_576,
      },
      trustedIps: [],
      realIpHeader: 'X-Real-IP',
      realIpRecursive: false,
      pathMode: 'strict',
      memory: new MemoryBudget(1e9),
      healthPaths: new Set(['/health']),
      renderRefusal: () => ({ contentType: 'text/plain', body: '' }),
    },
    (request, client) => {
      const body = request.body.bytes(1e6)
      if (body instanceof Promise) void body.then(() => respond(client))
      else respond(client)
    },
  )
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 })
  return port
}

async function serveWithNode(): Promise<number> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (chunk: Buffer) => parts.push(chunk))
    request.on('end', () => {
      response.writeHead(200, ANSWER_FIELDS)
      response.end(ANSWER)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Answers every message with the CPU time used so far. */
async function serve(way: string): Promise<void> {
  const port = way === 'listener' ? await serveWithListener() : await serveWithNode()
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMicroseconds: user + system })
  })
  process.send?.({ port })
}

/** Sends requests for some time and reports how many were answered. */
async function load(
  port: number,
  method: string,
  connections: number,
  seconds: number,
): Promise<void> {
  const request = REQUESTS[method] ?? Buffer.alloc(0)
  let answered = 0
  let running = true
  const sockets = Array.from({ length: connections }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let missing = 0
    socket.on('connect', () => socket.write(request))
    socket.on('data', (chunk: Buffer) => {
      missing = (missing > 0 ? missing : answerLength(chunk)) - chunk.length
      if (missing > 0) return
      answered++
      if (running) socket.write(request)
    })
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  running = false
  process.send?.({ requests: answered })
  for (const socket of sockets) socket.destroy()
}

/** The whole answer's length, from the first segment of it. */
function answerLength(chunk: Buffer): number {
  const head = chunk.indexOf('\r\n\r\n')
  return head < 0 ? chunk.length : head + 4 + ANSWER.length
}

class Part {
  readonly #child: ChildProcess

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  next(): Promise<Message> {
    return new Promise((resolve) => {
      this.#child.once('message', (message) => resolve(typeof message === 'object' ? message : {}))
    })
  }

  async cpuMicroseconds(): Promise<number> {
    this.#child.send('cpu')
    return (await this.next()).cpuMicroseconds ?? 0
  }

  stop(): void {
    this.#child.kill()
  }
}

async function measure(
  server: Part,
  port: number,
  method: string,
  connections: number,
  seconds: number,
) {
  const before = await server.cpuMicroseconds()
  const loader = new Part(
    '--load',
    method,
    '--port',
    String(port),
    '--connections',
    String(connections),
    '--seconds',
    String(seconds),
  )
  const { requests = 0 } = await loader.next()
  const microseconds = (await server.cpuMicroseconds()) - before
  loader.stop()
  return { perRequest: microseconds / requests, perSecond: requests / seconds }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

async function compare(seconds: number, rounds: number, connections: number): Promise<void> {
  console.log(
    `node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${connections} connections`,
  )
  const ways = ['node:http', 'listener']
  const servers = ways.map((way) => new Part('--serve', way))
  const ports: number[] = []
  for (const server of servers) ports.push((await server.next()).port ?? 0)
  for (const method of Object.keys(REQUESTS)) {
    const costs: number[][] = [[], []]
    const rates: number[][] = [[], []]
    // The first round only warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const [i, server] of servers.entries()) {
        const { perRequest, perSecond } = await measure(
          server,
          ports[i] ?? 0,
          method,
          connections,
          seconds,
        )
        if (round === 0) continue
        costs[i]?.push(perRequest)
        rates[i]?.push(perSecond)
      }
    }
    const ratios = (costs[1] ?? []).map((cost, round) => cost / (costs[0]?.[round] ?? Number.NaN))
    for (const [i, way] of ways.entries()) {
      console.log(
        `${method.padEnd(5)}${way.padEnd(10)} ${median(costs[i] ?? []).toFixed(2)} µs CPU per request, ` +
          `${Math.round(median(rates[i] ?? []))} requests/s`,
      )
    }
    console.log(
      `${method.padEnd(5)}listener / node:http = ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(' ')})`,
    )
  }
  for (const server of servers) server.stop()
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
    serve: { type: 'string' },
    load: { type: 'string' },
    port: { type: 'string', default: '0' },
  },
})
const seconds = Number(values.seconds)
const connections = Number(values.connections)
if (values.serve !== undefined) await serve(values.serve)
else if (values.load !== undefined)
  await load(Number(values.port), values.load, connections, seconds)
else await compare(seconds, Number(values.rounds), connections)
