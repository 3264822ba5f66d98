import type { UpstreamTargeting } from './contract.ts'
import { createWeightedRoundRobin, type Balancer } from './balancer.ts'
import type { Network } from './network.ts'
import { Pool } from './pool.ts'
import { createRoute, type Route, type RouteRules } from './route.ts'
import type { TlsSettingsCache } from './tls-settings.ts'

/** Balancer states kept for services that are gone; losing one costs nothing but its turn. */
const MAX_SERVICES = 65_536
/** Pools for preserved hosts that one service remembers; a client chooses those names. */
const MAX_PRESERVED_HOSTS = 256

/** One service's way to its targets: the balancer of its key, and the pool of each target. */
export interface UpstreamService {
  readonly balancer: Balancer
  /** @param host `Host` to send instead of the target's. */
  pool(targetIndex: number, host: string | undefined): Pool | undefined
}

/** All pools of the process, shared by every service whose requests may use the same connections. */
export class Pools {
  readonly #network: Network
  readonly #rules: RouteRules
  readonly #tls: TlsSettingsCache
  readonly #pools = new Map<string, Pool>()
  readonly #balancers = new Map<string, Balancer>()
  /** By configuration object: a snapshot's targetings are looked up for every request. */
  readonly #services = new WeakMap<UpstreamTargeting, UpstreamService>()

  constructor(network: Network, rules: RouteRules, tls: TlsSettingsCache) {
    this.#network = network
    this.#rules = rules
    this.#tls = tls
  }

  /** Pools that have a connection. */
  [Symbol.iterator](): IterableIterator<Pool> {
    return this.#pools.values()
  }

  service(targeting: UpstreamTargeting): UpstreamService {
    const known = this.#services.get(targeting)
    if (known !== undefined) return known
    const service: UpstreamService = {
      balancer: this.#balancer(targeting),
      pool: this.#poolsOf(targeting),
    }
    this.#services.set(targeting, service)
    return service
  }

  #balancer(targeting: UpstreamTargeting): Balancer {
    const balancers = this.#balancers
    const balancer = createWeightedRoundRobin(targeting.targets, balancers.get(targeting.key))
    balancers.delete(targeting.key)
    if (balancers.size >= MAX_SERVICES) {
      for (const oldest of balancers.keys()) {
        balancers.delete(oldest)
        break
      }
    }
    balancers.set(targeting.key, balancer)
    return balancer
  }

  #poolsOf(targeting: UpstreamTargeting): UpstreamService['pool'] {
    const tls = this.#tls.get(targeting.tls)
    const own: Pool[] = []
    const preserved = new Map<string, Pool>()
    return (index, host) => {
      const target = targeting.targets[index]
      if (target === undefined) return undefined
      const create = (sent: string): Pool =>
        new Pool(createRoute(this.#rules, targeting.scheme, target, sent, tls), this.#network)
      if (host === undefined || host === target.hostHeader) {
        return (own[index] = this.#listed(own[index] ?? create(target.hostHeader)))
      }
      const name = `${index} ${host}`
      const known = preserved.get(name)
      if (known === undefined && preserved.size >= MAX_PRESERVED_HOSTS) preserved.clear()
      const pool = this.#listed(known ?? create(host))
      if (pool !== known) preserved.set(name, pool)
      return pool
    }
  }

  /** A pool leaves the list with its last connection; then whoever needs it next brings his own, or joins another's. */
  #listed(pool: Pool): Pool {
    if (pool.connections.size > 0) return pool
    const { key } = pool.route
    const listed = this.#pools.get(key)
    if (listed !== undefined) return listed
    this.#pools.set(key, pool)
    return pool
  }

  forget(route: Route): void {
    if (this.#pools.get(route.key)?.route === route) this.#pools.delete(route.key)
  }
}
