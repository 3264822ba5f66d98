import type { Awaitable, Decision, Reservation } from '@pratu/plugin-kit'
import type { Corrections } from './corrections.ts'
import type { Leases } from './leases.ts'
import type { RedisTime } from './redis-time.ts'
import type { RemoteHold } from './remote-meter.ts'

/** Where a reservation is settled. */
export interface Settling {
  readonly corrections: Corrections
  readonly leases: Leases
  readonly time: RedisTime
  /** What Redis was told before its birth it does not know. */
  readonly birth: { readonly bornAtMs: number | undefined }
  /** For what is grown. */
  reserve(holds: readonly RemoteHold[]): Awaitable<Decision>
}

export interface RemoteReservationOptions {
  readonly holds: readonly RemoteHold[]
  /** The number of the first lease, when something is held. */
  readonly firstLease: number
  /** What `DECIDE` said of each hold; `undefined` while nobody knows whether Redis counted. */
  readonly marks: readonly number[] | undefined
  /** Held in this process, since Redis was away. */
  readonly local?: Reservation | undefined
  readonly settling: Settling
}

interface Grown {
  readonly hold: number
  readonly amount: number
  readonly reservation: Reservation
}

/**
 * What was taken in Redis, or without it while it was away. Spend that Redis did not hear of is told when it is back;
 * what is held is held there too from then on.
 */
export class RemoteReservation implements Reservation {
  closed = false
  readonly #holds: readonly RemoteHold[]
  readonly #firstLease: number
  readonly #local: Reservation | undefined
  readonly #settling: Settling
  readonly #bornAtMs: number | undefined
  #marks: readonly number[] | undefined
  #grown: Grown[] | undefined
  /** What `close` was told, for an answer that comes even later. */
  #actual: readonly number[] | undefined

  constructor({ holds, firstLease, marks, local, settling }: RemoteReservationOptions) {
    this.#holds = holds
    this.#firstLease = firstLease
    this.#marks = marks
    this.#local = local
    this.#settling = settling
    this.#bornAtMs = settling.birth.bornAtMs
    if (firstLease === 0) return
    this.#eachLease((hold, first) =>
      settling.leases.hold(hold.meter, hold.scope, first, hold.amount),
    )
  }

  used(hold: number, total: number): 'within' | 'short' {
    return total <= this.#reserved(hold) ? 'within' : 'short'
  }

  async grow(hold: number, amount: number): Promise<boolean> {
    const grown = this.#holds[hold]
    if (this.closed || grown === undefined) return false
    const { meter, scope } = grown
    const decision = await this.#settling.reserve([{ meter, scope, amount }])
    if (!decision.admitted) return false
    const { reservation } = decision
    if (this.closed) {
      reservation.close([0])
      return false
    }
    this.#grown ??= []
    this.#grown.push({ hold, amount, reservation })
    return true
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    this.#actual = this.#closeGrown(actual)
    this.#local?.close(this.#actual)
    this.#releaseLeases()
    const { corrections, time, birth } = this.#settling
    // Known later than this was taken, a birth is none.
    const isKnown = this.#bornAtMs === undefined || this.#bornAtMs === birth.bornAtMs
    for (const [i, { meter, scope, amount }] of this.#holds.entries()) {
      if (meter.isLeased) continue
      const spent = this.#actual?.[i] ?? amount
      const mark = isKnown ? this.#marks?.[i] : undefined
      if (mark !== undefined) corrections.correct({ meter, scope, amount, mark }, spent - amount)
      else if (meter.definition.quantity !== 'requests' && spent > 0) {
        corrections.recordLater(meter, scope, spent, time.now())
      }
    }
  }

  /**
   * Redis counted after all, later than anyone waited for it.
   *
   * @param marks as in the options.
   */
  counted(marks: readonly number[]): void {
    if (!this.closed) {
      this.#marks = marks
      return
    }
    this.#releaseLeases()
    const { corrections } = this.#settling
    for (const [i, { meter, scope, amount }] of this.#holds.entries()) {
      const mark = marks[i]
      if (meter.isLeased || mark === undefined) continue
      // Spend has been recorded by itself.
      const spent = meter.definition.quantity === 'requests' ? (this.#actual?.[i] ?? amount) : 0
      corrections.correct({ meter, scope, amount, mark }, spent - amount)
    }
  }

  /** What was grown last is given back first. @returns what is left for the holds themselves. */
  #closeGrown(actual: readonly number[] | undefined): readonly number[] | undefined {
    if (this.#grown === undefined) return actual
    if (actual === undefined) {
      for (const { reservation } of this.#grown) reservation.close()
      return undefined
    }
    const left = this.#holds.map((_, hold) => actual[hold] ?? this.#reserved(hold))
    for (const [i, { hold, amount, reservation }] of this.#grown.entries()) {
      const newest = !this.#grown.slice(i + 1).some((later) => later.hold === hold)
      const own = this.#holds[hold]?.amount ?? 0
      const beyond = Math.max(0, (left[hold] ?? 0) - own)
      const spent = newest ? beyond : Math.min(beyond, amount)
      reservation.close([spent])
      left[hold] = (left[hold] ?? 0) - spent
    }
    return left
  }

  #reserved(hold: number): number {
    let reserved = this.#holds[hold]?.amount ?? 0
    if (this.#grown === undefined) return reserved
    for (const grown of this.#grown) if (grown.hold === hold) reserved += grown.amount
    return reserved
  }

  #releaseLeases(): void {
    if (this.#firstLease === 0) return
    const { leases } = this.#settling
    this.#eachLease(({ meter, scope, amount }, first) =>
      leases.release(meter, scope, first, amount),
    )
  }

  #eachLease(visit: (hold: RemoteHold, first: number) => void): void {
    let first = this.#firstLease
    for (const hold of this.#holds) {
      if (!hold.meter.isLeased) continue
      visit(hold, first)
      first += hold.amount
    }
  }
}
