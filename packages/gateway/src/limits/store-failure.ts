import type { Decision, Hold, Meter, MeterWindow, Remaining } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { reserveLocally } from './reserve-locally.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import type { RemoteHold, RemoteMeter } from './remote-meter.ts'

export interface StoreFailureOptions {
  /** Exact for all threads of this process. */
  readonly memory: MemoryLedger
  readonly replicas: { readonly replicas: number }
}

/** Decides while the shared store is away, as each meter's policy says. */
export class StoreFailure {
  readonly #memory: MemoryLedger
  readonly #replicas: { readonly replicas: number }
  /** This process's share of a meter's limit, by meter. */
  readonly #shares = new WeakMap<RemoteMeter, { readonly limit: number; readonly meter: Meter }>()

  constructor({ memory, replicas }: StoreFailureOptions) {
    this.#memory = memory
    this.#replicas = replicas
  }

  /** @throws {GatewayError} `limit_store_unavailable` when a meter's policy is to deny. */
  decide(holds: readonly RemoteHold[], cause: unknown): Decision {
    const meters: Remaining[] = []
    const shares: Hold[] = []
    const places: number[] = []
    for (const [place, hold] of holds.entries()) {
      const { onFailure } = hold.meter.store
      if (onFailure === 'deny') throw new GatewayError('limit_store_unavailable', {}, { cause })
      meters.push(unknownState(hold.meter))
      if (onFailure === 'allow') continue
      shares.push({ meter: this.#share(hold.meter), scope: hold.scope, amount: hold.amount })
      places.push(place)
    }
    return reserveLocally(this.#memory, { holds: shares, places }, meters)
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
