import { TestClock } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { createCounterTable, createMemoryLedger } from './index.ts'
import { StoreFailure } from './store-failure.ts'
import { remoteMeter } from './testing/remote.ts'

function given(replicas: number): StoreFailure {
  const clock = new TestClock()
  const memory = createMemoryLedger({
    clock,
    table: createCounterTable({ slots: 64 }),
    machineMs: () => clock.monotonic(),
    uptimeMs: () => clock.monotonic(),
  })
  return new StoreFailure({ memory, replicas: { replicas } })
}

const hold = (limit: number, onFailure: 'allow' | 'deny' | 'local') => ({
  meter: remoteMeter(limit, { onFailure }),
  scope: 'alice',
  amount: 1,
})

describe('while the shared store is away', () => {
  test('kong.md §3.3 allow admits and says that nobody counted', () => {
    expect(given(3).decide([hold(1, 'allow')], undefined)).toMatchObject({
      admitted: true,
      degraded: true,
      meters: [{ unknown: true }],
    })
  })

  test('kong.md §3.3 deny fails as Kong does', () => {
    expect(() => given(3).decide([hold(9, 'allow'), hold(1, 'deny')], undefined)).toThrow(
      expect.objectContaining({
        code: 'limit_store_unavailable',
        status: 500,
        message: 'An unexpected error occurred',
      }),
    )
  })

  test('T8 local admits each replica’s share of the limit', () => {
    const failure = given(4)
    const asked = [hold(100, 'local')]
    const admitted = Array.from({ length: 60 }, () => failure.decide(asked, undefined)).filter(
      (decision) => decision.admitted,
    )
    expect(admitted).toHaveLength(25)
  })

  test('a limit below the number of replicas still admits one each', () => {
    const failure = given(10)
    const asked = [hold(3, 'local')]
    expect(failure.decide(asked, undefined).admitted).toBe(true)
    expect(failure.decide(asked, undefined)).toMatchObject({ admitted: false, hold: 0 })
  })

  test('policies stand side by side; what was taken locally is given back', () => {
    const failure = given(1)
    const asked = [hold(5, 'allow'), hold(1, 'local')]
    const first = failure.decide(asked, undefined)
    expect(first).toMatchObject({ meters: [{ unknown: true }, { limit: 1, remaining: 0 }] })
    expect(failure.decide(asked, undefined)).toMatchObject({ admitted: false, hold: 1 })
    if (first.admitted) first.reservation.close([0, 0])
    expect(failure.decide(asked, undefined).admitted).toBe(true)
  })
})
