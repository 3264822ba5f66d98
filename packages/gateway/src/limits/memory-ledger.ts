import type {
  Clock,
  Decision,
  Hold,
  Ledger,
  Meter,
  MeterDefinition,
  Remaining,
} from '@pratu/plugin-kit'
import { CalendarMeter } from './calendar-meter.ts'
import { checkDefinition } from './check-definition.ts'
import { ConcurrencyMeter } from './concurrency-meter.ts'
import { CounterStore, type CounterTable } from './counter-table.ts'
import { GcraMeter } from './gcra-meter.ts'
import { HalfSipHash, type Hash64 } from './half-sip-hash.ts'
import { MemoryMeter, NEVER } from './memory-meter.ts'
import { MemoryReservation, type Taken } from './memory-reservation.ts'
import { NONE, type RecordUse } from './record-table.ts'
import { SlidingMeter } from './sliding-meter.ts'
import { Timeline } from './timeline.ts'

const SHARED_USES: readonly RecordUse[] = ['shared', 'last resort']

export interface MemoryLedgerOptions {
  readonly clock: Clock
  /** Shared with every worker that is to count the same counters. */
  readonly table: CounterTable
  /** Number of this thread among those that count, from 0. */
  readonly thread?: number
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
  /** Counters that stand in memory; those that are over are used again. */
  readonly counters: number
  /** Counters of calendar windows and GCRA that there is room for. */
  readonly slots: number
  /** How often a scope found the table full since the process started; those were counted together with others. */
  readonly overflowed: number
}

/**
 * The engine of limits, for one thread. What all threads count is in one table with one lock: a decision about several
 * meters is one change, seen by the others before or after it.
 *
 * @throws {RangeError} from `meter` for a definition that makes no sense, from `reserve` for an amount that is not a whole
 *   number from 1.
 */
