import type { Period } from '@pratu/plugin-kit'

/** One fixed window of the UTC calendar. */
export interface CalendarWindow {
  /** Consecutive windows of a period have consecutive numbers. */
  readonly ordinal: number
  /** Epoch milliseconds, inclusive. */
  readonly startMs: number
  /** Epoch milliseconds, exclusive. */
  readonly endMs: number
}

/** Kong's periods, from the shortest to the longest. */
export const PERIODS = [
  'second',
  'minute',
  'hour',
  'day',
  'month',
  'year',
] as const satisfies readonly Period[]

/** The lengths that Kong calculates with: a month is 30 days, a year 365. */
export const PERIOD_SECONDS: Readonly<Record<Period, number>> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_592_000,
  year: 31_536_000,
}

/** Seconds are counted from here, so that their number fits into 32 bits until 2088. */
const FIRST_MS = Date.UTC(2020, 0)

const DAY_MS = 86_400_000
const LENGTH_MS = { second: 1_000, minute: 60_000, hour: 3_600_000, day: DAY_MS } as const
/** A Monday. */
const FIRST_WEEK_MS = FIRST_MS - 2 * DAY_MS

/**
 * The window that a moment falls into, in UTC: seconds to days are of equal length, weeks start on Monday, months and
 * years go from their first day to the next (kong.md §3.3).
 */
export function calendarWindow(period: Period, atMs: number): CalendarWindow {
  if (period === 'month' || period === 'year') {
    const at = new Date(atMs)
    const year = at.getUTCFullYear()
    if (period === 'year') {
      return { ordinal: year, startMs: Date.UTC(year, 0), endMs: Date.UTC(year + 1, 0) }
    }
    const month = at.getUTCMonth()
    return {
      ordinal: year * 12 + month,
      startMs: Date.UTC(year, month),
      endMs: Date.UTC(year, month + 1),
    }
  }
  if (period === 'week') {
    const ordinal = Math.floor((atMs - FIRST_WEEK_MS) / (7 * DAY_MS))
    const startMs = FIRST_WEEK_MS + ordinal * 7 * DAY_MS
    return { ordinal, startMs, endMs: startMs + 7 * DAY_MS }
  }
  const lengthMs = LENGTH_MS[period]
  const ordinal = Math.floor((atMs - FIRST_MS) / lengthMs)
  const startMs = FIRST_MS + ordinal * lengthMs
  return { ordinal, startMs, endMs: startMs + lengthMs }
}
