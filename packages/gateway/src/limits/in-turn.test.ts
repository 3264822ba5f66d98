import { TestClock, createReferenceLedger } from '@pratu/plugin-kit/testing'
import type { Hold, Ledger } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { reserveInTurn, type Part } from './in-turn.ts'

const clock = new TestClock()

function holdOf(ledger: Ledger, limit: number): Hold {
  const meter = ledger.meter({
    id: `m${limit}`,
    quantity: 'requests',
    window: { kind: 'calendar', period: 'minute' },
    limit,
  })
  return { meter, scope: 's', amount: 1 }
}

function part(ledger: Ledger, places: readonly number[], holds: readonly Hold[]): Part {
  return { places, holds, reserve: () => ledger.reserve(holds) }
}

describe('several stores', () => {
  test('admit together; meters stand where their holds do', async () => {
    const [one, two] = [createReferenceLedger(clock), createReferenceLedger(clock)]
    const parts = [part(one, [1], [holdOf(one, 7)]), part(two, [0], [holdOf(two, 5)])]
    const decision = await reserveInTurn(parts, 2)
    expect(decision).toMatchObject({
      admitted: true,
      meters: [
        { limit: 5, remaining: 4 },
        { limit: 7, remaining: 6 },
      ],
    })
  })

  test('a refusal of a later one takes nothing from an earlier one', async () => {
    const [one, two] = [createReferenceLedger(clock), createReferenceLedger(clock)]
    const parts = [part(one, [0], [holdOf(one, 7)]), part(two, [1], [holdOf(two, 1)])]
    await reserveInTurn(parts, 2)
    for (let i = 0; i < 3; i++) {
      expect(await reserveInTurn(parts, 2)).toMatchObject({
        admitted: false,
        hold: 1,
        meters: [{ remaining: 6 }, { remaining: 0 }],
      })
    }
    expect(await one.reserve([holdOf(one, 7)])).toMatchObject({ meters: [{ remaining: 5 }] })
  })

  test('a failure of a later one takes nothing from an earlier one', async () => {
    const one = createReferenceLedger(clock)
    const broken: Part = {
      places: [1],
      holds: [holdOf(one, 9)],
      reserve: () => Promise.reject(new Error('away')),
    }
    await expect(reserveInTurn([part(one, [0], [holdOf(one, 7)]), broken], 2)).rejects.toThrow(
      'away',
    )
    expect(await one.reserve([holdOf(one, 7)])).toMatchObject({ meters: [{ remaining: 6 }] })
  })

  test('are closed once, each with its own amounts', async () => {
    const [one, two] = [createReferenceLedger(clock), createReferenceLedger(clock)]
    const parts = [part(one, [1], [holdOf(one, 7)]), part(two, [0], [holdOf(two, 5)])]
    const decision = await reserveInTurn(parts, 2)
    if (!decision.admitted) throw new Error('refused')
    decision.reservation.close([0, 1])
    decision.reservation.close([0, 0])
    expect(await two.reserve([holdOf(two, 5)])).toMatchObject({ meters: [{ remaining: 4 }] })
    expect(await one.reserve([holdOf(one, 7)])).toMatchObject({ meters: [{ remaining: 5 }] })
  })
})
