import type { Decision, Reservation } from '@pratu/plugin-kit'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Amount } from './decision-batch.ts'
import { SyncedCounting } from './synced-counting.ts'
import { remoteMeter } from './testing/remote.ts'

/** A shared counter per scope, as Redis would keep it, and two workers that exchange with it every second. */
function given(limit: number) {
  const shared = new Map<string, number>()
  let away = false
  const meter = remoteMeter(limit)
  const total = (scope: string): number => shared.get(scope) ?? 0
  const create = (): SyncedCounting =>
    new SyncedCounting({
      nowMs: () => performance.now(),
      syncSeconds: 1,
      exact: {
        ...meter.counting,
        reserve: async (holds): Promise<Decision> => {
          const { scope } = holds[0] ?? { scope: '' }
          const admitted = total(scope) < limit
          if (admitted) shared.set(scope, total(scope) + 1)
          const used = total(scope)
          const meters = [{ limit, remaining: limit - used, used, resetMs: 60_000 }]
          const reservation: Reservation = {
            closed: false,
            used: () => 'within',
            grow: () => false,
            close: () => undefined,
          }
          return admitted
            ? { admitted, degraded: false, meters, reservation }
            : { admitted, hold: 0, retryAfterMs: 60_000, permanent: false, meters }
        },
      },
      add: async (amounts: readonly Amount[]) => {
        if (away) throw new Error('away')
        for (const { scope, amount } of amounts) shared.set(scope, total(scope) + amount)
        return amounts.map(({ scope }) => total(scope))
      },
    })
  return {
    workers: [create(), create()] as const,
    total,
    goAway: () => {
      away = true
    },
    holds: [{ meter, scope: 'alice', amount: 1 }],
  }
}

async function admittedOf(
  counting: SyncedCounting,
  holds: Parameters<SyncedCounting['reserve']>[0],
  times: number,
): Promise<number> {
  let admitted = 0
  for (let i = 0; i < times; i++) if ((await counting.reserve(holds)).admitted) admitted += 1
  return admitted
}

describe('kong.md §3.3 sync_rate', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('the first sight of a counter asks, later ones do not until the exchange', async () => {
    const { workers, holds, total } = given(10)
    expect(await admittedOf(workers[0], holds, 4)).toBe(4)
    expect(total('alice')).toBe(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(total('alice')).toBe(4)
  })

  test('what others took is known after the exchange', async () => {
    const { workers, holds, total } = given(10)
    await admittedOf(workers[0], holds, 6)
    await admittedOf(workers[1], holds, 3)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(total('alice')).toBe(9)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await admittedOf(workers[0], holds, 5)).toBe(1)
  })

  test('one worker alone never exceeds the limit', async () => {
    const { workers, holds } = given(10)
    expect(await admittedOf(workers[0], holds, 30)).toBe(10)
  })

  test('what Redis could not be told stays counted here', async () => {
    const { workers, holds, goAway, total } = given(10)
    await admittedOf(workers[0], holds, 8)
    goAway()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(total('alice')).toBe(1)
    expect(await admittedOf(workers[0], holds, 5)).toBe(2)
  })

  test('what is given back is admitted again, and Redis is told', async () => {
    const { workers, holds, total } = given(3)
    await admittedOf(workers[0], holds, 1)
    const decision = await workers[0].reserve(holds)
    if (decision.admitted) decision.reservation.close([0])
    expect(await admittedOf(workers[0], holds, 5)).toBe(2)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(total('alice')).toBe(3)
  })

  test('a counter that nobody uses is forgotten, and its timer costs nothing more', async () => {
    const { workers, holds } = given(10)
    await admittedOf(workers[0], holds, 1)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(await workers[0].reserve(holds)).toMatchObject({ meters: [{ remaining: 8 }] })
    workers[0].stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
