import { LRUCache } from 'lru-cache'
import type {
  Clock,
  Decision,
  MeterWindow,
  Period,
  Remaining,
  Reservation,
} from '@pratu/plugin-kit'
import { zoneBoundaries } from './zone-boundaries.ts'

/** An amount asked of one replica's share of a shared limit. */
export interface ShareHold {
  /** The meter's id. */
  readonly id: string
  readonly scope: string
  readonly amount: number
  readonly window: MeterWindow
  readonly limit: number
  readonly isSilent: boolean
}

/** Counters of scopes: while Redis is away only, the least used are forgotten first. */
const MAX_COUNTERS = 20_000
const PARTS = 8
/** Nobody knows when what is held will be free. */
const HELD_WAIT_MS = 1_000

/** How one scope of one share is counted. Times are ms of the clock that its window goes by. */
interface Counter {
  used(): number
  /** When this much more fits, if nobody else asks; 0 now. */
  waitMs(more: number, hold: ShareHold): number
  resetMs(): number
  /** @returns how to correct by a difference later. */
  take(amount: number): (difference: number) => void
}

/**
 * Counts shares of limits in this thread alone, of those windows that the memory of the process does not count: a thread's
 * share is the replica's divided by its threads.
 */
export class LocalShares {
  readonly #clock: Clock
  readonly #counters = new LRUCache<string, Counter>({ max: MAX_COUNTERS })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** All or nothing. */
  reserve(holds: readonly ShareHold[]): Decision {
    const counters = holds.map((hold) => this.#counterOf(hold))
    let refusing = -1
    let longestMs = 0
    for (const [i, hold] of holds.entries()) {
      const asked = holds.slice(0, i + 1).filter((_, other) => counters[other] === counters[i])
      const more = asked.reduce((sum, { amount }) => sum + amount, 0)
      const waitMs = hold.isSilent ? 0 : (counters[i]?.waitMs(more, hold) ?? 0)
      if (waitMs <= longestMs) continue
      refusing = i
      longestMs = waitMs
    }
    const corrections =
      refusing < 0 ? holds.map(({ amount }, i) => counters[i]?.take(amount) ?? ignore) : []
    const meters = holds.map((hold, i): Remaining => {
      const used = counters[i]?.used() ?? 0
      const most = hold.window.kind === 'gcra' ? hold.window.burst : hold.limit
      const resetMs = Math.max(0, Math.ceil(counters[i]?.resetMs() ?? 0))
      return { limit: hold.limit, remaining: Math.max(0, most - used), used, resetMs }
    })
    if (refusing >= 0) {
      const permanent = longestMs === Number.POSITIVE_INFINITY
      const retryAfterMs = Math.max(1, permanent ? (meters[refusing]?.resetMs ?? 1) : longestMs)
      return {
        admitted: false,
        hold: refusing,
        retryAfterMs: Math.ceil(retryAfterMs),
        permanent,
        meters,
      }
    }
    const grow = (hold: ShareHold, amount: number): boolean => this.#grow(hold, amount)
    const reservation = new ShareReservation(holds, corrections, grow)
    return { admitted: true, degraded: true, meters, reservation }
  }

  #grow(hold: ShareHold, amount: number): boolean {
    const counter = this.#counterOf(hold)
    if (!hold.isSilent && counter.waitMs(amount, hold) > 0) return false
    counter.take(amount)
    return true
  }

  #counterOf({ id, scope, window }: ShareHold): Counter {
    const key = JSON.stringify([id, scope, window])
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      counter = createCounter(window, this.#clock)
      this.#counters.set(key, counter)
    }
    return counter
  }
}

function ignore(): void {}

class ShareReservation implements Reservation {
  closed = false
  readonly #holds: readonly ShareHold[]
  readonly #corrections: readonly ((difference: number) => void)[]
  readonly #grow: (hold: ShareHold, amount: number) => boolean
  readonly #held: number[]

  constructor(
    holds: readonly ShareHold[],
    corrections: readonly ((difference: number) => void)[],
    grow: (hold: ShareHold, amount: number) => boolean,
  ) {
    this.#holds = holds
    this.#corrections = corrections
    this.#grow = grow
    this.#held = holds.map(({ amount }) => amount)
  }

