import type { Awaitable } from './messages.ts'

export type Period = 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'

/** What a meter counts, and how. */
export interface MeterDefinition {
  /** Stable across reloads: counters of equal ids and scopes are the same counter. */
  readonly id: string
  readonly quantity: 'requests'
  /** Fixed windows aligned to the UTC calendar (kong.md §3.3). */
  readonly window: { readonly kind: 'calendar'; readonly period: Period }
  /** Whole units admitted per window and scope; at least 1. */
  readonly limit: number
}

/** A defined meter; opaque to its users. */
export interface Meter {
  readonly definition: MeterDefinition
}

/** An amount asked of one meter for one scope (a consumer id, an address, …). */
export interface Hold {
  readonly meter: Meter
  readonly scope: string
  /** In the meter's unit, at least 1. */
  readonly amount: number
}

/** A meter's state right after the decision, the admitted amount included. */
export interface Remaining {
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

export interface Refusal {
  /** Index of the hold that refused; of several the one that takes longest to admit again. */
  readonly hold: number
  readonly retryAfterMs: number
  /** State of every hold asked, in order; nothing was taken. */
  readonly meters: readonly Remaining[]
}

export interface Admission {
  readonly reservation: Reservation
  readonly meters: readonly Remaining[]
  /** Whether the store was away and a fallback policy decided. */
  readonly degraded: boolean
}

export type Decision =
  | ({ readonly admitted: true } & Admission)
  | ({ readonly admitted: false } & Refusal)

/** The engine of every limit. */
export interface Ledger {
  meter(definition: MeterDefinition): Meter
  /** All or nothing: a refused reservation takes nothing from any meter. The memory store answers synchronously. */
  reserve(holds: readonly Hold[]): Awaitable<Decision>
}

/** The admitted holds of one exchange or flight. */
export interface Reservation {
  readonly closed: boolean
  /** The first call wins. `actual` per hold in order, omitted = what was reserved; zeros give everything back. */
  close(actual?: readonly number[]): void
}
