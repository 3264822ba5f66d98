import type { Hold, Ledger, Meter, MeterWindow, Period, Reservation } from '@pratu/plugin-kit'
import { TestClock, createReferenceLedger } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PERIODS } from './calendar-window.ts'
import { createCounterTable, type CounterTable } from './counter-table.ts'
import { createMemoryLedger, type MemoryLedger } from './memory-ledger.ts'

interface Given {
  readonly clock: TestClock
  readonly table: CounterTable
  readonly ledger: MemoryLedger
  readonly meter: (period: Period, limit: number, id?: string) => Meter
}

function given(startMs?: number, slots = 64): Given {
  const clock = new TestClock(startMs)
  const table = createCounterTable({ slots })
  const ledger = openLedger(clock, table)
  const meter = (period: Period, limit: number, id: string = period): Meter =>
    ledger.meter({ id, quantity: 'requests', window: { kind: 'calendar', period }, limit })
  return { clock, table, ledger, meter }
}

function openLedger(clock: TestClock, table: CounterTable): MemoryLedger {
  return createMemoryLedger({
    clock,
    table,
    machineMs: () => clock.monotonic(),
    uptimeMs: () => clock.monotonic(),
  })
}

const hold = (meter: Meter, scope = 'alice', amount = 1): Hold => ({ meter, scope, amount })

/** Reserves until refused. @returns how many passed. */
function exhaust(ledger: MemoryLedger, holds: readonly Hold[]): number {
  for (let admitted = 0; admitted < 10_000; admitted++) {
    if (!ledger.reserve(holds).admitted) return admitted
  }
  throw new Error('never refused')
}

describe('all or nothing', () => {
  test('a refused reservation takes nothing from any meter', () => {
    const { ledger, meter } = given()
    const [minute, hour] = [meter('minute', 10), meter('hour', 3)]
    expect(exhaust(ledger, [hold(minute), hold(hour)])).toBe(3)
    const refused = ledger.reserve([hold(minute), hold(hour)])
    expect(refused).toMatchObject({
      admitted: false,
      hold: 1,
      meters: [
        { limit: 10, remaining: 7 },
        { limit: 3, remaining: 0 },
      ],
    })
    expect(exhaust(ledger, [hold(minute)])).toBe(7)
  })

  test('two holds on the same counter are added up before either is admitted', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 5)
    expect(ledger.reserve([hold(minute, 'alice', 3), hold(minute, 'alice', 3)]).admitted).toBe(
      false,
    )
    expect(exhaust(ledger, [hold(minute)])).toBe(5)
  })

  test('scopes, and meters of another id, have counters of their own', () => {
    const { ledger, meter } = given()
    const [one, two] = [meter('minute', 2, 'one'), meter('minute', 2, 'two')]
    expect(exhaust(ledger, [hold(one, 'alice')])).toBe(2)
    expect(exhaust(ledger, [hold(one, 'bob')])).toBe(2)
    expect(exhaust(ledger, [hold(two, 'alice')])).toBe(2)
  })

  test('an amount above the limit is refused, whatever is left', () => {
    const { ledger, meter } = given()
    expect(ledger.reserve([hold(meter('minute', 5), 'alice', 6)]).admitted).toBe(false)
  })

  test('limits beyond 32 bits are counted exactly', () => {
    const { ledger, meter } = given()
    const year = meter('year', 10_000_000_000)
    expect(ledger.reserve([hold(year, 'alice', 9_999_999_999)]).meters[0]?.remaining).toBe(1)
    expect(exhaust(ledger, [hold(year)])).toBe(1)
  })

  test('a limit or an amount that is not a whole number from 1 is an error of the caller', () => {
    const { ledger, meter } = given()
    expect(() => meter('minute', 0)).toThrow(RangeError)
    expect(() => meter('minute', 1.5)).toThrow(RangeError)
    expect(() => ledger.reserve([hold(meter('minute', 5), 'alice', 0)])).toThrow(RangeError)
    expect(() => ledger.reserve([hold(given().meter('minute', 5))])).not.toThrow()
    const foreign = createReferenceLedger(new TestClock()).meter(meter('minute', 5).definition)
    expect(() => ledger.reserve([hold(foreign)])).toThrow(TypeError)
  })
})

