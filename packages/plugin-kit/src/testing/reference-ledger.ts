import type { Clock } from '../plugin.ts'
import type { Decision, Hold, Ledger, Meter, Period, Remaining, Reservation } from '../ledger.ts'

/** One reservation's share in a counter. */
interface Entry {
  readonly atMs: number
  amount: number
}

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

  function fits({ meter, scope }: Hold, amount: number): boolean {
    const { limit, mode } = meter.definition
    return mode === 'report' || look(meter, scope).used + amount <= limit
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

  function open(holds: readonly Hold[]): Reservation {
    const taken = holds.map(({ meter, scope, amount }) => {
      const entry: Entry = { atMs: clock.now(), amount }
      entriesOf(meter, scope).push(entry)
      return { entry, meter, scope }
    })
    let closed = false
    return {
      get closed() {
        return closed
      },
      used: (hold, total) => (total <= (taken[hold]?.entry.amount ?? 0) ? 'within' : 'short'),
      grow(hold, amount) {
        const own = taken[hold]
        if (closed || own === undefined || !fits({ ...own, amount }, amount)) return false
        own.entry.amount += amount
        return true
      },
      close(actual) {
        if (closed) return
        closed = true
        for (const [i, { entry, meter }] of taken.entries()) {
          const isHeld = meter.definition.window.kind === 'concurrency'
          entry.amount = isHeld ? 0 : (actual?.[i] ?? entry.amount)
        }
      },
    }
  }

  return {
    meter: (definition): Meter => ({ definition }),
    reserve(holds): Decision {
      let refusing = -1
      let longestMs = -1
      for (const [i, hold] of holds.entries()) {
        if (fits(hold, asked(holds, i))) continue
        const { resetMs } = look(hold.meter, hold.scope)
        if (resetMs <= longestMs) continue
        refusing = i
        longestMs = resetMs
      }
      const reservation = refusing === -1 ? open(holds) : undefined
      const meters = holds.map(({ meter, scope }) => look(meter, scope))
      if (reservation !== undefined) return { admitted: true, degraded: false, meters, reservation }
      return {
        admitted: false,
        hold: refusing,
        retryAfterMs: Math.max(1, longestMs),
        permanent: (holds[refusing]?.amount ?? 0) > (meters[refusing]?.limit ?? 0),
        meters,
      }
    },
    peek: look,
    reset(meter, scope) {
      entriesOf(meter, scope).splice(0)
    },
    record(meter, scope, amount, atMs) {
      entriesOf(meter, scope).push({ atMs, amount })
    },
  }
}

/** When what was counted at `atMs` is forgotten. */
function endOf({ definition: { id, window } }: Meter, atMs: number): number {
  switch (window.kind) {
    case 'calendar':
      return calendarEnd(window.period, atMs)
    case 'sliding':
      return atMs + window.lengthMs
    case 'concurrency':
      return Number.POSITIVE_INFINITY
    case 'gcra':
      throw new RangeError(`meter ${id}: the reference does not know GCRA`)
  }
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
