import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { AddressPolicy } from './address-policy.ts'
import { codeOf, UpstreamFault } from './fault.ts'
import { openTunnel } from './proxy-tunnel.ts'
import type { ResolvedAddress, Resolver } from './resolver.ts'
import { authority, type Endpoint, type Route } from './route.ts'
import { toTlsOptions, type TlsSettings } from './tls-settings.ts'

export interface DialOptions {
  readonly resolver: Resolver
  readonly isAllowedAddress: AddressPolicy
  /** Trust for a proxy that is itself reached over TLS. */
  readonly proxyTls: TlsSettings
  /** For TCP, proxy and TLS handshakes together; resolving has its own limit. */
  readonly timeoutMs: number
  /** A ticket of an earlier connection of the same route. */
  readonly session: Buffer | undefined
  readonly onSession: (session: Buffer) => void
}

export type DialResult =
  | { readonly socket: Socket; readonly address: string; readonly error?: undefined }
  | { readonly socket?: undefined; readonly error: UpstreamFault }

/** With more addresses to try, one that does not answer is given up this soon. */
const NEXT_ADDRESS_AFTER_MS = 1_000
/** When the kernel starts asking an idle peer whether it still lives; a dead one is noticed without a request. */
const TCP_KEEPALIVE_MS = 30_000

/**
 * Opens one connection along a route: resolves, checks every address right before it connects (S16), connects, passes
 * a proxy, speaks TLS. Never falls back to less than the route asks for (F42).
 */
export class Dial {
  readonly #route: Route
  readonly #options: DialOptions
  #callback: ((result: DialResult) => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #addressTimer: NodeJS.Timeout | undefined
  #socket: Socket | undefined
  #deadlineMs = 0
  #phase: 'tcp' | 'proxy' | 'tls' = 'tcp'

  /** @param callback at most once: not after `cancel`, and never while the constructor runs. */
  constructor(route: Route, options: DialOptions, callback: (result: DialResult) => void) {
    this.#route = route
    this.#options = options
    this.#callback = callback
    queueMicrotask(this.#start)
  }

  /** Closes what was opened. */
  cancel(): void {
    this.#callback = undefined
    this.#stopTimers()
    this.#socket?.destroy()
    this.#socket = undefined
  }

  readonly #start = (): void => {
    if (this.#callback === undefined) return
    const { destination, proxy } = this.#route
    // A proxy resolves the name itself; an address given as such can still be judged here.
    if (proxy !== undefined && !this.#isAllowed(canonicalHost(destination.host))) {
      this.#fail(forbidden(destination))
      return
    }
    const endpoint: Endpoint = proxy ?? destination
    const family = isIP(endpoint.host)
    if (family !== 0) {
      this.#connectAny(endpoint, [{ address: endpoint.host, family: family === 6 ? 6 : 4 }])
      return
    }
    this.#options.resolver.resolve(endpoint.host, (error, addresses) => {
      if (this.#callback === undefined) return
      if (error === undefined) this.#connectAny(endpoint, addresses)
      else this.#fail(error)
    })
  }