describe('calendar windows', () => {
  test('a window ends exactly with the calendar and tells how long it still lasts', () => {
    const { clock, ledger, meter } = given(Date.UTC(2026, 4, 12, 12, 0, 58, 500))
    const minute = meter('minute', 2)
    expect(ledger.reserve([hold(minute)]).meters[0]).toEqual({
      limit: 2,
      remaining: 1,
      used: 1,
      resetMs: 1_500,
    })
    ledger.reserve([hold(minute)])
    clock.advance(1_499)
    expect(ledger.reserve([hold(minute)])).toMatchObject({ admitted: false, retryAfterMs: 1 })
    clock.advance(1)
    expect(ledger.reserve([hold(minute)])).toMatchObject({
      admitted: true,
      meters: [{ remaining: 1, resetMs: 60_000 }],
    })
  })

  test.each(PERIODS)('a %s that is over leaves room for the next, again and again', (period) => {
    const { clock, ledger, meter } = given(undefined, 2)
    const m = meter(period, 2)
    for (let window = 0; window < 5; window++) {
      expect(exhaust(ledger, [hold(m, 'alice'), hold(m, 'bob')])).toBe(2)
      clock.advance(ledger.reserve([hold(m)]).meters[0]?.resetMs ?? 0)
    }
    expect(ledger.usage().overflowed).toBe(0)
  })

  test.each([
    ['1970, before the clock was set', Date.UTC(1970, 0, 1, 0, 1)],
    ['2079', Date.UTC(2079, 6)],
  ])('windows work in %s', (_name, startMs) => {
    const { clock, ledger, meter } = given(startMs)
    const holds = PERIODS.map((period) => hold(meter(period, 3)))
    expect(exhaust(ledger, holds)).toBe(3)
    clock.advance(1_000)
    expect(exhaust(ledger, [hold(meter('second', 3))])).toBe(3)
    expect(exhaust(ledger, holds)).toBe(0)
  })

  test('periods are counted apart, each over its own window', () => {
    const { clock, ledger, meter } = given()
    const holds = [hold(meter('second', 2)), hold(meter('minute', 3))]
    expect(exhaust(ledger, holds)).toBe(2)
    clock.advance(1_000)
    expect(exhaust(ledger, holds)).toBe(1)
    clock.advance(1_000)
    expect(exhaust(ledger, holds)).toBe(0)
    clock.advance(60_000)
    expect(exhaust(ledger, holds)).toBe(2)
  })
})

describe('closing', () => {
  test('F70 zeros give everything back, once, however often it is closed', () => {
    const { ledger, meter } = given()
    const [minute, hour] = [meter('minute', 5), meter('hour', 5)]
    const decision = ledger.reserve([hold(minute), hold(hour)])
    if (!decision.admitted) throw new Error('refused')
    expect(decision.reservation.closed).toBe(false)
    decision.reservation.close([0, 0])
    decision.reservation.close([0, 0])
    decision.reservation.close()
    expect(decision.reservation.closed).toBe(true)
    expect(exhaust(ledger, [hold(minute), hold(hour)])).toBe(5)
  })

  test('F70 without amounts everything stays counted; what is omitted at the end stays too', () => {
    const { ledger, meter } = given()
    const holds = [hold(meter('minute', 5)), hold(meter('hour', 5))]
    const [kept, partly] = [ledger.reserve(holds), ledger.reserve(holds)]
    if (!kept.admitted || !partly.admitted) throw new Error('refused')
    kept.reservation.close()
    partly.reservation.close([0])
    expect(ledger.reserve(holds).meters.map(({ remaining }) => remaining)).toEqual([3, 2])
  })

  test('an amount that turned out larger is charged in full, also beyond the limit', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 5)
    const decision = ledger.reserve([hold(minute)])
    if (!decision.admitted) throw new Error('refused')
    decision.reservation.close([9])
    expect(ledger.reserve([hold(minute)])).toMatchObject({
      admitted: false,
      meters: [{ remaining: 0 }],
    })
  })

  test('F70 closing after the window has ended changes no later window', () => {
    const { clock, ledger, meter } = given(undefined, 2)
    const minute = meter('minute', 2)
    const late = ledger.reserve([hold(minute)])
    if (!late.admitted) throw new Error('refused')
    clock.advance(120_000)
    expect(exhaust(ledger, [hold(minute, 'bob')])).toBe(2)
    expect(exhaust(ledger, [hold(minute, 'alice')])).toBe(2)
    late.reservation.close([0])
    expect(exhaust(ledger, [hold(minute, 'bob'), hold(minute, 'alice')])).toBe(0)
  })
})

