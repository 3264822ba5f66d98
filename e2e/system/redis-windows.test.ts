import type { Decision, Hold, Ledger, Meter, MeterDefinition, MeterWindow } from '@pratu/plugin-kit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LimitLedger } from '../../packages/gateway/src/limits/index.ts'
import { ClockedConnections, tellTime } from '../limits/clocked-redis.ts'
import { openLedger, redisStore } from '../limits/open-ledger.ts'
import { startRedis, type RedisServer } from '../limits/redis-server.ts'

const START_MS = Date.UTC(2026, 10, 24, 10, 30)

let redis: RedisServer
let ledger: LimitLedger
let scopes = 0

beforeAll(async () => {
  redis = await startRedis()
  await tellTime(redis.client, START_MS)
  ledger = await openLedger(redis.port, { connections: new ClockedConnections() })
})

afterAll(async () => {
  ledger.close()
  await redis[Symbol.asyncDispose]()
})

const at = (ms: number): Promise<void> => tellTime(redis.client, START_MS + ms)

function meter(window: MeterWindow, limit: number, more: Partial<MeterDefinition> = {}): Meter {
  const id = JSON.stringify([window, limit, more])
  const store = redisStore(redis.port)
  return ledger.meter({ id, quantity: 'total_tokens', window, limit, store, ...more })
}

const fresh = (): string => `scope-${(scopes += 1)}`

async function admitted(
  decision: ReturnType<Ledger['reserve']>,
): Promise<Decision & { admitted: true }> {
  const decided = await decision
  if (!decided.admitted) throw new Error(`refused: ${JSON.stringify(decided)}`)
  return decided
}

async function refused(
  decision: ReturnType<Ledger['reserve']>,
): Promise<Decision & { admitted: false }> {
  const decided = await decision
  if (decided.admitted) throw new Error(`admitted: ${JSON.stringify(decided.meters)}`)
  return decided
}

