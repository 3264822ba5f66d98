import type { Clock } from '@pratu/plugin-kit'
import type { UpstreamSettings } from '../config/index.ts'
import { isAllowedAddress, type AddressPolicy } from './address-policy.ts'
import { Call } from './call.ts'
import type { CallContext } from './call-context.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
  UpstreamSink,
  UpstreamTargeting,
} from './contract.ts'
import type { OnUpstreamEvent } from './events.ts'
import { shuttingDown } from './fault.ts'
import type { Network } from './network.ts'
import { Pools } from './pools.ts'
import { createProxyRules } from './proxy-rules.ts'
import { lookupBySystem, Resolver, type Lookup } from './resolver.ts'
import { parseOverrides, type Route } from './route.ts'
import { TlsSettingsCache } from './tls-settings.ts'

export interface UpstreamClientOptions {
  readonly settings: UpstreamSettings
  /** How names are resolved; the system's way when absent. */
  readonly lookup?: Lookup
  readonly clock?: Clock
  /** Which addresses may be connected to; by default all but link-local ones (S16). */
  readonly isAllowedAddress?: AddressPolicy
  /** Must not throw. Overrides are reported while the client is created. */
  readonly onEvent?: OnUpstreamEvent
}

/** NAT gateways forget a silent connection after a minute or so, and a service's addresses move (F40). */
const MAX_IDLE_MS = 55_000
const MAX_AGE_MS = 300_000

const SYSTEM_CLOCK: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/**
 * The one way out of the process over HTTP: connection pools, balancing, retries, timeouts, TLS, proxies.
 *
 * @throws {Error} when an override or a proxy URL of the settings cannot be used; the message says which and why, and
 *   holds no credential.
 */
export function createUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  return new PooledUpstreamClient(options)
}

class PooledUpstreamClient implements UpstreamClient, Network, CallContext {
  readonly settings: UpstreamSettings
  readonly clock: Clock
  readonly isAllowedAddress: AddressPolicy
  readonly onEvent: OnUpstreamEvent
  readonly resolver: Resolver
  readonly proxyTls: Network['proxyTls']
  readonly keepAlive: boolean
  closing = false
  readonly #pools: Pools
  #active = 0
  #sockets = 0
  #onAllSettled: (() => void) | undefined

  constructor(options: UpstreamClientOptions) {
    const { settings } = options
    this.settings = {
      ...settings,
      keepaliveIdleTimeoutMs: withCeiling(settings.keepaliveIdleTimeoutMs, MAX_IDLE_MS),
      maxAgeMs: withCeiling(settings.maxAgeMs, MAX_AGE_MS),
    }
    this.clock = options.clock ?? SYSTEM_CLOCK
    this.isAllowedAddress = options.isAllowedAddress ?? isAllowedAddress
    this.onEvent = options.onEvent ?? (() => undefined)
    this.keepAlive = settings.keepalivePoolSize > 0
    this.resolver = new Resolver({
      lookup: options.lookup ?? lookupBySystem,
      clock: this.clock,
      timeoutMs: settings.dnsTimeoutMs,
      ttlMs: settings.dnsTtlMs,
      staleMs: settings.dnsStaleMs,
      onChange: (host, addresses) => this.#retire(host, addresses),
      onFailure: (host, error, lastGoodUsed) => {
        this.onEvent({ kind: 'resolution-failed', host, error, lastGoodUsed })
      },
    })
    const tls = new TlsSettingsCache(settings.caBundle)
    this.proxyTls = tls.get()
    const overrides = parseOverrides(settings.overrides)
    this.#pools = new Pools(this, { overrides, proxies: createProxyRules(settings) }, tls)
    for (const [from, to] of overrides) this.onEvent({ kind: 'override', from, to })
  }

  send(targeting: UpstreamTargeting, request: UpstreamRequest, sink: UpstreamSink): UpstreamCall {
    const call = new Call(this, this.#pools.service(targeting), targeting, request, sink)
    this.#active++
    call.start()
    return call
  }

  connections(): number {
    return this.#sockets
  }

  async close(graceMs: number): Promise<void> {
    this.closing = true
    for (const pool of this.#pools) pool.closeIdle()
    if (this.#active > 0) await this.#allSettled(graceMs)
    for (const pool of this.#pools) pool.abandon(shuttingDown())
  }

  #allSettled(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs)
      this.#onAllSettled = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  finished(): void {
    this.#active--
    if (this.closing && this.#active === 0) this.#onAllSettled?.()
  }

  opened(): void {
    this.#sockets++
  }

  readonly lost = (): void => {
    this.#sockets--
  }

  emptied(route: Route): void {
    this.#pools.forget(route)
  }

  readonly onDefect = (error: Error): void => {
    this.onEvent({ kind: 'defect', error })
  }

  #retire(host: string, addresses: readonly string[]): void {
    const current = new Set(addresses)
    let retired = 0
    for (const pool of this.#pools) retired += pool.retireOthers(host, current)
    this.onEvent({ kind: 'addresses-changed', host, addresses, retired })
  }
}

/** A limit of 0 stands for none, which there is not (kong.md §5). */
function withCeiling(ms: number, ceilingMs: number): number {
  return ms > 0 ? Math.min(ms, ceilingMs) : ceilingMs
}
