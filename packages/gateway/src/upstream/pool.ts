import { Connection, type ConnectionOwner } from './connection.ts'
import { isIP } from 'node:net'
import type { UpstreamFault } from './fault.ts'
import type { Network } from './network.ts'
import type { Route } from './route.ts'

/**
 * The connections of one route. Idle ones are kept in a stack, so that the most recently used, which the upstream is
 * least likely to have closed, is taken first and the rest can expire. Their number in use is not limited: a stream may
 * last for minutes, and whoever waits behind it would wait as long (Kong's pool size counts idle ones, kong.md §5).
 */
export class Pool implements ConnectionOwner {
  readonly route: Route
  readonly network: Network
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  /** What may resolve to something else tomorrow. */
  readonly #name: string | undefined
  session: Buffer | undefined

  constructor(route: Route, network: Network) {
    this.route = route
    this.network = network
    const { host } = route.proxy ?? route.destination
    this.#name = isIP(host) === 0 ? host : undefined
  }

  get connections(): ReadonlySet<Connection> {
    return this.#all
  }

  /** @param fresh never an idle connection: for the retry after one had gone stale (F39). */
  acquire(fresh: boolean): Connection {
    if (!fresh) {
      let connection = this.#idle.pop()
      if (connection !== undefined && this.#name !== undefined) {
        this.network.resolver.refresh(this.#name)
      }
      while (connection !== undefined) {
        if (!connection.expired) return connection
        connection.close()
        connection = this.#idle.pop()
      }
    }
    const connection = new Connection(this)
    this.#all.add(connection)
    return connection
  }

  release(connection: Connection): void {
    if (connection.retired || this.network.closing) {
      connection.close()
      return
    }
    this.#idle.push(connection)
    if (this.#idle.length > this.network.settings.keepalivePoolSize) this.#idle.shift()?.close()
  }

  forget(connection: Connection): void {
    this.#all.delete(connection)
    const index = this.#idle.indexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
    if (this.#all.size === 0) this.network.emptied(this.route)
  }

  /** `host` moved: closes idle connections to other addresses, lets busy ones finish (F41). @returns how many. */
  retireOthers(host: string, addresses: ReadonlySet<string>): number {
    let retired = 0
    if (this.#name !== host) return retired
    for (const connection of this.#all) {
      const { address } = connection
      if (address === undefined || addresses.has(address)) continue
      retired++
      connection.retired = true
      if (connection.call === undefined) connection.close()
    }
    return retired
  }

  /** Ends the calls that are still under way. */
  abandon(fault: UpstreamFault): void {
    for (const connection of this.#all) {
      if (connection.call === undefined) connection.close()
      else connection.call.abandon(fault)
    }
  }

  closeIdle(): void {
    while (this.#idle.length > 0) this.#idle.pop()?.close()
  }
}
