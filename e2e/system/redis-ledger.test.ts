import type { Decision, Ledger, Period, Reservation } from '@pratu/plugin-kit'
import { createReferenceLedger, TestClock } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { meterOf, openLedger, redisStore } from '../limits/open-ledger.ts'
import { startRedis } from '../limits/redis-server.ts'
import { calendarWindow, type LimitLedger } from '../../packages/gateway/src/limits/index.ts'
import { DECIDE } from '../../packages/gateway/src/limits/redis-scripts.ts'

const PERIODS: readonly Period[] = ['day', 'month', 'year']
/** More of them run in memory; here each asks a real server. */
const RUNS = 1_000

type Step =
  | {
      readonly do: 'reserve'
      readonly holds: readonly { meter: number; scope: number; amount: number }[]
    }
  | { readonly do: 'close'; readonly which: number; readonly actual: readonly number[] | undefined }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('reserve' as const),
    holds: fc.array(
      fc.record({
        meter: fc.nat({ max: 2 }),
        scope: fc.nat({ max: 1 }),
        amount: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  fc.record({
    do: fc.constant('close' as const),
    which: fc.nat({ max: 9 }),
    actual: fc.option(fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 4 }), {
      nil: undefined,
    }),
  }),
)

/** What must agree; times come from two clocks. */
function essence(decision: Decision): unknown {
  const meters = decision.meters.map(({ limit, remaining }) => ({ limit, remaining }))
  if (decision.admitted) return { meters }
  return decision.permanent ? { meters } : { refusedBy: decision.hold, meters }
}

async function walk(
  ledger: LimitLedger,
  model: Ledger,
  run: string,
  steps: readonly Step[],
  port: number,
): Promise<void> {
  const meters = [0, 1, 2].map((i) => {
    const definition = meterOf(`m${i}`, PERIODS[i] ?? 'day', 3 + 4 * i, redisStore(port))
    return [ledger.meter(definition), model.meter({ ...definition, store: undefined })] as const
  })
  const open: (readonly [Reservation, Reservation])[] = []
  for (const next of steps) {
    if (next.do === 'close') {
      const [ours, theirs] = open[next.which % Math.max(1, open.length)] ?? []
      ours?.close(next.actual)
      theirs?.close(next.actual)
      continue
    }
    const asked = (which: 0 | 1) =>
      next.holds.flatMap(({ meter, scope, amount }) => {
        const known = meters[meter]?.[which]
        return known === undefined ? [] : [{ meter: known, scope: `${run}-${scope}`, amount }]
      })
    // What was closed travels by itself.
    await ledger.settle(5_000)
    const ours = await ledger.reserve(asked(0))
    const theirs = await model.reserve(asked(1))
    expect(essence(ours)).toEqual(
      essence(
        ours.admitted || theirs.admitted || !ours.permanent
          ? theirs
          : { ...theirs, permanent: true },
      ),
    )
    if (ours.admitted && theirs.admitted) open.push([ours.reservation, theirs.reservation])
  }
}

describe('the ledger over Redis', () => {
  test('any of 1,000 sequences of reservations and late closings gets the reference ledger’s answers', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        runs += 1
        const model = createReferenceLedger(new TestClock())
        await walk(ledger, model, `run-${runs}`, steps, redis.port)
      }),
      { numRuns: RUNS },
    )
    ledger.close()
    expect(runs).toBeGreaterThanOrEqual(RUNS)
  })

  test('concurrent reservations with several scopes and amounts never exceed a limit, and lose nothing', async () => {
    await using redis = await startRedis()
    const ledgers = await Promise.all([1, 2, 3].map(() => openLedger(redis.port)))
    const held = { alice: 0, all: 0 }
    await Promise.all(
      ledgers.flatMap((ledger) => {
        const own = ledger.meter(meterOf('own', 'day', 50, redisStore(redis.port)))
        const shared = ledger.meter(meterOf('shared', 'year', 100, redisStore(redis.port)))
        return Array.from({ length: 300 }, async (_, i) => {
          const amount = 1 + (i % 3)
          const scope = i % 2 === 0 ? 'alice' : `other-${i}`
          const decision = await ledger.reserve([
            { meter: own, scope, amount },
            { meter: shared, scope: 'everyone', amount },
          ])
          if (!decision.admitted) return
          held.all += amount
          if (scope === 'alice') held.alice += amount
        })
      }),
    )
    for (const ledger of ledgers) ledger.close()
    expect(held.all).toBe(100)
    expect(held.alice).toBeLessThanOrEqual(50)
    const [stored] = await redis.client.hvals('pratu:limits:{everyone}')
    expect(stored?.split(':')[1]).toBe('100')
  })
})