describe('shared memory', () => {
  test('ledgers over one table count together: workers, and one that replaces a dead worker', () => {
    const { clock, table, ledger, meter } = given()
    ledger.reserve([hold(meter('minute', 3))])
    const other = openLedger(clock, table)
    const same = other.meter(meter('minute', 3).definition)
    expect(exhaust(other, [hold(same)])).toBe(2)
  })

  test('another limit for the same meter goes on with what was used', () => {
    const { ledger, meter } = given()
    exhaust(ledger, [hold(meter('minute', 3))])
    expect(exhaust(ledger, [hold(meter('minute', 5))])).toBe(2)
  })

  test('a full table counts new scopes together: refused early, never beyond the limit', () => {
    const { ledger, meter } = given(undefined, 100)
    const minute = meter('minute', 3)
    for (let i = 0; i < 100; i++)
      expect(ledger.reserve([hold(minute, `known-${i}`)]).admitted).toBe(true)
    expect(ledger.usage()).toEqual({ counters: 100, slots: 100, overflowed: 0 })

    let admitted = 0
    for (let i = 0; i < 1_000; i++) admitted += exhaust(ledger, [hold(minute, `new-${i}`)])
    // 100 slots come with 2 shared counters.
    expect(admitted).toBe(2 * 3)
    expect(ledger.usage().overflowed).toBeGreaterThanOrEqual(1_000)
    expect(exhaust(ledger, [hold(minute, 'known-7')])).toBe(2)
  })

  test('a counter that lay still while the window tags came around is stale, not ahead', () => {
    for (const seconds of [4_095 * 2 - 2, 4_095 * 2, 4_095 * 4 - 6]) {
      const { clock, ledger, meter } = given()
      const second = meter('second', 2)
      expect(exhaust(ledger, [hold(second)])).toBe(2)
      clock.advance(seconds * 1_000)
      expect(exhaust(ledger, [hold(second)])).toBe(2)
    }
  })

  test('a full window makes room for the next one', () => {
    const { clock, ledger, meter } = given(undefined, 100)
    const minute = meter('minute', 1)
    for (let i = 0; i < 500; i++) ledger.reserve([hold(minute, `scope-${i}`)])
    const { overflowed } = ledger.usage()
    clock.advance(60_000)
    for (let i = 0; i < 100; i++)
      expect(ledger.reserve([hold(minute, `scope-${i}`)]).admitted).toBe(true)
    expect(ledger.usage().overflowed).toBe(overflowed)
  })

  test('a table has a size that fits into its words', () => {
    expect(() => createCounterTable({ slots: 0 })).toThrow(RangeError)
    expect(() => createCounterTable({ slots: 1.5 })).toThrow(RangeError)
    expect(() => createCounterTable({ slots: 2 ** 24 + 1 })).toThrow(RangeError)
    expect(createCounterTable({ slots: 1_040_000 }).slots).toBe(1_040_000)
  })
})

