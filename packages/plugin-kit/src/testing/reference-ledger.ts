import type { Clock } from '../plugin.ts'
import type { Decision, Hold, Ledger, Meter, Period, Remaining, Reservation } from '../ledger.ts'

/** One reservation's share in a counter. */
interface Entry {
  readonly atMs: number
  amount: number
}

/** What one hold of a reservation has taken; each growth is an entry of its own. */
interface Taken {
  readonly meter: Meter
  readonly scope: string
  readonly entries: Entry[]
}

/** Of a sliding window; what was counted in one of them is forgotten together. */
const PARTS = 8
/** Nobody knows when what is held will be free. */
const HELD_WAIT_MS = 1_000

/**
 * The simplest ledger that obeys the contract: every reservation is remembered, one thread, nothing bounded. For tests of
 * plugins, and as the model that a real ledger is compared with. Knows calendar windows in UTC (weeks apart), sliding
 * windows and concurrency.
 */
export function createReferenceLedger(clock: Clock): Ledger {
  const counters = new Map<string, Entry[]>()

  function entriesOf({ definition }: Meter, scope: string): Entry[] {
    const key = JSON.stringify([definition.id, scope])
    let entries = counters.get(key)
    if (entries === undefined) counters.set(key, (entries = []))
    return entries
  }

  function look(meter: Meter, scope: string): Remaining {
    const nowMs = clock.now()
    const counts = entriesOf(meter, scope).filter(
      ({ amount, atMs }) => amount > 0 && endOf(meter, atMs) > nowMs,
    )
    const used = counts.reduce((sum, { amount }) => sum + amount, 0)
    const { limit, window } = meter.definition
    const ends = counts.map(({ atMs }) => endOf(meter, atMs))
    if (window.kind === 'calendar') ends.push(endOf(meter, nowMs))
    const resetMs = window.kind === 'concurrency' ? 0 : Math.max(nowMs, ...ends) - nowMs
    return { limit, used, remaining: Math.max(0, limit - used), resetMs }
  }

  /** Milliseconds until so much could be admitted; 0 = now, infinite = never. */
  function waitMs({ meter, scope }: Pick<Hold, 'meter' | 'scope'>, amount: number): number {
    const { limit, mode, window } = meter.definition
    let { used } = look(meter, scope)
    if (mode === 'report' || used + amount <= limit) return 0
    if (amount > limit) return Number.POSITIVE_INFINITY
    if (window.kind === 'concurrency') return HELD_WAIT_MS
    const nowMs = clock.now()
    const entries = entriesOf(meter, scope)
      .map((entry) => ({ amount: entry.amount, endMs: endOf(meter, entry.atMs) }))
      .filter(({ endMs }) => endMs > nowMs)
      .toSorted((a, b) => a.endMs - b.endMs)
    for (const entry of entries) {
      used -= entry.amount
      if (used + amount <= limit) return entry.endMs - nowMs
    }
    return Number.POSITIVE_INFINITY
  }

  /** What a hold asks together with the earlier ones of the same counter. */
  function asked(holds: readonly Hold[], index: number): number {
    const own = holds[index]
    return holds
      .slice(0, index + 1)
      .filter(
        ({ meter, scope }) =>
          meter.definition.id === own?.meter.definition.id && scope === own.scope,
      )
      .reduce((sum, { amount }) => sum + amount, 0)
  }

  function take({ meter, scope }: Pick<Hold, 'meter' | 'scope'>, amount: number): Entry {
    const entry: Entry = { atMs: clock.now(), amount }
    entriesOf(meter, scope).push(entry)
    return entry
  }

  function settle(hold: Taken, actual: number): void {
    let less = reservedBy(hold) - actual
    for (const entry of hold.entries.toReversed()) {
      const amount = Math.min(Math.max(0, less), entry.amount)
      entry.amount -= amount
      less -= amount
    }
    const last = hold.entries.at(-1)
    if (less >= 0 || last === undefined) return
    // What exceeds the reservation counts from now on, in a calendar only while its window lasts.
    if (hold.meter.definition.window.kind !== 'calendar') take(hold, -less)
    else last.amount -= less
  }

  function open(holds: readonly Hold[]): Reservation {
    const taken = holds.map((hold): Taken => ({ ...hold, entries: [take(hold, hold.amount)] }))
    let closed = false
    return {
      get closed() {
        return closed
      },
      used(hold, total) {
        const own = taken[hold]
        return own !== undefined && total <= reservedBy(own) ? 'within' : 'short'
      },
      grow(hold, amount) {
        const own = taken[hold]
        if (closed || own === undefined || waitMs(own, amount) > 0) return false
        own.entries.push(take(own, amount))
        return true
      },
      close(actual) {
        if (closed) return
        closed = true
        for (const [i, hold] of taken.entries()) {
          const isHeld = hold.meter.definition.window.kind === 'concurrency'
          settle(hold, isHeld ? 0 : (actual?.[i] ?? reservedBy(hold)))
        }
      },
    }
  }

  return {
    meter: (definition): Meter => ({ definition }),
    reserve(holds): Decision {
      let refusing = -1
      let longestMs = 0
      let longestResetMs = 0
      for (const [i, hold] of holds.entries()) {
        const wait = waitMs(hold, asked(holds, i))
        if (wait === 0) continue
        const { resetMs } = look(hold.meter, hold.scope)
        // Of those that will never be admitted the one that is told the longest.
        if (wait < longestMs || (wait === longestMs && resetMs <= longestResetMs)) continue
        refusing = i
        longestMs = wait
        longestResetMs = resetMs
      }
      const permanent = longestMs === Number.POSITIVE_INFINITY
      const reservation = refusing === -1 ? open(holds) : undefined
      const meters = holds.map(({ meter, scope }) => look(meter, scope))
      if (reservation !== undefined) return { admitted: true, degraded: false, meters, reservation }
      return {
        admitted: false,
        hold: refusing,
        retryAfterMs: Math.max(1, permanent ? longestResetMs : longestMs),
        permanent,
        meters,
      }
    },
    peek: look,
    reset(meter, scope) {
      if (meter.definition.window.kind !== 'concurrency') entriesOf(meter, scope).splice(0)
    },
    record(meter, scope, amount, atMs) {
      if (meter.definition.window.kind === 'concurrency') return
      entriesOf(meter, scope).push({ atMs, amount })
    },
  }
}

function reservedBy({ entries }: Taken): number {
  return entries.reduce((sum, { amount }) => sum + amount, 0)
}

/** When what was counted at `atMs` is forgotten. */
function endOf({ definition: { id, window } }: Meter, atMs: number): number {
  switch (window.kind) {
    case 'calendar':
      return calendarEnd(window.period, atMs)
    case 'sliding':
      return slidingEnd(window.lengthMs, atMs)
    case 'concurrency':
      return Number.POSITIVE_INFINITY
    case 'gcra':
      throw new RangeError(`meter ${id}: the reference does not know GCRA`)
  }
}

/** The oldest part counts whole although some of it is over. */
function slidingEnd(lengthMs: number, atMs: number): number {
  const partMs = Math.ceil(lengthMs / PARTS)
  return (Math.floor(atMs / partMs) + PARTS + 1) * partMs
}

function calendarEnd(period: Period, atMs: number): number {
  const at = new Date(atMs)
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()]
  if (period === 'year') return Date.UTC(year + 1, 0)
  if (period === 'month') return Date.UTC(year, month + 1)
  if (period === 'week') throw new RangeError('the reference does not know weeks')
  const lengthMs = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }[period]
  return (Math.floor(atMs / lengthMs) + 1) * lengthMs
}