  used(hold: number, total: number): 'within' | 'short' {
    return total <= (this.#held[hold] ?? 0) ? 'within' : 'short'
  }

  grow(hold: number, amount: number): boolean {
    const grown = this.#holds[hold]
    if (this.closed || grown === undefined || !this.#grow(grown, amount)) return false
    this.#held[hold] = (this.#held[hold] ?? 0) + amount
    return true
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    for (const [i, { window }] of this.#holds.entries()) {
      const held = this.#held[i] ?? 0
      const used = window.kind === 'concurrency' ? 0 : (actual?.[i] ?? held)
      if (used !== held) this.#corrections[i]?.(used - held)
    }
  }
}

function createCounter(window: MeterWindow, clock: Clock): Counter {
  switch (window.kind) {
    case 'calendar':
      return calendarCounter(window.period, window.timeZone ?? 'UTC', clock)
    case 'sliding':
      return slidingCounter(Math.ceil(window.lengthMs / PARTS), clock)
    case 'gcra':
      return levelCounter(window, clock)
    case 'concurrency':
      return heldCounter()
  }
}

function calendarCounter(period: Period, timeZone: string, clock: Clock): Counter {
  let bounds = zoneBoundaries(period, timeZone, clock.now(), undefined)
  let count = 0
  const look = (): number => {
    const current = zoneBoundaries(period, timeZone, clock.now(), bounds)
    // A clock that steps back opens nothing again.
    if (current[0] > bounds[0]) count = 0
    if (current[0] >= bounds[0]) bounds = current
    return count
  }
  return {
    used: look,
    waitMs(more, { limit }) {
      if (look() + more <= limit) return 0
      return more > limit ? Number.POSITIVE_INFINITY : bounds[1] - clock.now()
    },
    resetMs: () => bounds[1] - clock.now(),
    take(amount) {
      count = look() + amount
      const [taken] = bounds
      return (difference) => {
        look()
        if (bounds[0] === taken) count = Math.max(0, count + difference)
      }
    },
  }
}

function slidingCounter(partMs: number, clock: Clock): Counter {
  const parts = new Map<number, number>()
  const nowPart = (): number => Math.floor(clock.monotonic() / partMs)
  const look = (): number => {
    let sum = 0
    for (const [part, count] of parts) {
      if (part < nowPart() - PARTS) parts.delete(part)
      else sum += count
    }
    return sum
  }
  const endOf = (part: number): number => (part + PARTS + 1) * partMs - clock.monotonic()
  return {
    used: look,
    waitMs(more, { limit }) {
      let excess = look() + more - limit
      if (excess <= 0) return 0
      for (const [part, count] of parts) {
        excess -= count
        if (excess <= 0) return endOf(part)
      }
      return Number.POSITIVE_INFINITY
    },
    resetMs: () => endOf(Math.max(nowPart() - PARTS - 1, ...parts.keys())),
    take(amount) {
      const part = nowPart()
      parts.set(part, (parts.get(part) ?? 0) + amount)
      return (difference) => {
        const count = parts.get(part)
        if (count !== undefined) parts.set(part, Math.max(0, count + difference))
      }
    },
  }
}

function levelCounter(
  { lengthMs, burst }: { lengthMs: number; burst: number },
  clock: Clock,
): Counter {
  let level = 0
  let atMs = clock.monotonic()
  /** Units per ms; of the limit that was asked last. */
  let rate = 0
  const look = (): number => {
    const nowMs = clock.monotonic()
    level = Math.max(0, level - (nowMs - atMs) * rate)
    atMs = nowMs
    return Math.ceil(level - 1e-6)
  }
  return {
    used: look,
    waitMs(more, { limit }) {
      rate = limit / lengthMs
      look()
      const excess = level + more - burst
      if (excess <= 1e-6) return 0
      return more > burst ? Number.POSITIVE_INFINITY : excess / rate
    },
    resetMs: () => (rate === 0 ? 0 : level / rate),
    take(amount) {
      look()
      level += amount
      const top = level
      const takenAtMs = atMs
      return (difference) => {
        look()
        // Only what has not flown off yet can be given back.
        const left = Math.min(amount, Math.max(0, top - (atMs - takenAtMs) * rate))
        level = Math.max(0, level + Math.max(difference, -left))
      }
    },
  }
}

function heldCounter(): Counter {
  let held = 0
  return {
    used: () => held,
    waitMs(more, { limit }) {
      if (held + more <= limit) return 0
      return more > limit ? Number.POSITIVE_INFINITY : HELD_WAIT_MS
    },
    resetMs: () => 0,
    take(amount) {
      held += amount
      return (difference) => {
        held = Math.max(0, held + difference)
      }
    },
  }
}
