import type { Decision, Hold, Meter, Remaining, Reservation } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import type { RemoteHold, RemoteMeter } from './remote-meter.ts'

const UNCOUNTED: Remaining = { limit: 0, remaining: 0, resetMs: 0, unknown: true }
const NOTHING_HELD: Reservation = { closed: true, close: () => undefined }

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
      meters.push(UNCOUNTED)
      if (onFailure === 'allow') continue
      shares.push({ meter: this.#share(hold.meter), scope: hold.scope, amount: hold.amount })
      places.push(place)
    }
    if (shares.length === 0) {
      return { admitted: true, degraded: true, meters, reservation: NOTHING_HELD }
    }
    const decision = this.#memory.reserve(shares)
    for (const [i, place] of places.entries()) meters[place] = decision.meters[i] ?? UNCOUNTED
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

  /** At least 1: a limit smaller than the number of replicas would otherwise admit nobody at all. */
  #share(meter: RemoteMeter): Meter {
    const { definition } = meter
    const limit = Math.max(1, Math.floor(definition.limit / this.#replicas.replicas))
    const known = this.#shares.get(meter)
    if (known?.limit === limit) return known.meter
    const share = this.#memory.meter({
      id: `share:${definition.id}`,
      quantity: definition.quantity,
      window: definition.window,
      limit,
    })
    this.#shares.set(meter, { limit, meter: share })
    return share
  }
}

/** A reservation of some of the holds, closed with the amounts of all. */
function picked(inner: Reservation, places: readonly number[]): Reservation {
  return {
    get closed() {
      return inner.closed
    },
    close(actual) {
      inner.close(actual === undefined ? undefined : places.map((place) => actual[place] ?? 0))
    },
  }
}
