import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { HeaderFields } from '@pratu/plugin-kit'
import { onTestFinished } from 'vitest'
import type { UpstreamSettings } from '../../config/index.ts'
import type { UpstreamClientOptions } from '../client.ts'
import type { Lookup } from '../resolver.ts'
import {
  createUpstreamClient,
  type UpstreamCall,
  type UpstreamClient,
  type UpstreamEvent,
  type UpstreamFailure,
  type UpstreamRequest,
  type UpstreamSink,
  type UpstreamTargeting,
} from '../index.ts'

export const SETTINGS: UpstreamSettings = {
  keepalivePoolSize: 60,
  keepaliveMaxRequests: 1_000,
  keepaliveIdleTimeoutMs: 5_000,
  maxAgeMs: 60_000,
  dnsTimeoutMs: 200,
  dnsTtlMs: 10_000,
  dnsStaleMs: 10_000,
  caBundle: undefined,
  overrides: new Map(),
  httpProxy: undefined,
  httpsProxy: undefined,
  noProxy: [],
  maxHeaderBytes: 16_384,
}

export interface TestClient extends UpstreamClient {
  readonly events: UpstreamEvent[]
}

/** A client that is closed with the test. */
export function createClient(
  settings: Partial<UpstreamSettings> = {},
  options: Omit<UpstreamClientOptions, 'settings' | 'onEvent'> = {},
): TestClient {
  const events: UpstreamEvent[] = []
  const client = createUpstreamClient({
    ...options,
    settings: { ...SETTINGS, ...settings },
    onEvent: (event) => events.push(event),
  })
  onTestFinished(() => client.close(0))
  return Object.assign(client, { events })
}

export function targetingOf(
  port: number | readonly number[],
  changes: Partial<UpstreamTargeting> = {},
): UpstreamTargeting {
  const ports = typeof port === 'number' ? [port] : port
  return {
    key: 'service-1',
    scheme: 'http',
    targets: ports.map((each) => ({
      host: '127.0.0.1',
      port: each,
      weight: 100,
      hostHeader: 'api.test',
    })),
    connectTimeoutMs: 1_000,
    writeTimeoutMs: 1_000,
    readTimeoutMs: 1_000,
    retries: 0,
    tls: undefined,
    ...changes,
  }
}

export function requestOf(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'GET',
    path: '/',
    headers: [],
    host: undefined,
    body: undefined,
    stream: undefined,
    ...changes,
  }
}

/** `Name: value` lines as the flat list that requests carry. */
export function fields(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}

export const post = (text: string, changes: Partial<UpstreamRequest> = {}): UpstreamRequest =>
  requestOf({ method: 'POST', body: Buffer.from(text), ...changes })

/** How a call ended. */
export interface Ending {
  readonly status: number | undefined
  readonly headers: HeaderFields | undefined
  readonly body: string
  readonly failure: UpstreamFailure | undefined
  readonly call: UpstreamCall
}

/** Records everything it is told; fails the test by throwing when told anything after the end. */
export class RecordingSink implements UpstreamSink {
  call: UpstreamCall | undefined
  sent = 0
  status: number | undefined
  headers: HeaderFields | undefined
  readonly chunks: Buffer[] = []
  bytes = 0
  ended = false
  failure: UpstreamFailure | undefined
  /** Answer of `data`. */
  wantsMore = true
  readonly log: string[] = []
  readonly #waiting: { readonly met: () => boolean; readonly resolve: () => void }[] = []

  sending(): void {
    this.#note('sending')
    this.sent++
    this.#wake()
  }

  head(status: number, headers: HeaderFields): void {
    this.#note('head')
    this.status = status
    this.headers = headers
    this.#wake()
  }

  data(chunk: Uint8Array): boolean {
    this.#note('data')
    this.bytes += chunk.byteLength
    if (this.bytes < 1_000_000) this.chunks.push(Buffer.from(chunk))
    this.#wake()
    return this.wantsMore
  }

  end(): void {
    this.#note('end')
    this.ended = true
    this.#wake()
  }

  fail(failure: UpstreamFailure): void {
    this.#note('fail')
    this.failure = failure
    this.#wake()
  }

  get done(): boolean {
    return this.ended || this.failure !== undefined
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  /** Resolves when `met` holds, looked at whenever the sink is told something. */
  until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ met, resolve }))
  }

  #note(what: string): void {
    if (this.done) throw new Error(`${what} after the end`)
    this.log.push(what)
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.met()) waiting.resolve()
      else this.#waiting.push(waiting)
    }
  }
}

export function start(
  client: UpstreamClient,
  targeting: UpstreamTargeting,
  request: UpstreamRequest,
): RecordingSink & { readonly call: UpstreamCall } {
  const sink = new RecordingSink()
  return Object.assign(sink, { call: client.send(targeting, request, sink) })
}

export async function send(
  client: UpstreamClient,
  targeting: UpstreamTargeting,
  request: UpstreamRequest = requestOf(),
): Promise<Ending> {
  const sink = start(client, targeting, request)
  await sink.until(() => sink.done)
  const { call, status, headers, failure } = sink
  return { status, headers, body: sink.text, failure, call }
}

export interface RawServer {
  readonly port: number
  /** Every connection ever accepted. */
  readonly sockets: Socket[]
  /** Whole request heads, in order of arrival. */
  readonly requests: string[]
  close(): Promise<void>
}

/**
 * A server that speaks bytes. `onRequest` is called per request head; a request's body of known length is swallowed
 * first.
 */
export async function rawServer(
  onRequest: (socket: Socket, head: string, index: number) => void,
  onConnection: (socket: Socket) => void = () => undefined,
): Promise<RawServer> {
  const sockets: Socket[] = []
  const requests: string[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    onConnection(socket)
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (;;) {
        const end = text.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = text.slice(0, end)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (text.length < end + 4 + length) return
        text = text.slice(end + 4 + length)
        onRequest(socket, head, requests.push(head) - 1)
      }
    })
  })
  const port = await listen(server)
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => {
      server.close(() => resolve())
    })
  }
  onTestFinished(close)
  return { port, sockets, requests, close }
}

/** Listens on a free port of loopback. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP')
  return address.port
}

/** A port where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

export const answer = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`

/** Resolves names from a table that may change; counts the questions. */
export function tableLookup(table: Map<string, readonly string[]>): Lookup & { asked: number } {
  const lookup: Lookup & { asked: number } = Object.assign(
    ((hostname, callback) => {
      lookup.asked++
      const addresses = table.get(hostname)
      queueMicrotask(() => {
        if (addresses === undefined) {
          const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), {
            code: 'ENOTFOUND',
          })
          callback(error, [])
          return
        }
        callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )
      })
    }) satisfies Lookup,
    { asked: 0 },
  )
  return lookup
}

/** Waits for an event of an emitter-like thing; never for time. */
export function once(
  emitter: { once(event: string, listener: () => void): unknown },
  event: string,
): Promise<void> {
  return new Promise((resolve) => {
    emitter.once(event, () => resolve())
  })
}

/** Resolves when the client has no socket left: closing one takes a turn of the event loop. */
export async function noConnections(client: UpstreamClient): Promise<void> {
  while (client.connections() > 0) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
