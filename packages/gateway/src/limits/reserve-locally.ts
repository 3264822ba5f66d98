import type { Decision, Remaining, Reservation } from '@pratu/plugin-kit'

/** Holds that one store of this process decides about. */
export interface LocalPart {
  /** Where each stands among all holds. */
  readonly places: readonly number[]
  readonly reserve: () => Decision
}

interface Taken {
  readonly places: readonly number[]
  readonly reservation: Reservation
}

/**
 * All or nothing over stores that answer at once. Holds that no part speaks of are admitted uncounted.
 *
 * @param meters of all holds; what the parts know is filled in.
 */
export function reserveLocally(parts: readonly LocalPart[], meters: Remaining[]): Decision {
  const taken: Taken[] = []
  for (const { places, reserve } of parts) {
    const decision = reserve()
    for (const [i, place] of places.entries()) {
      const known = decision.meters[i]
      if (known !== undefined) meters[place] = known
    }
    if (decision.admitted) {
      taken.push({ places, reservation: decision.reservation })
      continue
    }
    for (const before of taken) before.reservation.close(before.places.map(() => 0))
    return { ...decision, hold: places[decision.hold] ?? 0, meters }
  }
  return { admitted: true, degraded: true, meters, reservation: new LocalReservation(taken) }
}

class LocalReservation implements Reservation {
  closed = false
  readonly #taken: readonly Taken[]

  constructor(taken: readonly Taken[]) {
    this.#taken = taken
  }

  used(hold: number, total: number): 'within' | 'short' {
    for (const { places, reservation } of this.#taken) {
      const place = places.indexOf(hold)
      if (place >= 0) return reservation.used(place, total)
    }
    return 'within'
  }

  grow(hold: number, amount: number): boolean | Promise<boolean> {
    for (const { places, reservation } of this.#taken) {
      const place = places.indexOf(hold)
      if (place >= 0) return reservation.grow(place, amount)
    }
    return true
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    for (const { places, reservation } of this.#taken) {
      reservation.close(
        actual === undefined ? undefined : places.map((place) => actual[place] ?? 0),
      )
    }
  }
}
