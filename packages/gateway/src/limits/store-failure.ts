import type { Decision, Hold, Meter, MeterWindow, Remaining, Reservation } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import type { RemoteHold, RemoteMeter } from './remote-meter.ts'

/** Nobody counts: as much as is asked. */
const NOTHING_HELD: Reservation = {
  closed: true,
  used: () => 'within',
  grow: () => true,
  close: () => undefined,
}

/** Decides while the shared store is away, as each meter's policy says. */
export class StoreFailure {
  readonly #memory: MemoryLedger
  readonly #replicas: { readonly replicas: number }
  /** This process's share of a meter's limit, by meter. */
  readonly #shares = new WeakMap<RemoteMeter, { readonly limit: number; readonly meter: Meter }>()

  constructor(memory: MemoryLedger, replicas: { readonly replicas: number }) {
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
    if (shares.length === 0) {
      return { admitted: true, degraded: true, meters, reservation: NOTHING_HELD }
    }
    const decision = this.#memory.reserve(shares)
    for (const [i, place] of places.entries()) {
      const known = decision.meters[i]
      if (known !== undefined) meters[place] = known
    }
    if (!decision.admitted) {
      return { ...decision, hold: places[decision.hold] ?? 0, meters }
    }
    return {
      admitted: true,
      degraded: true,
      meters,
      reservation:
        shares.length === holds.length
          ? decision.reservation
          : picked(decision.reservation, places),
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

/** A reservation of some of the holds, closed with the amounts of all. */
function picked(inner: Reservation, places: readonly number[]): Reservation {
  return {
    get closed() {
      return inner.closed
    },
    used(hold, total) {
      const place = places.indexOf(hold)
      return place < 0 ? 'within' : inner.used(place, total)
    },
    grow(hold, amount) {
      const place = places.indexOf(hold)
      return place < 0 || inner.grow(place, amount)
    },
    close(actual) {
      inner.close(actual === undefined ? undefined : places.map((place) => actual[place] ?? 0))
    },
  }
}