export function createMemoryLedger(options: MemoryLedgerOptions): MemoryLedger {
  const { table, thread = 0, ...timelineOptions } = options
  const store = new CounterStore(table, thread)
  const { lock, doubles } = store
  const timeline = new Timeline({ ...timelineOptions, words: store.timelineWords })
  const [key0, key1] = store.key
  const scopeHash = new HalfSipHash(key0, key1)
  // Another key, so that a client that knows a meter's id cannot make a scope that cancels it out.
  const meterHash = new HalfSipHash(key0 ^ 0x5bd1e995, ~key1)
  const hash: Hash64 = { low: 0, high: 0 }

  /** Hashes of the scopes asked for, then where their counters are. */
  const lows: number[] = []
  const highs: number[] = []
  const states: number[] = []
  const figures: number[] = []

  function createMeter(definition: MeterDefinition): MemoryMeter {
    const { id, window } = definition
    const own = { low: 0, high: 0 }
    meterHash.hash(`${id}\n${JSON.stringify(signatureOf(definition))}`, own)
    if (window.kind === 'calendar') {
      return new CalendarMeter(definition, window, own, store.small, doubles)
    }
    if (window.kind === 'gcra') return new GcraMeter(definition, window, own, store.small, doubles)
    if (window.kind === 'sliding') {
      return new SlidingMeter(definition, window.lengthMs, own, store.sliding, doubles)
    }
    const threads = { count: table.threads, own: thread }
    return new ConcurrencyMeter(definition, threads, own, store.concurrency, doubles)
  }

  /** With the lock. Scopes that find the table full share counters until those are over. */
  function locate(meter: MemoryMeter, scopeLow: number, scopeHigh: number, nowMs: number): number {
    const low = scopeLow ^ meter.low
    const high = scopeHigh ^ meter.high
    let state = meter.table.find(low, high)
    if (state === NONE) state = insert(meter, low, high, nowMs)
    meter.open(state, nowMs)
    return state
  }

  function insert(meter: MemoryMeter, low: number, high: number, nowMs: number): number {
    const shared = sharedNow(meter, low, nowMs)
    if (shared !== NONE) return overflow(shared)
    const { table } = meter
    const own = table.insert(low, high, nowMs, 'own')
    if (own !== NONE) return own
    // What is over may still stand there, and be used again.
    for (const use of SHARED_USES) {
      const key = sharedKey(meter, low, use)
      const known = table.find(key, meter.high)
      if (known !== NONE) return overflow(known)
      const fresh = table.insert(key, meter.high, nowMs, use)
      if (fresh !== NONE) return overflow(fresh)
    }
    throw new Error('the counters of this process are full, and what was set aside for meters too')
  }

  function sharedNow(meter: MemoryMeter, low: number, nowMs: number): number {
    if (store.overflowed === 0) return NONE
    for (const use of SHARED_USES) {
      const shared = meter.table.find(sharedKey(meter, low, use), meter.high)
      if (shared !== NONE && (doubles[shared] ?? 0) > nowMs) return shared
    }
    return NONE
  }

  function overflow(state: number): number {
    store.countOverflow()
    return state
  }

  function sharedKey({ low: meterLow }: MemoryMeter, low: number, use: RecordUse): number {
    const bucket = use === 'shared' ? (low & (store.buckets - 1)) + 1 : 0
    return (meterLow & 0xf0000000) | (Math.imul(bucket, 0x9e3779b1) >>> 4)
  }

  function hashScope(scope: string): Hash64 {
    scopeHash.hash(scope, hash)
    return hash
  }

  /** With the lock. @returns the hold that refuses, of several the one that takes longest; -1 when all may pass. */
  function findRefusing(holds: readonly Hold[], nowMs: number): number {
    let refusing = -1
    let longestMs = 0
    let longestResetMs = 0
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i]
      if (hold === undefined) continue
      const meter = ownMeter(hold)
      if (!meter.enforced) continue
      let wanted = hold.amount
      for (let j = 0; j < i; j++) if (states[j] === states[i]) wanted += holds[j]?.amount ?? 0
      const waitMs = meter.waitMs(states[i] ?? 0, nowMs, wanted)
      const resetMs = waitMs === 0 ? 0 : meter.resetMs(states[i] ?? 0, nowMs)
      // Of those that will never be admitted the one that is told the longest.
      if (waitMs < longestMs || (waitMs === longestMs && resetMs <= longestResetMs)) continue
      refusing = i
      longestMs = waitMs
      longestResetMs = resetMs
    }
    figures[3 * holds.length] = longestMs
    return refusing
  }

  function takeFigures(holds: readonly Hold[], nowMs: number): void {
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i]
      if (hold === undefined) continue
      const meter = ownMeter(hold)
      const state = states[i] ?? 0
      figures[3 * i] = meter.remaining(state, nowMs)
      figures[3 * i + 1] = meter.used(state, nowMs)
      figures[3 * i + 2] = meter.resetMs(state, nowMs)
    }
  }

  function toRemaining(holds: readonly Hold[]): Remaining[] {
    const meters: Remaining[] = []
    for (let i = 0; i < holds.length; i++) {
      meters.push({
        limit: holds[i]?.meter.definition.limit ?? 0,
        remaining: figures[3 * i] ?? 0,
        used: figures[3 * i + 1] ?? 0,
        resetMs: figures[3 * i + 2] ?? 0,
      })
    }
    return meters
  }

  /** With the lock. */
  function takenNow(meter: MemoryMeter, state: number, nowMs: number, amount: number): Taken {
    const mark = meter.add(state, nowMs, amount)
    return { meter, state, life: meter.table.life(state), mark, amount }
  }

  const corrections = {
    grow(hold: Hold, amount: number): Taken | undefined {
      const meter = ownMeter({ ...hold, amount })
      const { low, high } = hashScope(hold.scope)
      const readMs = timeline.now()
      lock.acquire()
      try {
        const nowMs = store.notBefore(readMs)
        const state = locate(meter, low, high, nowMs)
        if (meter.enforced && meter.waitMs(state, nowMs, amount) > 0) return undefined
        return takenNow(meter, state, nowMs, amount)
      } finally {
        lock.release()
      }
    },

    correct(hold: Hold, parts: readonly Taken[], difference: number): void {
      const { low, high } = hashScope(hold.scope)
      const readMs = timeline.now()
      lock.acquire()
      try {
        const nowMs = store.notBefore(readMs)
        let less = -difference
        for (let i = parts.length - 1; i >= 0 && less > 0; i--) {
          const part = parts[i]
          if (part === undefined) continue
          const amount = Math.min(less, part.amount)
          less -= amount
          if (part.meter.table.life(part.state) !== part.life) continue
          part.meter.giveBack(part.state, nowMs, part.mark, amount)
        }
        const last = parts.at(-1)
        if (difference <= 0 || last === undefined) return
        const { meter, state, mark } = last
        if (meter.table.life(state) === last.life && meter.addLate(state, nowMs, mark, difference))
          return
        if (hold.meter.definition.window.kind === 'calendar') return
        meter.add(locate(meter, low, high, nowMs), nowMs, difference)
      } finally {
        lock.release()
      }
    },
  }

  return {
    meter(definition) {
      checkDefinition(definition)
      return createMeter(definition)
    },

    reserve(holds) {
      const parts: Taken[][] = []
      let refusing = -1
      let last: string | undefined
      for (let i = 0; i < holds.length; i++) {
        const hold = holds[i]
        if (hold === undefined) continue
        checkHold(hold)
        if (hold.scope !== last) scopeHash.hash(hold.scope, hash)
        last = hold.scope
        lows[i] = hash.low
        highs[i] = hash.high
      }
      const readMs = timeline.now()
      lock.acquire()
      try {
        const nowMs = store.notBefore(readMs)
        for (let i = 0; i < holds.length; i++) {
          const hold = holds[i]
          if (hold === undefined) continue
          states[i] = locate(ownMeter(hold), lows[i] ?? 0, highs[i] ?? 0, nowMs)
        }
        refusing = findRefusing(holds, nowMs)
        for (let i = 0; i < holds.length && refusing < 0; i++) {
          const hold = holds[i]
          if (hold === undefined) continue
          parts.push([takenNow(ownMeter(hold), states[i] ?? 0, nowMs, hold.amount)])
        }
        takeFigures(holds, nowMs)
      } finally {
        lock.release()
      }
      const meters = toRemaining(holds)
      if (refusing < 0) {
        const reservation = new MemoryReservation(corrections, holds, parts)
        return { admitted: true, degraded: false, meters, reservation }
      }
      const waitMs = figures[3 * holds.length] ?? 1
      const permanent = waitMs === NEVER
      const retryAfterMs = Math.max(1, permanent ? (meters[refusing]?.resetMs ?? 1) : waitMs)
      return { admitted: false, hold: refusing, retryAfterMs, permanent, meters }
    },

    peek(meter, scope) {
      const own = memoryMeter(meter)
      const hold = { meter, scope, amount: 1 }
      const { low, high } = hashScope(scope)
      const readMs = timeline.now()
      lock.acquire()
      try {
        const nowMs = store.notBefore(readMs)
        const found = own.table.find(low ^ own.low, high ^ own.high)
        const state = found === NONE ? sharedNow(own, low ^ own.low, nowMs) : found
        if (state === NONE) {
          figures[0] =
            own.definition.window.kind === 'gcra' ? own.definition.window.burst : own.limit
          figures[1] = 0
          figures[2] = own.definition.window.kind === 'calendar' ? own.resetMs(0, nowMs) : 0
        } else {
          own.open(state, nowMs)
          states[0] = state
          takeFigures([hold], nowMs)
        }
      } finally {
        lock.release()
      }
      const [figure] = toRemaining([hold])
      return figure ?? { limit: own.limit, remaining: own.limit, used: 0, resetMs: 0 }
    },

    reset(meter, scope) {
      const own = memoryMeter(meter)
      if (meter.definition.window.kind === 'concurrency') return
      const { low, high } = hashScope(scope)
      lock.acquire()
      try {
        const state = own.table.find(low ^ own.low, high ^ own.high)
        if (state === NONE) return
        own.table.renew(state)
        doubles[state] = 0
      } finally {
        lock.release()
      }
    },

    record(meter, scope, amount, atMs) {
      const own = ownMeter({ meter, scope, amount })
      const { low, high } = hashScope(scope)
      const readMs = timeline.now()
      lock.acquire()
      try {
        const nowMs = store.notBefore(readMs)
        own.addAt(locate(own, low, high, nowMs), nowMs, amount, atMs)
      } finally {
        lock.release()
      }
    },

    usage() {
      const counters = store.small.live + store.sliding.live + store.concurrency.live
      return { counters, slots: table.slots, overflowed: store.overflowed }
    },
  }
}

/** Counters of one meter whose window is another are other counters. */
function signatureOf({ window }: MeterDefinition): readonly unknown[] {
  switch (window.kind) {
    case 'calendar':
      return [window.period, window.timeZone ?? 'UTC']
    case 'concurrency':
      return ['concurrency']
    default:
      return [window.kind, window.lengthMs]
  }
}

/** @throws {TypeError} for a meter of another ledger. */
function memoryMeter(meter: Meter): MemoryMeter {
  if (meter instanceof MemoryMeter) return meter
  throw new TypeError(`meter ${meter.definition.id} was made by another ledger`)
}

function checkHold(hold: Hold): void {
  ownMeter(hold)
}

function ownMeter({ meter, amount }: Hold): MemoryMeter {
  const own = memoryMeter(meter)
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new RangeError(`meter ${meter.definition.id}: cannot hold ${amount}`)
  }
  return own
}
