import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Client as UndiciClient, Dispatcher } from 'undici'
import { Dial } from './dial.ts'
import { UpstreamFault } from './fault.ts'
import type { Network } from './network.ts'
import type { Route } from './route.ts'
import { Client } from './undici.ts'

/** The pool, as a connection sees it. */
export interface ConnectionOwner {
  readonly route: Route
  readonly network: Network
  /** Of the latest TLS session: saves the next connection half the handshake. */
  session: Buffer | undefined
  /** The connection has served its request. */
  release(connection: Connection): void
  /** The connection is gone. */
  forget(connection: Connection): void
}

/** What a connection tells the call that uses it. */
export interface ConnectionUser extends Dispatcher.DispatchHandler {
  /** The limit given to `arm` has passed. */
  onTimer(): void
  /** Ends from our side, as when the process stops. */
  abandon(fault: UpstreamFault): void
}

type ConnectCallback = (...args: [null, Socket] | [Error, null]) => void

/** undici wants an origin; where we connect to is the route's business alone. */
const ORIGIN = new URL('http://upstream.invalid')
/** Longest delay of a Node timer. */
const MAX_TIMER_MS = 2_147_483_647
/** Servers close a little early; a hint of `Keep-Alive: timeout=n` is taken with this much caution. */
const KEEPALIVE_MARGIN_MS = 1_500

/**
 * One connection and the undici client that speaks HTTP/1.1 over it: never more than one request at a time, so that the
 * pool knows which connection serves which call, whether it was used before, and can close it alone.
 */
export class Connection {
  readonly #pool: ConnectionOwner
  readonly #client: UndiciClient
  #dial: Dial | undefined
  #socket: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #armed = false
  #closed = false
  #openedAtMs = 0
  /** The limit that was armed last. */
  timerMs = 0
  /** Who uses it now. */
  call: ConnectionUser | undefined
  /** Requests that this socket has answered. */
  served = 0
  /** For the next connect; set by the call that may cause it. */
  connectTimeoutMs = 0
  /** The address at the other end; `undefined` until connected. */
  address: string | undefined
  /** Its address is no longer the route's: finish and close. */
  retired = false
  /** The socket's own error; undici takes a reset for the end of a response that has no length. */
  lost: Error | undefined

  constructor(pool: ConnectionOwner) {
    this.#pool = pool
    const { settings } = pool.network
    this.#client = new Client(ORIGIN, {
      connect: (_options, callback: ConnectCallback) => this.#connect(callback),
      pipelining: 1,
      maxHeaderSize: settings.maxHeaderBytes,
      keepAliveTimeout: settings.keepaliveIdleTimeoutMs,
      keepAliveMaxTimeout: settings.keepaliveIdleTimeoutMs,
      keepAliveTimeoutThreshold: KEEPALIVE_MARGIN_MS,
      maxRequestsPerClient: settings.keepaliveMaxRequests,
      // Our own timers: undici's are late by up to a second.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#client.on('disconnect', this.#onDisconnect)
    // Not in undici's types: what a handler threw while it was told of an error.
    const emitter: EventEmitter = this.#client
    emitter.on('error', pool.network.onDefect)
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  /** Too old to be given another request (F40). */
  get expired(): boolean {
    if (this.#closed) return true
    const { clock, settings } = this.#pool.network
    return this.#openedAtMs !== 0 && clock.monotonic() - this.#openedAtMs >= settings.maxAgeMs
  }

  /** Bytes of the request that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  /** Whether the upstream takes no more of the request for now. */
  get blocked(): boolean {
    return this.#socket?.writableNeedDrain ?? false
  }

  dispatch(options: Dispatcher.DispatchOptions, call: ConnectionUser): void {
    this.call = call
    this.#client.dispatch(options, call)
  }

  /** Calls the user's `onTimer` after `ms`, unless armed again or disarmed before. */
  arm(ms: number): void {
    this.#armed = true
    if (this.#timer !== undefined && this.timerMs === ms) {
      this.#timer.refresh()
      return
    }
    clearTimeout(this.#timer)
    this.timerMs = ms
    this.#timer = setTimeout(this.#onTimer, Math.min(ms, MAX_TIMER_MS)).unref()
  }

  /** The timer itself keeps running: restarting it is cheaper than making a new one for every request. */
  disarm(): void {
    this.#armed = false
  }

  readonly #onTimer = (): void => {
    if (!this.#armed) return
    this.#armed = false
    this.call?.onTimer()
  }

  /** The response is complete: the pool may have the connection back. */
  release(): void {
    this.#armed = false
    this.call = undefined
    this.served++
    this.#pool.release(this)
  }

  /** Closes at once, whatever is under way. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#armed = false
    this.call = undefined
    clearTimeout(this.#timer)
    this.#dial?.cancel()
    this.#socket?.destroy()
    this.#pool.forget(this)
    // Not now: undici may be in the middle of telling us about this very connection.
    queueMicrotask(() => {
      this.#client.destroy(new UpstreamFault('upstream_reset', 'closed by the gateway'), ignore)
    })
  }

  /** undici asks for a socket: for the first request, or for one that was waiting when the former socket died. */
  #connect(callback: ConnectCallback): void {
    const { network, route } = this.#pool
    this.served = 0
    this.address = undefined
    this.lost = undefined
    this.retired = false
    this.#dial = new Dial(
      route,
      {
        resolver: network.resolver,
        isAllowedAddress: network.isAllowedAddress,
        proxyTls: network.proxyTls,
        timeoutMs: this.connectTimeoutMs,
        session: this.#pool.session,
        onSession: (session) => {
          this.#pool.session = session
        },
      },
      (result) => {
        this.#dial = undefined
        if (result.error !== undefined) {
          callback(result.error, null)
          return
        }
        const { socket } = result
        this.#socket = socket
        this.address = result.address
        this.#openedAtMs = network.clock.monotonic()
        network.opened()
        socket.on('error', (error) => {
          this.lost = error
        })
        socket.once('close', network.lost)
        callback(null, socket)
      },
    )
  }

  readonly #onDisconnect = (): void => {
    this.#socket = undefined
    // A call that is still here has a request waiting, for which undici connects again.
    if (this.call === undefined) this.close()
  }
}

function ignore(): void {
  // undici reports the completed destruction here; the socket was destroyed before.
}
