import type {
  Clock,
  Decision,
  Hold,
  Ledger,
  Meter,
  MeterDefinition,
  Period,
  Remaining,
  Reservation,
} from '@pratu/plugin-kit'
import { PERIODS, calendarWindow, type CalendarWindow } from './calendar-window.ts'
import { CounterStore, type CounterTable } from './counter-table.ts'
import { HalfSipHash, type Hash64 } from './half-sip-hash.ts'
import { OUTDATED } from './record-allocator.ts'
import { Timeline } from './timeline.ts'

export interface MemoryLedgerOptions {
  readonly clock: Clock
  /** Shared with every worker that is to count the same counters. */
  readonly table: CounterTable
  /** As in `Timeline`; for tests. */
  readonly machineMs?: () => number
  readonly uptimeMs?: () => number
}

/** A ledger in memory: exact for all threads of this process, unknown to any other process. */
export interface MemoryLedger extends Ledger {
  /** Answers synchronously, always. */
  reserve(holds: readonly Hold[]): Decision
  peek(meter: Meter, scope: string): Remaining
  reset(meter: Meter, scope: string): void
  record(meter: Meter, scope: string, amount: number, atMs: number): void
  usage(): LedgerUsage
}

export interface LedgerUsage {
  /** Counters in use in the current windows of all periods. */
  readonly counters: number
  /** Counters that fit into one window of one period. */
  readonly slots: number
  /** How often a scope found the table full since the process started; those were counted together with others. */
  readonly overflowed: number
}

/**
 * The engine of limits, for one thread.
 *
 * A reservation first looks at every counter, so that a refusal takes nothing from any, then adds to one after the
 * other within its limit. When another thread takes the last unit in between, what was added is taken back at once: no
 * limit is ever exceeded, and at worst a request of that very microsecond is refused although the unit came free again.
 *
 * @throws {RangeError} from `meter` for a limit, from `reserve` for an amount, that is not a whole number from 1.
 */
