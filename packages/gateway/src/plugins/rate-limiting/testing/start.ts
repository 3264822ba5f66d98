import {
  TestClock,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
  type TestContext,
} from '@pratu/plugin-kit/testing'
import { createCounterTable, createMemoryLedger } from '../../../limits/index.ts'
import { rateLimiting } from '../plugin.ts'

export const NOON = Date.UTC(2026, 4, 12, 12, 0, 0)

export interface Limited {
  readonly context: TestContext
  readonly request: (given?: ExchangeGiven) => Promise<ExchangeResult>
}

/** A plugin over the real memory ledger. */
export function start(
  raw: Readonly<Record<string, unknown>>,
  given: ContextGiven & { readonly startMs?: number } = {},
): Limited {
  const clock = new TestClock(given.startMs ?? NOON)
  const ledger =
    given.ledger ??
    createMemoryLedger({
      clock,
      table: createCounterTable({ slots: 64 }),
      machineMs: () => clock.monotonic(),
      uptimeMs: () => clock.monotonic(),
    })
  const context = givenContext({ clock, ledger, ...given })
  const plugin = rateLimiting.create(parseConfig(rateLimiting, raw), context)
  return {
    context,
    request: async (exchange) => {
      const result = await runExchange(plugin, givenExchange(exchange), { ledger: context.ledger })
      result.reservation?.close()
      return result
    },
  }
}