describe('F59 the wall clock jumps', () => {
  const START = Date.UTC(2026, 4, 12, 12, 0, 30)

  test.each([
    ['an hour back', -3_600_000],
    ['an hour ahead', 3_600_000],
    ['a week ahead', 7 * 86_400_000],
    ['a week back', -7 * 86_400_000],
    ['a second back', -1_000],
    ['a leap second ahead', 1_000],
  ])('%s: no window ends early, none is opened twice', (_name, jumpMs) => {
    const { clock, ledger, meter } = given(START)
    const periods = PERIODS.filter((period) => period !== 'second')
    const holds = periods.map((period) => hold(meter(period, 5)))
    expect(exhaust(ledger, holds)).toBe(5)
    clock.jump(jumpMs)
    expect(exhaust(ledger, holds)).toBe(0)
    clock.advance(28_000)
    expect(exhaust(ledger, holds)).toBe(0)
    clock.jump(-jumpMs)
    expect(exhaust(ledger, holds)).toBe(0)
  })

  test.each([-3_600_000, 3_600_000])('by %i ms: a minute stays a minute', (jumpMs) => {
    const { clock, ledger, meter } = given(START)
    const minute = meter('minute', 5)
    clock.jump(jumpMs)
    let admitted = 0
    for (let second = 0; second < 3_600; second++) {
      clock.advance(1_000)
      admitted += exhaust(ledger, [hold(minute)])
    }
    // Windows are at most 1 % shorter or longer while the difference to the wall clock wears off.
    expect(admitted / 5).toBeGreaterThanOrEqual(59)
    expect(admitted / 5).toBeLessThanOrEqual(62)
  })
})

describe('against the reference ledger', () => {
  const METERS = PERIODS.flatMap((period) =>
    [1, 3].map((limit) => ({ id: `${period}-${limit}`, period, limit })),
  )

  interface Step {
    readonly advanceMs: number
    readonly holds: readonly {
      readonly meter: number
      readonly scope: string
      readonly amount: number
    }[]
    /** Which open reservation to close afterwards, and with what. */
    readonly close: { readonly which: number; readonly actual: readonly number[] | undefined }
  }

  const step: fc.Arbitrary<Step> = fc.record({
    advanceMs: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 2_000 }),
      fc.integer({ min: 0, max: 40 * 86_400_000 }),
    ),
    holds: fc.array(
      fc.record({
        meter: fc.nat(METERS.length - 1),
        scope: fc.constantFrom('alice', 'bob', ''),
        amount: fc.integer({ min: 1, max: 2 }),
      }),
      { maxLength: 4 },
    ),
    close: fc.record({
      which: fc.nat(5),
      actual: fc.option(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 4 }), {
        nil: undefined,
      }),
    }),
  })

  test('any sequence of reservations, closings and pauses gets the same answers', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, ledger } = given()
        const sides = [ledger, createReferenceLedger(clock)].map((side) => ({
          ledger: side,
          meters: METERS.map(({ id, period, limit }) =>
            side.meter({ id, quantity: 'requests', window: { kind: 'calendar', period }, limit }),
          ),
          open: new Array<Reservation>(),
        }))
        for (const { advanceMs, holds, close } of steps) {
          clock.advance(advanceMs)
          const answers = sides.map((side) => play(side, holds, close))
          expect(answers[0]).toEqual(answers[1])
        }
      }),
      { numRuns: 300 },
    )
  })

  function play(
    side: { ledger: Ledger; meters: readonly Meter[]; open: Reservation[] },
    holds: Step['holds'],
    close: Step['close'],
  ): unknown {
    const decision = side.ledger.reserve(
      holds.map(({ meter, scope, amount }) => {
        const chosen = side.meters[meter]
        if (chosen === undefined) throw new Error('no such meter')
        return { meter: chosen, scope, amount }
      }),
    )
    if (decision instanceof Promise) throw new Error('memory ledgers answer at once')
    if (decision.admitted) side.open.push(decision.reservation)
    side.open[close.which]?.close(close.actual)
    const { admitted, meters } = decision
    return decision.admitted
      ? { admitted, meters }
      : { admitted, meters, hold: decision.hold, retryAfterMs: decision.retryAfterMs }
  }
})

