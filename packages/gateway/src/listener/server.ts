import { createServer, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '../config/index.ts'
import type { ErrorCode } from '../errors/index.ts'
import type { BodyPace } from './body-reader.ts'
import type { ChunkedLimits } from './chunked-decoder.ts'
import { ClientAddress } from './client-address.ts'
import { Connection } from './connection.ts'
import type { ConnectionHub } from './connection-hub.ts'
import { IdleCloser } from './idle-closer.ts'
import type {
  Listener,
  ListenerOptions,
  RefusalPhase,
  RefusedRequest,
  RequestListener,
} from './options.ts'
import type { BodyLimits } from './request-body.ts'

/** Time limits are checked this often; shorter only where a limit is shorter. */
const TICK_MS = 500
const SHORTEST_TICK_MS = 10

const DEFAULT_LINGER_MS = 2000
const DEFAULT_LINGER_BYTES = 4 * 1024 * 1024
const EXTENSION_BYTES = 16 * 1024

/** What clients are told is this much shorter than what we do, so that they stop reusing a connection first (F11). */
const KEEP_ALIVE_MARGIN_SECONDS = 3

/** Connections above the cap that are heard out, one request each (F13). */
const RESERVED_CONNECTIONS = 64

/** Of the files that a listener may open, those that are neither client nor upstream sockets (F14). */
const OTHER_FILES = 64

const BACKLOG = 4096

/** A port that is never quiet is closed after so many turns of the event loop all the same. */
const LAST_TURNS = 20

/** An idle peer that vanished without a word is found by the kernel in about 40 s (F16). */
const TCP_KEEP_ALIVE_MS = 30_000

/** Makes a listener; nothing is bound before `listen`. @throws {RangeError} for an entry of `trustedIps` that is no address. */
export function createListener(options: ListenerOptions, onRequest: RequestListener): Listener {
  return new HttpListener(options, onRequest)
}

class HttpListener implements Listener, ConnectionHub {
  readonly options: ListenerOptions
  readonly onRequest: RequestListener
  readonly clientAddress: ClientAddress
  readonly bodyLimits: BodyLimits
  readonly bodyPace: BodyPace
  readonly chunkedLimits: ChunkedLimits
  readonly lingerMs: number
  readonly lingerBytes: number
  readonly keepAliveLines: string
  nowMs = performance.now()
  dateLine = ''
  port = 0
  draining = false
  readonly idleCloser = new IdleCloser()
  accepted = 0
  received = 0
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  /** Those above the cap, oldest first. */
  readonly #reserved = new Set<Connection>()
  readonly #maxConnections: number
  readonly #tickMs: number
  #ticker: NodeJS.Timeout | undefined
  #tickedMs = this.nowMs
  #activeRequests = 0
  #dateSecond = 0
  #onEmpty: (() => void) | undefined

  constructor(options: ListenerOptions, onRequest: RequestListener) {
    const { limits } = options
    this.options = options
    this.onRequest = onRequest
    this.clientAddress = new ClientAddress(
      options.trustedIps,
      options.realIpHeader,
      options.realIpRecursive,
    )
    this.bodyLimits = {
      memory: options.memory,
      maxBytes: options.bodyLimitBytes ?? Math.max(limits.bodyBytes, limits.aiBodyBytes),
      jsonDepth: limits.jsonDepth,
      jsonMembers: limits.jsonMembers,
    }
    this.bodyPace = {
      timeoutMs: limits.bodyTimeoutMs,
      graceMs: limits.bodyGraceMs,
      floorBytesPerSecond: limits.bodyFloorBytesPerSecond,
    }
    this.chunkedLimits = {
      trailerBytes: limits.headerBytes,
      trailerFields: limits.headerFields,
      extensionBytes: EXTENSION_BYTES,
    }
    this.lingerMs = options.lingerMs ?? DEFAULT_LINGER_MS
    this.lingerBytes = options.lingerBytes ?? DEFAULT_LINGER_BYTES
    const toldSeconds = Math.max(
      1,
      Math.floor(limits.keepAliveTimeoutMs / 1000) - KEEP_ALIVE_MARGIN_SECONDS,
    )
    this.keepAliveLines = `Connection: keep-alive\r\nKeep-Alive: timeout=${toldSeconds}\r\n`
    this.#maxConnections = connectionCap(limits.maxConnections, options.openFiles)
    this.#tickMs = tickFor([
      limits.headersTimeoutMs,
      limits.bodyTimeoutMs,
      limits.bodyGraceMs,
      limits.keepAliveTimeoutMs,
      limits.writeStallMs,
      this.lingerMs,
    ])
    this.#server = createServer(
      // Half-open: a client may close its sending side and still read its answer (F07).
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      },
      (socket) => this.#accept(socket),
    )
  }

  get connections(): number {
    return this.#connections.size
  }

  get activeRequests(): number {
    return this.#activeRequests
  }

  listen(address: ListenAddress): Promise<ListenAddress> {
    const { host, port } = address
    const reusePort = this.options.reusePort ?? false
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: BACKLOG, reusePort }, () => {
        this.#server.off('error', reject)
        resolve({ host, port: this.#listening(port) })
      })
    })
  }

  #listening(wantedPort: number): number {
    // Accepting can fail while files are short (F14); the next connection tries again.
    this.#server.on('error', (error) => this.defect(error))
    const bound = this.#server.address()
    this.port = typeof bound === 'object' && bound !== null ? bound.port : wantedPort
    this.#tick()
    this.#ticker = setInterval(() => this.#tick(), this.#tickMs)
    this.#ticker.unref()
    return this.port
  }

  drain(): void {
    this.draining = true
  }

  stopAccepting(): void {
    this.draining = true
    this.#closeAfter(LAST_TURNS)
  }

  /** Connections that wait to be accepted would be reset: waits for a turn of the event loop that brought none. */
  #closeAfter(turns: number): void {
    const { accepted } = this
    setImmediate(() => {
      if (this.accepted !== accepted && turns > 1) this.#closeAfter(turns - 1)
      else this.#server.close()
    })
  }

  async close(graceMs: number): Promise<void> {
    this.stopAccepting()
    for (const connection of this.#connections) connection.closeIfIdle()
    const graceOver = setTimeout(() => this.destroyAll(), graceMs)
    await this.#empty()
    clearTimeout(graceOver)
    clearInterval(this.#ticker)
  }

  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  requestReceived(): void {
    this.received++
  }

  requestStarted(): void {
    this.#activeRequests++
  }

  requestEnded(): void {
    this.#activeRequests--
  }

  refused(code: ErrorCode, phase: RefusalPhase, request?: RefusedRequest): void {
    this.options.onRefused?.(code, phase, request)
  }

  defect(error: unknown): void {
    this.options.onDefect?.(error)
  }

  readonly #onClosed = (connection: Connection): void => {
    this.#connections.delete(connection)
    this.#reserved.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  #empty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onEmpty = resolve
    })
  }

  #accept(socket: Socket): void {
    this.nowMs = performance.now()
    this.accepted++
    const reserved = this.#connections.size - this.#reserved.size >= this.#maxConnections
    if (reserved && !this.#makeRoom()) {
      socket.destroy()
      return
    }
    const connection = new Connection(socket, this, reserved, this.#onClosed)
    this.#connections.add(connection)
    if (reserved) this.#reserved.add(connection)
  }

  /** A reserved place goes to the newest: whoever asks for health does so at once, a flood only connects. */
  #makeRoom(): boolean {
    if (this.#reserved.size < RESERVED_CONNECTIONS) return true
    for (const connection of this.#reserved) {
      if (!connection.idle) continue
      this.#reserved.delete(connection)
      connection.destroy()
      return true
    }
    return false
  }

  #tick(): void {
    const nowMs = performance.now()
    const late = nowMs - this.#tickedMs > 2 * this.#tickMs
    this.#tickedMs = nowMs
    this.nowMs = nowMs
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#dateSecond) {
      this.#dateSecond = second
      this.dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`
    }
    // After a stall of ours, what clients sent in time is still unread: judge them at the next tick.
    if (late) return
    for (const connection of this.#connections) connection.tick(nowMs)
  }
}

/** Every request may need one more socket, to its upstream. */
function connectionCap(maxConnections: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return maxConnections
  const sockets = openFiles - OTHER_FILES - RESERVED_CONNECTIONS
  return Math.min(maxConnections, Math.max(1, Math.floor(sockets / 2)))
}

function tickFor(limitsMs: readonly number[]): number {
  return Math.max(SHORTEST_TICK_MS, Math.min(TICK_MS, Math.floor(Math.min(...limitsMs) / 5)))
}