export function createMemoryLedger(options: MemoryLedgerOptions): MemoryLedger {
  const { table, ...timelineOptions } = options
  const store = new CounterStore(table)
  const timeline = new Timeline({ ...timelineOptions, words: store.timelineWords })
  const [key0, key1] = store.key
  const scopeHash = new HalfSipHash(key0, key1)
  // Another key, so that a client that knows a meter's id cannot make a scope that cancels it out.
  const meterHash = new HalfSipHash(key0 ^ 0x5bd1e995, ~key1)
  const knownScopes = new Map<string, Hash64>()
  const windows: CalendarWindow[] = PERIODS.map((period) => calendarWindow(period, timeline.now()))

  function windowAt(period: number, nowMs: number): CalendarWindow {
    const known = windows[period]
    if (known !== undefined && nowMs >= known.startMs && nowMs < known.endMs) return known
    const current = calendarWindow(PERIODS[period] ?? 'year', nowMs)
    windows[period] = current
    return current
  }

  function hashOf(scope: string): Hash64 {
    const known = knownScopes.get(scope)
    if (known !== undefined) return known
    const hash = { low: 0, high: 0 }
    scopeHash.hash(scope, hash)
    if (knownScopes.size >= MAX_KNOWN_SCOPES) knownScopes.clear()
    knownScopes.set(scope, hash)
    return hash
  }

  /** A counter per hold, or `undefined` when another thread is in the next window already. */
  function locate(holds: readonly Hold[], nowMs: number): number[] | undefined {
    const counters: number[] = []
    for (const hold of holds) {
      const { period, hash } = ownMeter(hold)
      const scope = hashOf(hold.scope)
      const counter = store.locate(
        period,
        windowAt(period, nowMs).ordinal,
        scope.low ^ hash.low,
        scope.high ^ hash.high,
      )
      if (counter === OUTDATED) return undefined
      counters.push(counter)
    }
    return counters
  }

  /** The hold that refuses, of several the one that takes longest to admit again; -1 when all may pass. */
  function findRefusing(
    holds: readonly Hold[],
    counters: readonly number[],
    nowMs: number,
  ): number {
    let refusing = -1
    let latestMs = 0
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i]
      if (hold === undefined) continue
      let wanted = store.count(counters[i] ?? 0) + hold.amount
      for (let j = 0; j < i; j++) if (counters[j] === counters[i]) wanted += holds[j]?.amount ?? 0
      if (wanted <= mostOf(hold.meter)) continue
      const { endMs } = windowAt(ownMeter(hold).period, nowMs)
      if (refusing >= 0 && endMs <= latestMs) continue
      refusing = i
      latestMs = endMs
    }
    return refusing
  }

  /** Adds every amount or none. @returns the index of the hold that refused, or -1. */
  function take(holds: readonly Hold[], counters: readonly number[]): number {
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i]
      if (hold === undefined) continue
      if (store.addWithin(counters[i] ?? 0, hold.amount, mostOf(hold.meter))) continue
      for (let taken = 0; taken < i; taken++) {
        store.adjust(counters[taken] ?? 0, -(holds[taken]?.amount ?? 0))
      }
      return i
    }
    return -1
  }

  function remaining(
    holds: readonly Hold[],
    counters: readonly number[],
    nowMs: number,
  ): Remaining[] {
    const meters: Remaining[] = []
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i]
      if (hold === undefined) continue
      const { limit } = hold.meter.definition
      meters.push({
        limit,
        remaining: Math.max(0, limit - store.count(counters[i] ?? 0)),
        used: store.count(counters[i] ?? 0),
        resetMs: windowAt(ownMeter(hold).period, nowMs).endMs - nowMs,
      })
    }
    return meters
  }

  function find(meter: Meter, scope: string, nowMs: number): number | undefined {
    const { period, hash } = memoryMeter(meter)
    const { low, high } = hashOf(scope)
    return store.find(period, windowAt(period, nowMs).ordinal, low ^ hash.low, high ^ hash.high)
  }

  return {
    meter(definition) {
      const hash = { low: 0, high: 0 }
      meterHash.hash(definition.id, hash)
      return new MemoryMeter(definition, hash)
    },

    reserve(holds) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const nowMs = timeline.now()
        const counters = locate(holds, nowMs)
        if (counters === undefined) continue
        let hold = findRefusing(holds, counters, nowMs)
        if (hold < 0) hold = take(holds, counters)
        const meters = remaining(holds, counters, nowMs)
        if (hold >= 0) {
          const permanent = (holds[hold]?.amount ?? 0) > (meters[hold]?.limit ?? 0)
          const retryAfterMs = meters[hold]?.resetMs ?? 1
          return { admitted: false, hold, retryAfterMs, permanent, meters }
        }
        const reservation = new MemoryReservation(store, holds, counters, timeline, nowMs)
        return { admitted: true, degraded: false, meters, reservation }
      }
      throw new Error(
        'the counters of the current window are gone: the clock runs behind other threads',
      )
    },

    peek(meter, scope) {
      const nowMs = timeline.now()
      const { definition, period } = memoryMeter(meter)
      const counter = find(meter, scope, nowMs)
      const used = counter === undefined ? 0 : store.count(counter)
      const { limit } = definition
      const resetMs = windowAt(period, nowMs).endMs - nowMs
      return { limit, remaining: Math.max(0, limit - used), used, resetMs }
    },

    reset(meter, scope) {
      const counter = find(meter, scope, timeline.now())
      if (counter !== undefined) store.adjust(counter, -store.count(counter))
    },

    record(meter, scope, amount, atMs) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const nowMs = timeline.now()
        const { startMs, endMs } = windowAt(memoryMeter(meter).period, nowMs)
        if (atMs < startMs || atMs >= endMs) return
        const [counter] = locate([{ meter, scope, amount }], nowMs) ?? []
        if (counter === undefined) continue
        store.adjust(counter, amount)
        return
      }
    },

    usage() {
      const nowMs = timeline.now()
      let counters = 0
      for (let period = 0; period < PERIODS.length; period++) {
        counters += store.usedSlots(period, windowAt(period, nowMs).ordinal)
      }
      return { counters, slots: table.slots, overflowed: store.overflowed }
    },
  }
}

/** Consumers and addresses that come again and again are hashed once; this many fit into a megabyte. */
const MAX_KNOWN_SCOPES = 4096

