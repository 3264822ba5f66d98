import type { Meter, MeterDefinition } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'
import { SpendTally } from './spend-tally.ts'

const NOON = Date.UTC(2026, 4, 12, 12)
const MINUTE_MS = 60_000

const STORE: MeterDefinition['store'] = {
  kind: 'redis',
  redis: {
    topology: 'single',
    nodes: [],
    username: undefined,
    password: undefined,
    database: 0,
    tls: undefined,
    timeoutMs: 100,
  },
  onFailure: 'allow',
  counting: 'admitted',
  syncSeconds: undefined,
}

function given(more: Partial<MeterDefinition> = {}) {
  const definition: MeterDefinition = {
    id: 'budget',
    quantity: 'nano_dollars',
    window: { kind: 'calendar', period: 'day' },
    limit: 100,
    store: STORE,
    ...more,
  }
  const meters = new Map<string, Meter>([['budget', { definition }]])
  const tally = new SpendTally()
  return {
    tally,
    charge: (scope: string, amount: number, atMs: number) =>
      tally.add([{ meter: 'budget', scope, amount }], meters, atMs),
    sums: (bornAtMs: number, nowMs = bornAtMs) => {
      const sums: Record<string, number> = {}
      for (const { scope, amount } of tally.before(bornAtMs, nowMs))
        sums[scope] = (sums[scope] ?? 0) + amount
      return sums
    },
  }
}

test('F64 what was charged before a birth is told, what came after is not', () => {
  const { charge, sums } = given()
  charge('alice', 1, NOON - 10 * MINUTE_MS)
  charge('alice', 2, NOON - 5 * MINUTE_MS)
  charge('bob', 4, NOON - 10)
  charge('alice', 8, NOON + 10)
  expect(sums(NOON, NOON + 20)).toEqual({ alice: 3, bob: 4 })
  expect(sums(NOON + 100)).toEqual({ alice: 11, bob: 4 })
})

test('a window that is over is left out, in its own time zone', () => {
  const daily = given({
    window: { kind: 'calendar', period: 'day', timeZone: 'Asia/Bangkok' },
  })
  // Midnight in Bangkok is 17:00 UTC.
  const midnight = Date.UTC(2026, 4, 12, 17)
  daily.charge('alice', 1, midnight - 10 * MINUTE_MS)
  daily.charge('alice', 2, midnight + MINUTE_MS)
  daily.charge('alice', 4, midnight + 10 * MINUTE_MS)
  daily.charge('alice', 8, midnight + 20 * MINUTE_MS)
  expect(daily.sums(midnight + 21 * MINUTE_MS)).toEqual({ alice: 14 })
})

test('what slides is kept as long as it counts', () => {
  const { charge, sums } = given({ window: { kind: 'sliding', lengthMs: 8 * MINUTE_MS } })
  charge('alice', 1, NOON)
  charge('alice', 2, NOON + 5 * MINUTE_MS)
  charge('alice', 4, NOON + 12 * MINUTE_MS)
  charge('alice', 8, NOON + 13 * MINUTE_MS)
  expect(sums(NOON + 13 * MINUTE_MS + 1)).toEqual({ alice: 14 })
})

test('a reset forgets, and what is counted in this process needs no telling', () => {
  const { tally, charge, sums } = given()
  charge('alice', 1, NOON - 10 * MINUTE_MS)
  charge('alice', 2, NOON - 1)
  tally.reset('budget', 'alice')
  expect(sums(NOON)).toEqual({})
  const local = given({ store: undefined })
  local.charge('alice', 1, NOON - 1)
  expect(local.sums(NOON)).toEqual({})
})

test('its size is bounded', () => {
  const { tally, charge, sums } = given()
  for (let i = 0; i < 120_000; i++) charge(`scope-${i}`, 1, NOON)
  charge('last', 1, NOON + 10 * MINUTE_MS)
  expect(Object.keys(sums(NOON + 11 * MINUTE_MS)).length).toBeLessThan(60_000)
  expect(tally.dropped).toBeGreaterThan(0)
})
