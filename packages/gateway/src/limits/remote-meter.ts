import { createHash } from 'node:crypto'
import type {
  Awaitable,
  Decision,
  Hold,
  Meter,
  MeterDefinition,
  Period,
  RedisLimitStore,
  Remaining,
} from '@pratu/plugin-kit'
import { zoneBoundaries, type ZoneBoundaries } from './zone-boundaries.ts'

/** Counts in a store that other processes share. */
export interface RemoteCounting {
  reserve(holds: readonly RemoteHold[]): Awaitable<Decision>
  peek(meter: RemoteMeter, scope: string): Awaitable<Remaining>
  reset(meter: RemoteMeter, scope: string): Awaitable<void>
  record(meter: RemoteMeter, scope: string, amount: number, atMs: number): Awaitable<void>
}

export interface RemoteHold extends Hold {
  readonly meter: RemoteMeter
}

/** A meter as the scripts know it (`lua-counters.ts`). */
export type ScriptMeter = readonly (string | number)[]

/** The numbers of the kinds in the scripts. */
const UTC_PERIODS: readonly Period[] = ['second', 'minute', 'hour', 'day', 'week', 'month', 'year']
const ZONED = 8
const SLIDING = 9
const GCRA = 10
const LEASES = 11
/** A sliding window forgets an eighth of its length at a time. */
const BUCKETS = 8

/** Of one hold: each is a member of a set, and Redis does nothing else meanwhile. */
const MOST_LEASES = 1_000

/** Bytes of a meter's name in Redis, base64: short, so that small hashes stay compact there. */
const FIELD_BYTES = 9
/** Up to here a scope is its own name in Redis, for the operator who looks. */
const MAX_PLAIN_SCOPE = 64
const PLAIN_SCOPE = /^[\w.:@/-]+$/

export class RemoteMeter implements Meter {
  readonly definition: MeterDefinition
  readonly store: RedisLimitStore
  readonly counting: RemoteCounting
  /** Its name in the hash of a scope. */
  readonly field: string
  /** Whether what it counts is held in leases. */
  readonly isLeased: boolean
  readonly #onRelease: () => void
  #released = false
  #zone: ZoneBoundaries | undefined

  constructor(
    definition: MeterDefinition,
    store: RedisLimitStore,
    counting: RemoteCounting,
    onRelease: () => void,
  ) {
    checkWindow(definition)
    this.definition = definition
    this.store = store
    this.counting = counting
    this.isLeased = definition.window.kind === 'concurrency'
    this.field = createHash('sha256')
      .update(definition.id)
      .digest()
      .subarray(0, FIELD_BYTES)
      .toString('base64url')
    this.#onRelease = onRelease
  }

  /** The period of a window of the UTC calendar. @throws {TypeError} for any other window. */
  get period(): Period {
    const { window, id } = this.definition
    if (window.kind === 'calendar') return window.period
    throw new TypeError(`meter ${id}: a ${window.kind} window has no period`)
  }

  /** The key that holds a scope's counter. */
  keyOf(scope: string): string {
    return this.isLeased ? `pratu:leases:{${tagOf(scope)}}:${this.field}` : scopeKey(scope)
  }

  /**
   * @param atMs Redis's time, as far as it is known.
   * @param unlimited whether to count without a limit.
   */
  forScript(atMs: number, unlimited = false): ScriptMeter {
    const { window, limit, mode } = this.definition
    const silent = unlimited || mode === 'report' ? 1 : 0
    switch (window.kind) {
      case 'calendar': {
        if (window.timeZone === undefined) {
          return [this.field, UTC_PERIODS.indexOf(window.period) + 1, limit, silent]
        }
        this.#zone = zoneBoundaries(window.period, window.timeZone, atMs, this.#zone)
        return [this.field, ZONED, limit, silent, ...this.#zone]
      }
      case 'sliding':
        return [this.field, SLIDING, limit, silent, Math.ceil(window.lengthMs / BUCKETS)]
      case 'gcra':
        return [this.field, GCRA, limit, silent, window.lengthMs, window.burst]
      case 'concurrency':
        return [this.field, LEASES, limit, silent, window.leaseMs]
    }
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

/** @throws {RangeError} for a length, a burst or a time zone that makes no sense. */
function checkWindow({ id, window }: MeterDefinition): void {
  const check = (what: string, value: number): void => {
    if (Number.isSafeInteger(value) && value >= 1) return
    throw new RangeError(`meter ${id}: ${what} must be a whole number from 1, not ${value}`)
  }
  switch (window.kind) {
    case 'calendar':
      if (window.timeZone !== undefined)
        zoneBoundaries(window.period, window.timeZone, 0, undefined)
      return
    case 'sliding':
      check('lengthMs', window.lengthMs)
      return
    case 'gcra':
      check('lengthMs', window.lengthMs)
      check('burst', window.burst)
      return
    case 'concurrency':
      check('leaseMs', window.leaseMs)
  }
}

/** Whether a hold is larger than its meter admits even when nothing is counted. */
export function isPermanent({ meter: { definition }, amount }: Hold): boolean {
  if (definition.mode === 'report') return false
  const { window, limit } = definition
  return amount > (window.kind === 'gcra' ? window.burst : limit)
}

/** @throws {RangeError} for an amount that is not a whole number from 1, or too many leases at once. */
export function checkAmount({ meter, amount }: Hold): void {
  const isLeased = meter.definition.window.kind === 'concurrency'
  const most = isLeased ? MOST_LEASES : Number.MAX_SAFE_INTEGER
  if (Number.isInteger(amount) && amount >= 1 && amount <= most) return
  throw new RangeError(`meter ${meter.definition.id}: cannot hold ${amount}`)
}

/**
 * The hash that holds a scope's counters. The tag in braces keeps whatever else a scope may get in the same slot of a
 * cluster.
 */
export function scopeKey(scope: string): string {
  return `pratu:limits:{${tagOf(scope)}}`
}

/** A client's own text (a header's value) never makes a long or an odd key. */
function tagOf(scope: string): string {
  if (scope.length <= MAX_PLAIN_SCOPE && PLAIN_SCOPE.test(scope)) return scope
  return `sha256:${createHash('sha256').update(scope).digest('base64url')}`
}
