import type { Period } from '@pratu/plugin-kit'
import { calendarWindow } from './calendar-window.ts'

/** Where the window around a moment begins, where the next one does, and where that ends; epoch ms. */
export type ZoneBoundaries = readonly [start: number, next: number, end: number]

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** 1970 began on a Thursday. */
const MONDAY = 4

/**
 * Windows of a calendar in a time zone: a day goes from midnight to midnight there, so that some have 23 or 25 hours.
 *
 * @param timeZone an IANA name.
 * @param known an earlier answer for the same period and zone.
 * @throws {RangeError} for a zone that does not exist.
 */
export function zoneBoundaries(
  period: Period,
  timeZone: string,
  atMs: number,
  known: ZoneBoundaries | undefined,
): ZoneBoundaries {
  if (known !== undefined && atMs >= known[0] && atMs < known[1]) return known
  const zone = zoneOf(timeZone)
  const wallMs = atMs + zone.offsetMs(atMs)
  // Shorter than any change of clocks: these go on through it.
  if (period === 'second' || period === 'minute' || period === 'hour') {
    const { startMs, endMs } = calendarWindow(period, wallMs)
    const lengthMs = endMs - startMs
    const start = atMs - (wallMs - startMs)
    return [start, start + lengthMs, start + 2 * lengthMs]
  }
  const first = startOf(period, wallMs, 0)
  let start = zone.instant(first)
  let next = zone.instant(startOf(period, first, 1))
  // Where clocks are turned back over midnight the old day is not opened again.
  if (atMs >= next) {
    start = next
    next = zone.instant(startOf(period, first, 2))
  }
  return [start, next, zone.instant(startOf(period, next + zone.offsetMs(next), 1))]
}

/** The wall clock at the start of the window that is `later` after the one of `wallMs`, as if it were UTC. */
function startOf(period: Period, wallMs: number, later: number): number {
  const at = new Date(wallMs)
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
  switch (period) {
    case 'year':
      return Date.UTC(year + later, 0)
    case 'month':
      return Date.UTC(year, month + later)
    case 'week': {
      const sinceMonday = (Math.floor(wallMs / DAY_MS) + 7 - MONDAY) % 7
      return Date.UTC(year, month, day - sinceMonday + 7 * later)
    }
    default:
      return Date.UTC(year, month, day + later)
  }
}

interface Zone {
  /** How far its clocks are ahead of UTC. */
  offsetMs(atMs: number): number
  /** The first moment at which its clocks show that, or more where they skip it. */
  instant(wallMs: number): number
}

const zones = new Map<string, Zone>()

function zoneOf(timeZone: string): Zone {
  let zone = zones.get(timeZone)
  if (zone === undefined) zones.set(timeZone, (zone = createZone(timeZone)))
  return zone
}

function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const offsetMs = (atMs: number): number => {
    const parts = new Map<string, number>()
    for (const { type, value } of format.formatToParts(atMs)) parts.set(type, Number(value))
    const part = (name: string): number => parts.get(name) ?? 0
    const wallMs = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    )
    return wallMs - Math.floor(atMs / 1_000) * 1_000
  }
  return {
    offsetMs,
    instant(wallMs) {
      const [before, after] = [wallMs - DAY_MS, wallMs + DAY_MS].map((ms) => wallMs - offsetMs(ms))
      if (before === undefined || after === undefined) return wallMs
      let [low, high] = before < after ? [before, after] : [after, before]
      if (low + offsetMs(low) === wallMs) return low
      // Between the two the clocks are changed.
      while (high - low > 1_000) {
        const middle = low + Math.floor((high - low) / 2_000) * 1_000
        if (middle + offsetMs(middle) >= wallMs) high = middle
        else low = middle
      }
      return high
    },
  }
}
