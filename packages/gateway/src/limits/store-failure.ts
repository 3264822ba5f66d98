import type { Decision, Hold, Meter, MeterWindow, Remaining } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { reserveLocally, type LocalPart } from './reserve-locally.ts'
import type { LocalShares, ShareHold } from './local-shares.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import type { RemoteHold, RemoteMeter } from './remote-meter.ts'

export interface StoreFailureOptions {
  /** Exact for all threads of this process. */
  readonly memory: MemoryLedger
  /** For windows that the memory does not count. */
  readonly local: LocalShares
  readonly replicas: { readonly replicas: number }
  /** Threads of this process, each with a part of its share in `local`. */
  readonly threads: number
}

/** Decides while the shared store is away, as each meter's policy says. */
export class StoreFailure {
  readonly #memory: MemoryLedger
  readonly #local: LocalShares
  readonly #replicas: { readonly replicas: number }
  readonly #threads: number
  /** This process's share of a meter's limit, by meter. */
  readonly #shares = new WeakMap<RemoteMeter, { readonly limit: number; readonly meter: Meter }>()

  constructor({ memory, local, replicas, threads }: StoreFailureOptions) {
    this.#memory = memory
    this.#local = local
    this.#replicas = replicas
    this.#threads = threads
  }

  /** @throws {GatewayError} `limit_store_unavailable` when a meter's policy is to deny. */
  decide(holds: readonly RemoteHold[], cause: unknown): Decision {
    const meters: Remaining[] = []
    const shares: Hold[] = []
    const places: number[] = []
    const apart: ShareHold[] = []
    const apartPlaces: number[] = []
    for (const [place, hold] of holds.entries()) {
      const { onFailure } = hold.meter.store
      if (onFailure === 'deny') throw new GatewayError('limit_store_unavailable', {}, { cause })
      meters.push(unknownState(hold.meter))
      if (onFailure === 'allow') continue
      if (!isCountedInMemory(hold.meter.definition.window)) {
        apart.push(this.#shareApart(hold))
        apartPlaces.push(place)
        continue
      }
      shares.push({ meter: this.#share(hold.meter), scope: hold.scope, amount: hold.amount })
      places.push(place)
    }
    const parts: LocalPart[] = []
    if (shares.length > 0) parts.push({ places, reserve: () => this.#memory.reserve(shares) })
    if (apart.length > 0)
      parts.push({ places: apartPlaces, reserve: () => this.#local.reserve(apart) })
    return reserveLocally(parts, meters)
  }

  #shareApart({ meter: { definition }, scope, amount }: RemoteHold): ShareHold {
    const among = this.#replicas.replicas * this.#threads
    return {
      id: definition.id,
      scope,
      amount,
      window: shareOf(definition.window, among),
      limit: portion(definition.limit, among),
      isSilent: definition.mode === 'report',
    }
  }

  #share(meter: RemoteMeter): Meter {
    const { definition } = meter
    const limit = portion(definition.limit, this.#replicas.replicas)
    const known = this.#shares.get(meter)
    if (known?.limit === limit) return known.meter
    const share = this.#memory.meter({
      id: `share:${definition.id}`,
      quantity: definition.quantity,
      window: shareOf(definition.window, this.#replicas.replicas),
      limit,
      mode: definition.mode,
    })
    this.#shares.set(meter, { limit, meter: share })
    return share
  }
}

/** What is said of a meter that nobody can ask. */
export function unknownState({ definition: { limit } }: Meter): Remaining {
  return { limit, remaining: 0, used: 0, resetMs: 0, unknown: true }
}

/** At least 1: a limit smaller than the number of replicas would otherwise admit nobody at all. */
function portion(limit: number, replicas: number): number {
  return Math.max(1, Math.floor(limit / replicas))
}

function shareOf(window: MeterWindow, replicas: number): MeterWindow {
  return window.kind === 'gcra' ? { ...window, burst: portion(window.burst, replicas) } : window
}

/** Windows of the UTC calendar but weeks. */
function isCountedInMemory(window: MeterWindow): boolean {
  return window.kind === 'calendar' && window.timeZone === undefined && window.period !== 'week'
}
