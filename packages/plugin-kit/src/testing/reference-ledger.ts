import type { Clock } from '../plugin.ts'
import type { Decision, Hold, Ledger, Meter, Period, Remaining } from '../ledger.ts'

/**
 * The simplest ledger that obeys the contract: calendar windows in a map, one thread, nothing bounded. For tests of
 * plugins, and as the model that a real ledger is compared with.
 */
export function createReferenceLedger(clock: Clock): Ledger {
  const used = new Map<string, number>()

  return {
    meter: (definition): Meter => ({ definition }),
    reserve(holds: readonly Hold[]): Decision {
      const nowMs = clock.now()
      const windows = holds.map((hold) => calendarWindow(periodOf(hold.meter), nowMs))
      const keys = holds.map((hold, i) =>
        keyOf(hold.meter, hold.scope, windows[i]?.startMs ?? nowMs),
      )
      const asked = new Map<string, number>()
      let refusing = -1
      for (const [i, hold] of holds.entries()) {
        const key = keys[i] ?? ''
        const total = (asked.get(key) ?? 0) + hold.amount
        asked.set(key, total)
        if ((used.get(key) ?? 0) + total <= hold.meter.definition.limit) continue
        const longest = windows[refusing]?.endMs ?? 0
        if ((windows[i]?.endMs ?? 0) > longest) refusing = i
      }
      if (refusing === -1)
        for (const [key, amount] of asked) used.set(key, (used.get(key) ?? 0) + amount)

      const meters: Remaining[] = holds.map((hold, i) => ({
        limit: hold.meter.definition.limit,
        remaining: Math.max(0, hold.meter.definition.limit - (used.get(keys[i] ?? '') ?? 0)),
        used: used.get(keys[i] ?? '') ?? 0,
        resetMs: (windows[i]?.endMs ?? nowMs) - nowMs,
      }))
      if (refusing !== -1) {
        return {
          admitted: false,
          hold: refusing,
          retryAfterMs: meters[refusing]?.resetMs ?? 0,
          permanent: (holds[refusing]?.amount ?? 0) > (meters[refusing]?.limit ?? 0),
          meters,
        }
      }
      let closed = false
      return {
        admitted: true,
        degraded: false,
        meters,
        reservation: {
          get closed() {
            return closed
          },
          used: (hold, total) => (total <= (holds[hold]?.amount ?? 0) ? 'within' : 'short'),
          grow: () => false,
          close(actual) {
            if (closed) return
            closed = true
            for (const [i, hold] of holds.entries()) {
              const key = keys[i] ?? ''
              used.set(
                key,
                Math.max(0, (used.get(key) ?? 0) + (actual?.[i] ?? hold.amount) - hold.amount),
              )
            }
          },
        },
      }
    },
    peek(meter, scope) {
      const { limit } = meter.definition
      const nowMs = clock.now()
      const { startMs, endMs } = calendarWindow(periodOf(meter), nowMs)
      const counted = used.get(keyOf(meter, scope, startMs)) ?? 0
      return {
        limit,
        remaining: Math.max(0, limit - counted),
        used: counted,
        resetMs: endMs - nowMs,
      }
    },
    reset(meter, scope) {
      used.delete(keyOf(meter, scope, calendarWindow(periodOf(meter), clock.now()).startMs))
    },
    record(meter, scope, amount, atMs) {
      const key = keyOf(meter, scope, calendarWindow(periodOf(meter), atMs).startMs)
      used.set(key, (used.get(key) ?? 0) + amount)
    },
  }
}

function keyOf({ definition }: Meter, scope: string, startMs: number): string {
  return JSON.stringify([definition.id, scope, startMs])
}

function periodOf({ definition: { id, window } }: Meter): Period {
  if (window.kind === 'calendar') return window.period
  throw new RangeError(`meter ${id}: the reference knows calendar windows only`)
}

function calendarWindow(period: Period, atMs: number): { startMs: number; endMs: number } {
  const at = new Date(atMs)
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()]
  if (period === 'year') return { startMs: Date.UTC(year, 0), endMs: Date.UTC(year + 1, 0) }
  if (period === 'month')
    return { startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1) }
  if (period === 'week') throw new RangeError('the reference does not know weeks')
  const lengthMs = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }[period]
  const startMs = Math.floor(atMs / lengthMs) * lengthMs
  return { startMs, endMs: startMs + lengthMs }
}
