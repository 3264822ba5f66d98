import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PERIODS, calendarWindow } from './calendar-window.ts'

const iso = (ms: number): string => new Date(ms).toISOString()

test.each([
  ['second', '2026-05-12T12:34:56.789Z', '2026-05-12T12:34:56.000Z', '2026-05-12T12:34:57.000Z'],
  ['minute', '2026-05-12T12:34:56.789Z', '2026-05-12T12:34:00.000Z', '2026-05-12T12:35:00.000Z'],
  ['hour', '2026-05-12T12:34:56.789Z', '2026-05-12T12:00:00.000Z', '2026-05-12T13:00:00.000Z'],
  ['day', '2026-05-12T12:34:56.789Z', '2026-05-12T00:00:00.000Z', '2026-05-13T00:00:00.000Z'],
  ['month', '2024-02-29T23:59:59.999Z', '2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
  ['month', '2026-12-31T00:00:00.000Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ['year', '2026-12-31T23:59:59.999Z', '2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
] as const)(
  'kong.md §3.3 the %s of %s begins and ends with the UTC calendar',
  (period, at, start, end) => {
    const window = calendarWindow(period, Date.parse(at))
    expect([iso(window.startMs), iso(window.endMs)]).toEqual([start, end])
  },
)

test('every moment lies in exactly one window, and the next window has the next number', () => {
  const moment = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2037, 0) })
  fc.assert(
    fc.property(fc.constantFrom(...PERIODS), moment, (period, atMs) => {
      const window = calendarWindow(period, atMs)
      expect(window.startMs).toBeLessThanOrEqual(atMs)
      expect(window.endMs).toBeGreaterThan(atMs)
      expect(calendarWindow(period, window.startMs)).toEqual(window)
      expect(calendarWindow(period, window.endMs)).toMatchObject({
        startMs: window.endMs,
        ordinal: window.ordinal + 1,
      })
    }),
  )
})