/** Reading the time again brings a thread into the newest window; more than once is beyond what can happen. */
const MAX_ATTEMPTS = 4

class MemoryMeter implements Meter {
  readonly definition: MeterDefinition
  readonly period: number
  readonly hash: Hash64

  constructor(definition: MeterDefinition, hash: Hash64) {
    checkLimit(definition)
    this.definition = definition
    this.period = PERIODS.findIndex((period) => period === periodOf(definition))
    this.hash = hash
  }
}

function periodOf({ id, window }: MeterDefinition): Period {
  if (window.kind !== 'calendar') {
    throw new RangeError(`meter ${id}: no ${window.kind} windows in memory yet`)
  }
  if (window.timeZone !== undefined && window.timeZone !== 'UTC') {
    throw new RangeError(`meter ${id}: no windows of ${window.timeZone} in memory yet, only of UTC`)
  }
  if (!PERIODS.some((period) => period === window.period)) {
    throw new RangeError(`meter ${id}: no windows of a ${window.period} in memory yet`)
  }
  return window.period
}

/** What a meter admits: `report` only counts. */
function mostOf({ definition: { limit, mode } }: Meter): number {
  return mode === 'report' ? Number.MAX_SAFE_INTEGER : limit
}

/** @throws {RangeError} for a limit that is not a whole number from 1. */
export function checkLimit({ id, limit }: MeterDefinition): void {
  if (Number.isSafeInteger(limit) && limit >= 1) return
  throw new RangeError(`meter ${id}: the limit must be a whole number from 1, not ${limit}`)
}

/** @throws {TypeError} for a meter of another ledger. */
function memoryMeter(meter: Meter): MemoryMeter {
  if (meter instanceof MemoryMeter) return meter
  throw new TypeError(`meter ${meter.definition.id} was made by another ledger`)
}

function ownMeter({ meter, amount }: Hold): MemoryMeter {
  const own = memoryMeter(meter)
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new RangeError(`meter ${meter.definition.id}: cannot hold ${amount}`)
  }
  return own
}

class MemoryReservation implements Reservation {
  closed = false
  readonly #store: CounterStore
  readonly #holds: readonly Hold[]
  readonly #counters: readonly number[]
  readonly #timeline: Timeline
  readonly #takenAtMs: number
  /** What was added to each hold since. */
  #grown: number[] | undefined

  constructor(
    store: CounterStore,
    holds: readonly Hold[],
    counters: readonly number[],
    timeline: Timeline,
    takenAtMs: number,
  ) {
    this.#store = store
    this.#holds = holds
    this.#counters = counters
    this.#timeline = timeline
    this.#takenAtMs = takenAtMs
  }

  used(hold: number, total: number): 'within' | 'short' {
    return total <= this.#reserved(hold) ? 'within' : 'short'
  }

  grow(hold: number, amount: number): boolean {
    const own = this.#holds[hold]
    const counter = this.#counters[hold]
    if (this.closed || own === undefined || counter === undefined) return false
    const period = periodOf(own.meter.definition)
    const { ordinal, endMs } = calendarWindow(period, this.#takenAtMs)
    // A window that is over limits nothing any more; its memory may be another window's by now.
    const over = this.#timeline.now() >= endMs || !this.#store.isCurrent(counter, ordinal)
    if (!over && !this.#store.addWithin(counter, amount, mostOf(own.meter))) return false
    this.#grown ??= this.#holds.map(() => 0)
    this.#grown[hold] = (this.#grown[hold] ?? 0) + amount
    return true
  }

  #reserved(hold: number): number {
    return (this.#holds[hold]?.amount ?? 0) + (this.#grown?.[hold] ?? 0)
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    if (actual === undefined) return
    for (const [i, hold] of this.#holds.entries()) {
      const reserved = this.#reserved(i)
      const difference = (actual[i] ?? reserved) - reserved
      const counter = this.#counters[i]
      if (difference === 0 || counter === undefined) continue
      const period = periodOf(hold.meter.definition)
      // A window that is over has nothing left to correct; its memory may be another window's by now.
      const { ordinal } = calendarWindow(period, this.#takenAtMs)
      if (this.#store.isCurrent(counter, ordinal)) this.#store.adjust(counter, difference)
    }
  }
}