describe('looking, forgetting and counting afterwards', () => {
  test('peek tells what is counted and makes no counter', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 10)
    expect(ledger.peek(minute, 'alice')).toMatchObject({ limit: 10, remaining: 10, used: 0 })
    expect(ledger.usage().counters).toBe(0)
    ledger.reserve([hold(minute, 'alice', 3)])
    expect(ledger.peek(minute, 'alice')).toMatchObject({ remaining: 7, used: 3 })
    expect(ledger.peek(minute, 'bob')).toMatchObject({ remaining: 10, used: 0 })
  })

  test('reset forgets one scope', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 10)
    ledger.reserve([hold(minute, 'alice', 3), hold(minute, 'bob', 4)])
    ledger.reset(minute, 'alice')
    ledger.reset(minute, 'nobody')
    expect([ledger.peek(minute, 'alice').used, ledger.peek(minute, 'bob').used]).toEqual([0, 4])
  })

  test('F64 record counts beyond the limit, and nothing of a window that is over', () => {
    const { clock, ledger, meter } = given(Date.UTC(2026, 4, 12, 12, 0, 30))
    const minute = meter('minute', 10)
    ledger.record(minute, 'alice', 25, clock.now() - 29_000)
    ledger.record(minute, 'alice', 100, clock.now() - 31_000)
    expect(ledger.peek(minute, 'alice')).toMatchObject({ remaining: 0, used: 25 })
    expect(ledger.reserve([hold(minute)]).admitted).toBe(false)
    clock.advance(30_000)
    expect(ledger.peek(minute, 'alice').used).toBe(0)
  })
})

describe('F71 a reservation that grows', () => {
  function open(ledger: MemoryLedger, holds: readonly Hold[]): Reservation {
    const decision = ledger.reserve(holds)
    if (!decision.admitted) throw new Error('refused')
    return decision.reservation
  }

  test('takes all of what is asked or nothing, within the limit, and gives back what was not used', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 100)
    const one = open(ledger, [hold(minute, 'alice', 60)])
    expect([one.used(0, 60), one.used(0, 61)]).toEqual(['within', 'short'])
    expect([one.grow(0, 41), one.grow(0, 30), one.grow(0, 11)]).toEqual([false, true, false])
    expect(one.used(0, 90)).toBe('within')
    expect(ledger.peek(minute, 'alice')).toMatchObject({ used: 90 })
    one.close([70])
    expect(ledger.peek(minute, 'alice')).toMatchObject({ used: 70 })
    expect(one.grow(0, 1)).toBe(false)
  })

  test('is closed at what it grew to where nobody says what was used', () => {
    const { ledger, meter } = given()
    const minute = meter('minute', 100)
    const one = open(ledger, [hold(minute, 'alice', 10)])
    expect(one.grow(0, 5)).toBe(true)
    one.close()
    expect(ledger.peek(minute, 'alice')).toMatchObject({ used: 15 })
  })

  test('grows in the window that it has come to: a long stream over midnight is not free', () => {
    const { clock, ledger, meter } = given()
    const minute = meter('minute', 10)
    const one = open(ledger, [hold(minute, 'alice', 10)])
    expect(one.grow(0, 1)).toBe(false)
    clock.advance(60_000)
    expect([one.grow(0, 11), one.grow(0, 4)]).toEqual([false, true])
    expect(one.used(0, 14)).toBe('within')
    expect(ledger.peek(minute, 'alice')).toMatchObject({ used: 4 })
    // What was not used was taken last.
    one.close([11])
    expect(ledger.peek(minute, 'alice')).toMatchObject({ used: 1 })
  })
})

test('mode report counts beyond the limit and never refuses', () => {
  const { ledger } = given()
  const meter = ledger.meter({
    id: 'reported',
    quantity: 'requests',
    window: { kind: 'calendar', period: 'hour' },
    limit: 2,
    mode: 'report',
  })
  for (let i = 0; i < 5; i++) expect(ledger.reserve([hold(meter)]).admitted).toBe(true)
  expect(ledger.peek(meter, 'alice')).toMatchObject({ used: 5, remaining: 0 })
})

