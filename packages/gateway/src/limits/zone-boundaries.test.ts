import type { Period } from '@pratu/plugin-kit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { calendarWindow } from './calendar-window.ts'
import { zoneBoundaries } from './zone-boundaries.ts'

const at = (text: string): number => Date.parse(text)

function boundaries(period: Period, timeZone: string, moment: string): readonly string[] {
  return zoneBoundaries(period, timeZone, at(moment), undefined).map((ms) =>
    new Date(ms).toISOString().replace('.000Z', 'Z'),
  )
}

describe('windows of a calendar in a time zone', () => {
  test.each<[Period, string, string, readonly string[]]>([
    [
      'day',
      'Asia/Bangkok',
      '2026-11-24T16:59:59Z',
      ['2026-11-23T17:00:00Z', '2026-11-24T17:00:00Z', '2026-11-25T17:00:00Z'],
    ],
    [
      'week',
      'Asia/Bangkok',
      '2026-11-24T12:00:00Z',
      ['2026-11-22T17:00:00Z', '2026-11-29T17:00:00Z', '2026-12-06T17:00:00Z'],
    ],
    [
      'month',
      'America/New_York',
      '2026-11-24T12:00:00Z',
      ['2026-11-01T04:00:00Z', '2026-12-01T05:00:00Z', '2027-01-01T05:00:00Z'],
    ],
    [
      'year',
      'Pacific/Auckland',
      '2026-12-31T11:00:00Z',
      ['2026-12-31T11:00:00Z', '2027-12-31T11:00:00Z', '2028-12-31T11:00:00Z'],
    ],
    [
      'hour',
      'Asia/Kolkata',
      '2026-11-24T12:40:00Z',
      ['2026-11-24T12:30:00Z', '2026-11-24T13:30:00Z', '2026-11-24T14:30:00Z'],
    ],
  ])('a %s in %s around %s', (period, timeZone, moment, expected) => {
    expect(boundaries(period, timeZone, moment)).toEqual(expected)
  })

  test('days on which clocks are changed have 23 or 25 hours', () => {
    expect(boundaries('day', 'Europe/Berlin', '2026-03-29T12:00:00Z')).toEqual([
      '2026-03-28T23:00:00Z',
      '2026-03-29T22:00:00Z',
      '2026-03-30T22:00:00Z',
    ])
    expect(boundaries('day', 'Europe/Berlin', '2026-10-25T12:00:00Z')).toEqual([
      '2026-10-24T22:00:00Z',
      '2026-10-25T23:00:00Z',
      '2026-10-26T23:00:00Z',
    ])
  })

  test('a day whose midnight is skipped begins when the clocks are changed', () => {
    // In Cairo the clocks go from 00:00 to 01:00.
    expect(boundaries('day', 'Africa/Cairo', '2026-04-24T12:00:00Z')[0]).toBe(
      '2026-04-23T22:00:00Z',
    )
  })

  test('in UTC they are those of the calendar; in any zone they follow each other without a gap', () => {
    const period = fc.constantFrom<Period>(
      'second',
      'minute',
      'hour',
      'day',
      'week',
      'month',
      'year',
    )
    const zone = fc.constantFrom(
      'Asia/Bangkok',
      'Europe/Berlin',
      'America/Sao_Paulo',
      'Africa/Cairo',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'America/St_Johns',
      'Pacific/Apia',
      'Atlantic/Azores',
    )
    const moment = fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2040-01-01T00:00:00Z') })
    fc.assert(
      fc.property(period, zone, moment, (one, timeZone, ms) => {
        const { startMs, endMs } = calendarWindow(one, ms)
        expect(zoneBoundaries(one, 'UTC', ms, undefined).slice(0, 2)).toEqual([startMs, endMs])
        const [start, next, end] = zoneBoundaries(one, timeZone, ms, undefined)
        expect(ms).toBeGreaterThanOrEqual(start)
        expect(ms).toBeLessThan(next)
        expect(next).toBeLessThan(end)
        if (!['second', 'minute', 'hour'].includes(one)) {
          expect(zoneBoundaries(one, timeZone, next, undefined).slice(0, 2)).toEqual([next, end])
          expect(zoneBoundaries(one, timeZone, next - 1, undefined).slice(0, 2)).toEqual([
            start,
            next,
          ])
        }
      }),
      { numRuns: 400 },
    )
  })

  test('an answer is used again while it fits', () => {
    const known = zoneBoundaries('day', 'Asia/Bangkok', at('2026-11-24T12:00:00Z'), undefined)
    expect(zoneBoundaries('day', 'Asia/Bangkok', at('2026-11-24T16:00:00Z'), known)).toBe(known)
    expect(zoneBoundaries('day', 'Asia/Bangkok', at('2026-11-24T17:00:00Z'), known)).not.toBe(known)
  })

  test('a zone that does not exist is refused', () => {
    expect(() => zoneBoundaries('day', 'Asia/Nowhere', 0, undefined)).toThrow(RangeError)
  })
})