/** The script as it is, but told the time. */
const DECIDE_AT = DECIDE.lua.replace("redis.call('TIME')", '{ARGV[2], 0}')

describe('windows by the clock of Redis', () => {
  const ask = (
    client: Redis,
    key: string,
    seconds: number,
    meters: readonly (readonly [string, number, number, number])[],
  ): Promise<unknown> =>
    client.eval(
      DECIDE_AT,
      1,
      key,
      JSON.stringify({ m: meters, d: [meters.flatMap((_, i) => [1, i + 1, 1])] }),
      seconds,
    )

  test('F60 are those of the calendar, at any time until 2088', async () => {
    await using redis = await startRedis()
    const periods: readonly Period[] = ['second', 'minute', 'hour', 'day', 'week', 'month', 'year']
    const meters = periods.map((period, i) => [period, i + 1, 7, 0] as const)
    const at = fc.integer({ min: Date.UTC(2020, 0) / 1_000, max: Date.UTC(2088, 0) / 1_000 })
    let runs = 0
    await fc.assert(
      fc.asyncProperty(at, async (seconds) => {
        const key = `at-${(runs += 1)}`
        await ask(redis.client, key, seconds, meters)
        const stored = await redis.client.hgetall(key)
        const windows = periods.map((period) => calendarWindow(period, seconds * 1_000))
        expect(stored).toEqual(
          Object.fromEntries(periods.map((period, i) => [period, `${windows[i]?.ordinal}:1`])),
        )
        const keptMs = await redis.client.pttl(key)
        const neededMs = Math.max(...windows.map(({ endMs }) => endMs)) - seconds * 1_000
        expect(keptMs).toBeGreaterThan(neededMs)
        expect(keptMs).toBeLessThan(neededMs + 3_000)
      }),
      {
        numRuns: 2_000,
        examples: [
          '2020-01-01T00:00:00Z',
          '2027-12-31T23:59:59Z',
          '2028-02-28T23:59:59Z',
          '2028-02-29T23:59:59Z',
          '2028-03-01T00:00:00Z',
          '2028-12-31T23:59:59Z',
          '2031-04-30T23:59:59Z',
        ].map((text) => [Date.parse(text) / 1_000]),
      },
    )
  })

  test('F59 a step of the clock back over the end of a window does not open it again', async () => {
    await using redis = await startRedis()
    const boundary = Date.UTC(2027, 4, 1, 12, 30) / 1_000
    const meters = [['m', 2, 2, 0]] as const
    const refused = async (seconds: number): Promise<boolean> => {
      const answer = await ask(redis.client, 'steps', seconds, meters)
      return Array.isArray(answer) && answer[1] === 0
    }
    const steps = [boundary - 1, boundary - 1, boundary - 1, boundary, boundary, boundary - 1]
    const answers: boolean[] = []
    for (const seconds of steps) answers.push(await refused(seconds))
    expect(answers).toEqual([false, false, true, false, false, true])
    expect(await refused(boundary + 1)).toBe(true)
    expect(await refused(boundary + 60)).toBe(false)
  })
})