describe('windows of every kind', () => {
  const TEN_THIRTY = Date.UTC(2026, 10, 24, 10, 30)
  const windows: readonly (readonly [string, MeterWindow, capacity: number])[] = [
    ['week', { kind: 'calendar', period: 'week' }, 10],
    ['day of a zone', { kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' }, 10],
    ['sliding', { kind: 'sliding', lengthMs: 60_000 }, 10],
    ['GCRA', { kind: 'gcra', lengthMs: 60_000, burst: 4 }, 4],
  ]

  function opened(window: MeterWindow) {
    const { clock, ledger } = given(TEN_THIRTY)
    const meter = ledger.meter({ id: 'm', quantity: 'requests', window, limit: 10 })
    return { clock, ledger, meter }
  }

  test.each(windows)(
    '%s: admits as much as fits and tells when it would admit again',
    (_, window, capacity) => {
      const { clock, ledger, meter } = opened(window)
      expect(ledger.reserve([hold(meter, 'alice', capacity)])).toMatchObject({
        admitted: true,
        degraded: false,
        meters: [{ used: capacity, remaining: 0 }],
      })
      const refused = ledger.reserve([hold(meter)])
      if (refused.admitted) throw new Error('admitted')
      expect(refused.permanent).toBe(false)
      clock.advance(refused.retryAfterMs - 1)
      expect(ledger.reserve([hold(meter)]).admitted).toBe(false)
      clock.advance(1)
      expect(ledger.reserve([hold(meter)]).admitted).toBe(true)
      expect(ledger.reserve([hold(meter, 'alice', 11)])).toMatchObject({
        admitted: false,
        permanent: true,
      })
    },
  )

  test.each(windows)(
    '%s: takes back what was not used, once, and refuses all of what does not fit together',
    (_, window, capacity) => {
      const { ledger, meter } = opened(window)
      const decision = ledger.reserve([hold(meter, 'alice', capacity)])
      if (!decision.admitted) throw new Error('refused')
      decision.reservation.close([1])
      decision.reservation.close([0])
      const together = [hold(meter, 'alice', capacity - 1), hold(meter)]
      expect(ledger.reserve(together)).toMatchObject({
        admitted: false,
        hold: 1,
        meters: [{ used: 1 }, { used: 1 }],
      })
      expect(ledger.reserve([hold(meter, 'alice', capacity - 1)]).admitted).toBe(true)
    },
  )

  test('a week begins on Monday, a day of a zone at its midnight', () => {
    for (const [window, endMs] of [
      [{ kind: 'calendar', period: 'week' }, Date.UTC(2026, 10, 30)],
      [{ kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' }, Date.UTC(2026, 10, 24, 17)],
    ] as const) {
      const { clock, ledger, meter } = opened(window)
      expect(exhaust(ledger, [hold(meter)])).toBe(10)
      clock.advance(endMs - TEN_THIRTY - 1)
      expect(exhaust(ledger, [hold(meter)])).toBe(0)
      clock.advance(1)
      expect(exhaust(ledger, [hold(meter)])).toBe(10)
    }
  })

  test('F70 what is held is free when it is closed, whatever it used; reset leaves it held', () => {
    const { ledger, meter } = opened({ kind: 'concurrency', leaseMs: 30_000 })
    const decision = ledger.reserve([hold(meter, 'alice', 10)])
    ledger.reset(meter, 'alice')
    expect(ledger.reserve([hold(meter)])).toMatchObject({
      admitted: false,
      permanent: false,
      retryAfterMs: 1_000,
    })
    if (decision.admitted) decision.reservation.close([7])
    expect(ledger.reserve([hold(meter, 'alice', 10)]).admitted).toBe(true)
  })

  test('a length, a burst or a zone that makes no sense is an error of the caller', () => {
    for (const window of [
      { kind: 'sliding', lengthMs: 0 },
      { kind: 'gcra', lengthMs: 1_000, burst: 0 },
      { kind: 'calendar', period: 'day', timeZone: 'Mars/Base' },
    ] as const) {
      expect(() => opened(window)).toThrow(RangeError)
    }
  })

  test('when also the shared counters are taken, the further scopes of a meter share one', () => {
    const { ledger } = given(undefined, 4)
    const meters = Array.from({ length: 50 }, (_, i) =>
      ledger.meter({
        id: `m-${i}`,
        quantity: 'requests',
        window: { kind: 'calendar', period: 'day' },
        limit: 3,
      }),
    )
    for (const meter of meters) {
      for (let i = 0; i < 20; i++) ledger.reserve([hold(meter, `scope-${i}`)])
      expect(exhaust(ledger, [hold(meter, 'scope-99')])).toBe(0)
    }
  })
})
