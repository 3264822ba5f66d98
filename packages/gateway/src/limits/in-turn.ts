import type { Awaitable, Decision, Hold, Remaining, Reservation } from '@pratu/plugin-kit'

/** Holds that one store (or one slot of a cluster) decides about together. */
export interface Part {
  /** Where each of its holds stands among all. */
  readonly places: readonly number[]
  readonly holds: readonly Hold[]
  readonly reserve: () => Awaitable<Decision>
}

interface Taken {
  readonly part: Part
  readonly reservation: Reservation
}

const UNASKED: Remaining = { limit: 0, remaining: 0, used: 0, resetMs: 0, unknown: true }

/**
 * All or nothing over several stores that know nothing of each other: one after the other is asked, and when one refuses
 * or fails, those before it get everything back. No limit is ever exceeded; for the time of the later questions a unit
 * may be taken that comes free again.
 */
export async function reserveInTurn(parts: readonly Part[], size: number): Promise<Decision> {
  const meters = new Array<Remaining>(size).fill(UNASKED)
  const taken: Taken[] = []
  let degraded = false
  try {
    for (const part of parts) {
      const decision = await part.reserve()
      for (const [i, place] of part.places.entries()) meters[place] = decision.meters[i] ?? UNASKED
      if (!decision.admitted) {
        giveBack(taken, meters)
        return { ...decision, hold: part.places[decision.hold] ?? 0, meters }
      }
      degraded ||= decision.degraded
      taken.push({ part, reservation: decision.reservation })
    }
  } catch (error) {
    giveBack(taken, meters)
    throw error
  }
  return { admitted: true, degraded, meters, reservation: new CombinedReservation(taken) }
}

function giveBack(taken: readonly Taken[], meters: Remaining[]): void {
  for (const { part, reservation } of taken) {
    reservation.close(part.holds.map(() => 0))
    for (const [i, place] of part.places.entries()) {
      const meter = meters[place]
      if (meter === undefined) continue
      const used = Math.max(0, meter.used - (part.holds[i]?.amount ?? 0))
      const freed = meter.used - used
      const remaining = meter.remaining > 0 ? meter.remaining + freed : meter.limit - used
      meters[place] = { ...meter, used, remaining: Math.max(0, remaining) }
    }
  }
}

class CombinedReservation implements Reservation {
  closed = false
  readonly #taken: readonly Taken[]

  constructor(taken: readonly Taken[]) {
    this.#taken = taken
  }

  used(hold: number, total: number): 'within' | 'short' {
    for (const { part, reservation } of this.#taken) {
      const place = part.places.indexOf(hold)
      if (place >= 0) return reservation.used(place, total)
    }
    return 'short'
  }

  grow(hold: number, amount: number): Awaitable<boolean> {
    if (this.closed) return false
    for (const { part, reservation } of this.#taken) {
      const place = part.places.indexOf(hold)
      if (place >= 0) return reservation.grow(place, amount)
    }
    return false
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    for (const { part, reservation } of this.#taken) {
      reservation.close(
        actual === undefined
          ? undefined
          : part.places.map((place, i) => actual[place] ?? part.holds[i]?.amount ?? 0),
      )
    }
  }
}

/** Splits holds by what decides about them, in the order of their first appearance. */
export function partition<Key>(
  holds: readonly Hold[],
  keyOf: (hold: Hold) => Key,
): Map<Key, { places: number[]; holds: Hold[] }> {
  const parts = new Map<Key, { places: number[]; holds: Hold[] }>()
  for (const [place, hold] of holds.entries()) {
    const key = keyOf(hold)
    let part = parts.get(key)
    if (part === undefined) parts.set(key, (part = { places: [], holds: [] }))
    part.places.push(place)
    part.holds.push(hold)
  }
  return parts
}
