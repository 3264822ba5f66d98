import type { MeterWindow } from '@pratu/plugin-kit'
import { TestClock } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCounterTable } from './counter-table.ts'
import { createMemoryLedger } from './memory-ledger.ts'

const lengthMs = fc.integer({ min: 8, max: 60_000 })
const window: fc.Arbitrary<Extract<MeterWindow, { kind: 'sliding' | 'gcra' }>> = fc.oneof(
  fc.record({ kind: fc.constant('sliding' as const), lengthMs }),
  fc.record({
    kind: fc.constant('gcra' as const),
    lengthMs,
    burst: fc.integer({ min: 1, max: 20 }),
  }),
)
/** Gaps, as the root of a part of the length: short ones are frequent. */
const arrivals = fc.array(
  fc.tuple(fc.double({ min: 0, max: 0.3, noNaN: true }), fc.integer({ min: 1, max: 5 })),
  { minLength: 20, maxLength: 120 },
)

test('F69 in no span of its length does a sliding window admit more than the limit, GCRA more than limit and burst', () => {
  fc.assert(
    fc.property(window, fc.integer({ min: 1, max: 50 }), arrivals, (chosen, limit, all) => {
      const clock = new TestClock()
      const ledger = createMemoryLedger({
        clock,
        table: createCounterTable({ slots: 16 }),
        machineMs: () => clock.monotonic(),
        uptimeMs: () => clock.monotonic(),
      })
      const meter = ledger.meter({ id: 'm', quantity: 'requests', window: chosen, limit })
      const most = limit + (chosen.kind === 'gcra' ? chosen.burst : 0)
      const taken: { readonly atMs: number; readonly amount: number }[] = []
      for (const [gap, amount] of all) {
        clock.advance(Math.floor(gap * gap * chosen.lengthMs))
        let decision = ledger.reserve([{ meter, scope: 'alice', amount }])
        if (!decision.admitted && !decision.permanent) {
          // The truth about when to come back: not a millisecond later, nor earlier.
          clock.advance(decision.retryAfterMs - 1)
          if (decision.retryAfterMs > 1) {
            expect(ledger.reserve([{ meter, scope: 'alice', amount }]).admitted).toBe(false)
          }
          clock.advance(1)
          decision = ledger.reserve([{ meter, scope: 'alice', amount }])
          expect(decision.admitted).toBe(true)
        }
        if (!decision.admitted) continue
        taken.push({ atMs: clock.now(), amount })
        const sinceMs = clock.now() - chosen.lengthMs
        const within = taken.filter(({ atMs }) => atMs > sinceMs)
        expect(within.reduce((sum, one) => sum + one.amount, 0)).toBeLessThanOrEqual(most)
      }
    }),
    { numRuns: 800 },
  )
}, 30_000)
