import type { Decision, Hold, Remaining, Reservation } from '@pratu/plugin-kit'
import type { MemoryLedger } from './memory-ledger.ts'

/** What of a question is counted in memory while its own store is away. */
export interface LocalPart {
  readonly holds: readonly Hold[]
  /** Where each stands among all holds. */
  readonly places: readonly number[]
}

/**
 * All or nothing. Holds that the part does not speak of are admitted uncounted.
 *
 * @param meters of all holds; what memory knows is filled in.
 */
export function reserveLocally(
  memory: MemoryLedger,
  { holds, places }: LocalPart,
  meters: Remaining[],
): Decision {
  const decision = memory.reserve(holds)
  for (const [i, place] of places.entries()) {
    const known = decision.meters[i]
    if (known !== undefined) meters[place] = known
  }
  if (!decision.admitted) return { ...decision, hold: places[decision.hold] ?? 0, meters }
  const reservation = new LocalReservation(places, decision.reservation)
  return { admitted: true, degraded: true, meters, reservation }
}

class LocalReservation implements Reservation {
  readonly #places: readonly number[]
  readonly #counted: Reservation

  constructor(places: readonly number[], counted: Reservation) {
    this.#places = places
    this.#counted = counted
  }

  get closed(): boolean {
    return this.#counted.closed
  }

  used(hold: number, total: number): 'within' | 'short' {
    const place = this.#places.indexOf(hold)
    return place < 0 ? 'within' : this.#counted.used(place, total)
  }

  grow(hold: number, amount: number): boolean | Promise<boolean> {
    const place = this.#places.indexOf(hold)
    return place < 0 ? !this.closed : this.#counted.grow(place, amount)
  }

  close(actual?: readonly number[]): void {
    this.#counted.close(
      actual === undefined ? undefined : this.#places.map((place) => actual[place] ?? Number.NaN),
    )
  }
}
