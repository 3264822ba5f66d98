import { createHash } from 'node:crypto'
import type {
  Awaitable,
  Decision,
  Hold,
  Meter,
  MeterDefinition,
  Period,
  RedisLimitStore,
} from '@pratu/plugin-kit'
import { PERIODS } from './calendar-window.ts'

/** Counts in a store that other processes share. */
export interface RemoteCounting {
  reserve(holds: readonly RemoteHold[]): Awaitable<Decision>
}

export interface RemoteHold extends Hold {
  readonly meter: RemoteMeter
}

/** Bytes of a meter's name in Redis, base64: short, so that small hashes stay compact there. */
const FIELD_BYTES = 9
/** Up to here a scope is its own name in Redis, for the operator who looks. */
const MAX_PLAIN_SCOPE = 64
const PLAIN_SCOPE = /^[\w.:@/-]+$/

export class RemoteMeter implements Meter {
  readonly definition: MeterDefinition
  readonly store: RedisLimitStore
  readonly counting: RemoteCounting
  readonly period: Period
  /** As the scripts count them, from 1. */
  readonly periodNumber: number
  /** Its name in the hash of a scope. */
  readonly field: string
  readonly #onRelease: () => void
  #released = false

  constructor(
    definition: MeterDefinition,
    store: RedisLimitStore,
    counting: RemoteCounting,
    onRelease: () => void,
  ) {
    this.definition = definition
    this.store = store
    this.counting = counting
    this.period = definition.window.period
    this.periodNumber = PERIODS.indexOf(this.period) + 1
    this.field = createHash('sha256')
      .update(definition.id)
      .digest()
      .subarray(0, FIELD_BYTES)
      .toString('base64url')
    this.#onRelease = onRelease
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#onRelease()
  }
}

export function isRemote(hold: Hold): hold is RemoteHold {
  return hold.meter instanceof RemoteMeter
}

/** @throws {RangeError} for an amount that is not a whole number from 1. */
export function checkAmount({ meter, amount }: Hold): void {
  if (Number.isSafeInteger(amount) && amount >= 1) return
  throw new RangeError(`meter ${meter.definition.id}: cannot hold ${amount}`)
}

/**
 * The hash that holds a scope's counters. The tag in braces keeps whatever else a scope may get in the same slot of a
 * cluster. A client's own text (a header's value) never makes a long or an odd key.
 */
export function scopeKey(scope: string): string {
  if (scope.length <= MAX_PLAIN_SCOPE && PLAIN_SCOPE.test(scope)) return `pratu:limits:{${scope}}`
  return `pratu:limits:{sha256:${createHash('sha256').update(scope).digest('base64url')}}`
}