  #isAllowed(host: string): boolean {
    return isIP(host) === 0 || this.#options.isAllowedAddress(host)
  }

  #connectAny(endpoint: Endpoint, addresses: readonly ResolvedAddress[]): void {
    const allowed = addresses.filter(({ address }) => this.#isAllowed(address))
    if (allowed.length === 0) {
      this.#fail(forbidden(endpoint))
      return
    }
    const { timeoutMs } = this.#options
    this.#deadlineMs = performance.now() + timeoutMs
    this.#timer = setTimeout(this.#expire, timeoutMs)
    this.#connect(endpoint, allowed, 0)
  }

  #connect(endpoint: Endpoint, addresses: readonly ResolvedAddress[], index: number): void {
    const candidate = addresses[index]
    if (candidate === undefined) return
    const { address } = candidate
    const socket = connectTcp({
      host: address,
      port: endpoint.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    })
    this.#socket = socket
    const next = (error: Error): void => {
      if (this.#socket !== socket) return
      clearTimeout(this.#addressTimer)
      socket.destroy()
      if (index + 1 < addresses.length) this.#connect(endpoint, addresses, index + 1)
      else this.#fail(unreachable(endpoint, address, error))
    }
    socket.on('error', next)
    const left = addresses.length - index
    if (left > 1) {
      const shareMs = Math.max(1, (this.#deadlineMs - performance.now()) / left)
      this.#addressTimer = setTimeout(
        next,
        Math.min(shareMs, NEXT_ADDRESS_AFTER_MS),
        new Error('connect timeout'),
      )
    }
    socket.once('connect', () => {
      clearTimeout(this.#addressTimer)
      socket.off('error', next)
      this.#connected(socket, address)
    })
  }

  #connected(socket: Socket, address: string): void {
    // Whoever takes the socket over adds its own listeners; an error in between must not be an uncaught one.
    socket.on('error', this.#onError)
    socket.once('close', this.#onClose)
    const { proxy } = this.#route
    if (proxy === undefined) {
      this.#secure(socket, address)
      return
    }
    this.#phase = 'proxy'
    if (!proxy.secure) {
      this.#passProxy(socket, address)
      return
    }
    const isName = isIP(proxy.host) === 0
    this.#handshake(socket, this.#options.proxyTls, proxy.host, isName, (secured) => {
      this.#passProxy(secured, address)
    })
  }

  #passProxy(socket: Socket, address: string): void {
    const { destination, proxy, tls } = this.#route
    if (proxy === undefined || tls === undefined) {
      this.#succeed(socket, address)
      return
    }
    const to = authority(destination.host, destination.port)
    openTunnel(socket, to, proxy.authorization, (error) => {
      if (error === undefined) this.#secure(socket, address)
      else this.#fail(error)
    })
  }

  #secure(socket: Socket, address: string): void {
    const { tls } = this.#route
    if (tls === undefined) {
      this.#succeed(socket, address)
      return
    }
    this.#phase = 'tls'
    this.#handshake(socket, tls.settings, tls.identity, tls.isName, (secured) => {
      this.#succeed(secured, address)
    })
  }

  #handshake(
    socket: Socket,
    settings: TlsSettings,
    identity: string,
    isName: boolean,
    done: (secured: Socket) => void,
  ): void {
    let options: ConnectionOptions
    try {
      options = toTlsOptions(settings, identity, isName)
    } catch (cause) {
      const message = 'the certificates configured for this upstream cannot be used'
      this.#fail(new UpstreamFault('upstream_tls_error', message, { cause }))
      return
    }
    const ours = this.#phase === 'tls'
    const { session } = this.#options
    const secured = connectTls({
      ...options,
      socket,
      ...(ours && session !== undefined && { session }),
    })
    secured.on('error', this.#onError)
    if (ours) secured.on('session', this.#options.onSession)
    this.#socket = secured
    secured.once('secureConnect', () => done(secured))
  }

  readonly #onError = (error: Error): void => {
    if (this.#callback === undefined) return
    const message = `${this.#phase === 'tls' ? 'TLS handshake' : 'connection through the proxy'} failed`
    this.#fail(new UpstreamFault(faultOf(this.#phase, error), message, { cause: error }))
  }

  readonly #onClose = (): void => {
    this.#onError(Object.assign(new Error('connection closed'), { code: 'ECONNRESET' }))
  }

  readonly #expire = (): void => {
    const { destination, proxy } = this.#route
    const { host, port } = proxy ?? destination
    const message = `no connection to ${authority(host, port)} in ${this.#options.timeoutMs} ms (${this.#phase})`
    this.#fail(new UpstreamFault('upstream_connect_timeout', message))
  }

  #succeed(socket: Socket, address: string): void {
    const callback = this.#callback
    this.#callback = undefined
    this.#stopTimers()
    callback?.({ socket, address })
    // The connection listens for itself now; an open stream need not carry this object for hours.
    socket.off('error', this.#onError)
    socket.off('close', this.#onClose)
  }

  #fail(error: UpstreamFault): void {
    const callback = this.#callback
    this.cancel()
    callback?.({ error })
  }

  #stopTimers(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#addressTimer)
  }
}

/** A connection that just breaks during a handshake may work the next time; a certificate that is wrong stays wrong. */
function faultOf(phase: 'tcp' | 'proxy' | 'tls', error: Error): UpstreamFault['fault'] {
  if (phase !== 'tls') return 'upstream_unreachable'
  const code = codeOf(error)
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'upstream_reset' : 'upstream_tls_error'
}

function forbidden({ host, port }: Endpoint): UpstreamFault {
  const message = `${authority(host, port)} leads to an address that must not be connected to`
  return new UpstreamFault('upstream_forbidden_address', message)
}

function unreachable({ port }: Endpoint, address: string, cause: Error): UpstreamFault {
  const message = `cannot connect to ${authority(address, port)}`
  const timedOut = codeOf(cause) === 'ETIMEDOUT'
  return new UpstreamFault(
    timedOut ? 'upstream_connect_timeout' : 'upstream_unreachable',
    message,
    { cause },
  )
}

/** `0xa9fea9fe`, `2852039166` and `169.254.43518` are addresses to most resolvers: written out as such. */
function canonicalHost(host: string): string {
  if (isIP(host) !== 0) return host
  const url = `http://${host}/`
  return URL.canParse(url) ? new URL(url).hostname : host
}
