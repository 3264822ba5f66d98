import type { MeterWindow } from '@pratu/plugin-kit'
import { TestClock } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LocalShares, type ShareHold } from './local-shares.ts'

const START_MS = Date.UTC(2026, 10, 24, 10, 30)

const WINDOWS: readonly (readonly [string, MeterWindow, capacity: number])[] = [
  ['week', { kind: 'calendar', period: 'week' }, 10],
  ['day of a zone', { kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' }, 10],
  ['sliding', { kind: 'sliding', lengthMs: 60_000 }, 10],
  ['GCRA', { kind: 'gcra', lengthMs: 60_000, burst: 4 }, 4],
]

function hold(window: MeterWindow, amount: number): ShareHold {
  return { id: 'm', scope: 'alice', amount, window, limit: 10, isSilent: false }
}

describe.each(WINDOWS)('F62 a share of a limit by %s', (_, window, capacity) => {
  test('admits as much as fits and tells when it would admit again', () => {
    const clock = new TestClock(START_MS)
    const shares = new LocalShares(clock)
    expect(shares.reserve([hold(window, capacity)])).toMatchObject({
      admitted: true,
      degraded: true,
      meters: [{ used: capacity, remaining: 0 }],
    })
    const refused = shares.reserve([hold(window, 1)])
    if (refused.admitted) throw new Error('admitted')
    expect(refused.permanent).toBe(false)
    clock.advance(refused.retryAfterMs - 1)
    expect(shares.reserve([hold(window, 1)]).admitted).toBe(false)
    clock.advance(1)
    expect(shares.reserve([hold(window, 1)]).admitted).toBe(true)
    expect(shares.reserve([hold(window, 11)])).toMatchObject({ admitted: false, permanent: true })
  })

  test('takes back what was not used, once, and refuses all of what does not fit together', () => {
    const shares = new LocalShares(new TestClock(START_MS))
    const decision = shares.reserve([hold(window, capacity)])
    if (decision.admitted) {
      decision.reservation.close([1])
      decision.reservation.close([0])
    }
    const together = [hold(window, capacity - 1), hold(window, 1)]
    expect(shares.reserve(together)).toMatchObject({
      admitted: false,
      hold: 1,
      meters: [{ used: 1 }, { used: 1 }],
    })
    expect(shares.reserve([hold(window, capacity - 1)]).admitted).toBe(true)
  })
})

test('F69 in no span of a sliding share’s length more than the share is admitted', () => {
  const window: MeterWindow = { kind: 'sliding', lengthMs: 1_000 }
  const gaps = fc.array(fc.nat({ max: 400 }), { minLength: 10, maxLength: 60 })
  fc.assert(
    fc.property(gaps, (all) => {
      const clock = new TestClock(START_MS)
      const shares = new LocalShares(clock)
      const admitted: number[] = []
      for (const gap of all) {
        clock.advance(gap)
        if (shares.reserve([hold(window, 2)]).admitted) admitted.push(clock.monotonic())
      }
      for (const from of admitted) {
        const within = admitted.filter((at) => at >= from && at < from + 1_000)
        expect(within.length * 2).toBeLessThanOrEqual(10)
      }
    }),
  )
})

test('F70 what is held is free when it is closed, whatever it used', () => {
  const window: MeterWindow = { kind: 'concurrency', leaseMs: 30_000 }
  const shares = new LocalShares(new TestClock(START_MS))
  const decision = shares.reserve([hold(window, 10)])
  expect(shares.reserve([hold(window, 1)])).toMatchObject({ admitted: false, permanent: false })
  if (decision.admitted) decision.reservation.close([7])
  expect(shares.reserve([hold(window, 10)]).admitted).toBe(true)
})