const WINDOWS: readonly (readonly [string, MeterWindow, limit: number, capacity: number])[] = [
  ['calendar', { kind: 'calendar', period: 'minute' }, 10, 10],
  ['week', { kind: 'calendar', period: 'week' }, 10, 10],
  ['zoned', { kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' }, 10, 10],
  ['sliding', { kind: 'sliding', lengthMs: 60_000 }, 10, 10],
  ['gcra', { kind: 'gcra', lengthMs: 60_000, burst: 4 }, 10, 4],
]

describe.each(WINDOWS)('a %s window in Redis', (_, window, limit, capacity) => {
  test('admits as much as fits, all or nothing, and tells when it would admit again', async () => {
    await at(0)
    const hold: Hold = { meter: meter(window, limit), scope: fresh(), amount: capacity - 1 }
    const first = await admitted(ledger.reserve([hold]))
    expect(first.meters[0]).toMatchObject({ limit, used: capacity - 1, remaining: 1 })
    const two = await refused(ledger.reserve([{ ...hold, amount: 2 }]))
    expect(two).toMatchObject({ hold: 0, permanent: false })
    expect(two.meters[0]?.used).toBe(capacity - 1)
    await at(two.retryAfterMs - 1)
    await refused(ledger.reserve([{ ...hold, amount: 2 }]))
    await at(two.retryAfterMs)
    await admitted(ledger.reserve([{ ...hold, amount: 2 }]))
  })

  test('never admits what is larger than it can hold', async () => {
    await at(0)
    const hold: Hold = { meter: meter(window, limit), scope: fresh(), amount: capacity + 1 }
    const decision = await refused(ledger.reserve([hold]))
    expect(decision.permanent).toBe(true)
    expect(decision.retryAfterMs).toBeGreaterThanOrEqual(1)
    await admitted(ledger.reserve([{ ...hold, amount: capacity }]))
  })

  test('forgets everything when it says that it does', async () => {
    await at(0)
    const hold: Hold = { meter: meter(window, limit), scope: fresh(), amount: capacity }
    const { meters } = await admitted(ledger.reserve([hold]))
    const resetMs = meters[0]?.resetMs ?? 0
    await at(resetMs - 1)
    expect((await ledger.peek(hold.meter, hold.scope)).used).toBeGreaterThan(0)
    await at(resetMs)
    expect((await ledger.peek(hold.meter, hold.scope)).used).toBe(0)
    await admitted(ledger.reserve([hold]))
  })

  test('what was not used comes back once; what was used beyond is counted', async () => {
    await at(0)
    const asked = meter(window, limit)
    const scope = fresh()
    const one = await admitted(ledger.reserve([{ meter: asked, scope, amount: 2 }]))
    const other = await admitted(ledger.reserve([{ meter: asked, scope, amount: 2 }]))
    one.reservation.close([0])
    one.reservation.close([0])
    await ledger.settle(5_000)
    expect((await ledger.peek(asked, scope)).used).toBe(2)
    other.reservation.close([capacity + 3])
    await ledger.settle(5_000)
    expect(await ledger.peek(asked, scope)).toMatchObject({ used: capacity + 3 })
    expect(await refused(ledger.reserve([{ meter: asked, scope, amount: 1 }]))).toMatchObject({
      permanent: false,
    })
  })

  test('F71 grows while there is room, and gives everything back that was grown', async () => {
    await at(0)
    const asked = meter(window, limit)
    const scope = fresh()
    const { reservation } = await admitted(ledger.reserve([{ meter: asked, scope, amount: 1 }]))
    expect(reservation.used(0, 1)).toBe('within')
    expect(reservation.used(0, 2)).toBe('short')
    expect(await reservation.grow(0, 2)).toBe(true)
    expect(reservation.used(0, 3)).toBe('within')
    expect(await reservation.grow(0, capacity)).toBe(false)
    expect(await reservation.grow(0, capacity - 3)).toBe(true)
    expect((await ledger.peek(asked, scope)).used).toBe(capacity)
    reservation.close([2])
    await ledger.settle(5_000)
    expect((await ledger.peek(asked, scope)).used).toBe(2)
    expect(await reservation.grow(0, 1)).toBe(false)
    expect((await ledger.peek(asked, scope)).used).toBe(2)
  })

  test('mode: report counts and refuses nothing', async () => {
    await at(0)
    const asked = meter(window, limit, { mode: 'report' })
    const strict = meter(window, limit, { id: `strict ${window.kind}` })
    const scope = fresh()
    await admitted(ledger.reserve([{ meter: asked, scope, amount: capacity + 7 }]))
    expect((await ledger.peek(asked, scope)).used).toBe(capacity + 7)
    // Together with one that refuses, it takes nothing.
    const both = [asked, strict].map((one) => ({ meter: one, scope, amount: capacity + 1 }))
    expect(await refused(ledger.reserve(both))).toMatchObject({ hold: 1 })
    expect((await ledger.peek(asked, scope)).used).toBe(capacity + 7)
  })

  test('counts what was used without a reservation, and forgets on demand', async () => {
    await at(0)
    const asked = meter(window, limit)
    const scope = fresh()
    await ledger.record(asked, scope, 3, START_MS)
    expect((await ledger.peek(asked, scope)).used).toBe(3)
    // A window that is over has nothing left to count.
    await ledger.record(asked, scope, 3, START_MS - 15 * 86_400_000)
    expect((await ledger.peek(asked, scope)).used).toBe(3)
    await ledger.reset(asked, scope)
    expect((await ledger.peek(asked, scope)).used).toBe(0)
  })

  test('gives back nothing after a reset that was taken before it', async () => {
    await at(0)
    const asked = meter(window, limit)
    const scope = fresh()
    const before = await admitted(ledger.reserve([{ meter: asked, scope, amount: 3 }]))
    await ledger.reset(asked, scope)
    await at(window.kind === 'sliding' ? 10_000 : 0)
    const after = await admitted(ledger.reserve([{ meter: asked, scope, amount: 2 }]))
    before.reservation.close([0])
    await ledger.settle(5_000)
    // A level has no memory of what it consists of; it gives back no more than there is.
    expect((await ledger.peek(asked, scope)).used).toBe(window.kind === 'gcra' ? 0 : 2)
    after.reservation.close([1])
    await ledger.settle(5_000)
    expect((await ledger.peek(asked, scope)).used).toBe(window.kind === 'gcra' ? 0 : 1)
  })

  test('F59 a clock that steps back opens nothing again, and one that was far ahead leaves nothing stuck', async () => {
    await at(60_000)
    const hold: Hold = { meter: meter(window, limit), scope: fresh(), amount: capacity }
    await admitted(ledger.reserve([hold]))
    await at(59_000)
    await refused(ledger.reserve([hold]))
    await at(7 * 86_400_000)
    await admitted(ledger.reserve([hold]))
    await at(0)
    // Whatever was counted in that future is forgotten within one length of the window.
    const { meters } = await ledger.reserve([hold])
    expect(meters[0]?.resetMs).toBeLessThanOrEqual(14 * 86_400_000)
    await at(14 * 86_400_000)
    await admitted(ledger.reserve([hold]))
  })
})

describe('a window of a time zone', () => {
  test('F60 ends at midnight there, by Redis’s clock, wherever this machine’s clock is', async () => {
    const asked = meter({ kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' }, 2)
    const scope = fresh()
    // A hundred days from now, and from what Redis told last.
    const midnightMs = Date.UTC(2027, 2, 4, 17) - START_MS
    await at(midnightMs - 1_000)
    const first = await admitted(ledger.reserve([{ meter: asked, scope, amount: 2 }]))
    expect(first.meters[0]).toMatchObject({ used: 2, resetMs: 1_000 })
    expect(await refused(ledger.reserve([{ meter: asked, scope, amount: 1 }]))).toMatchObject({
      retryAfterMs: 1_000,
    })
    await at(midnightMs)
    const second = await admitted(ledger.reserve([{ meter: asked, scope, amount: 1 }]))
    expect(second.meters[0]).toMatchObject({ used: 1, resetMs: 86_400_000 })
    // What was taken yesterday is not given back today.
    first.reservation.close([0])
    second.reservation.close([2])
    await ledger.settle(5_000)
    expect((await ledger.peek(asked, scope)).used).toBe(2)
    await at(0)
    await ledger.record(asked, scope, 1, START_MS)
    expect((await ledger.peek(asked, scope)).used).toBe(1)
  })

  test.each<MeterWindow>([
    { kind: 'calendar', period: 'day', timeZone: 'Asia/Nowhere' },
    { kind: 'sliding', lengthMs: 0 },
    { kind: 'gcra', lengthMs: 1_000, burst: 0 },
    { kind: 'concurrency', leaseMs: 0.5 },
  ])('%o makes no sense', (window) => {
    expect(() => meter(window, 1)).toThrow(RangeError)
  })
})

describe('F69 in any span', () => {
  const arrivals = fc.array(
    fc.record({ gapMs: fc.nat({ max: 700 }), amount: fc.integer({ min: 1, max: 3 }) }),
    { minLength: 20, maxLength: 40 },
  )
  const mostInAnySpan = async (
    asked: Meter,
    gaps: readonly { gapMs: number; amount: number }[],
  ): Promise<number> => {
    const scope = fresh()
    const taken: { readonly atMs: number; readonly amount: number }[] = []
    let atMs = 0
    for (const { gapMs, amount } of gaps) {
      atMs += gapMs
      await at(atMs)
      const decision = await ledger.reserve([{ meter: asked, scope, amount }])
      if (decision.admitted) taken.push({ atMs, amount })
    }
    const sums = taken.map(({ atMs: fromMs }) =>
      taken
        .filter((one) => one.atMs >= fromMs && one.atMs < fromMs + 1_000)
        .reduce((sum, { amount }) => sum + amount, 0),
    )
    return Math.max(0, ...sums)
  }

  test('of a sliding window’s length no more than its limit is admitted', async () => {
    const asked = meter({ kind: 'sliding', lengthMs: 1_000 }, 5)
    await fc.assert(
      fc.asyncProperty(arrivals, async (gaps) => {
        expect(await mostInAnySpan(asked, gaps)).toBeLessThanOrEqual(5)
      }),
      { numRuns: 40 },
    )
  })

  test('of a GCRA meter’s length no more than its limit and its burst', async () => {
    const asked = meter({ kind: 'gcra', lengthMs: 1_000, burst: 3 }, 5)
    await fc.assert(
      fc.asyncProperty(arrivals, async (gaps) => {
        expect(await mostInAnySpan(asked, gaps)).toBeLessThanOrEqual(8)
      }),
      { numRuns: 40 },
    )
  })
})
