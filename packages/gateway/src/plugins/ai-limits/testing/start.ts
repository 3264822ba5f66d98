import type { ModelCall, ModelUse } from '@pratu/plugin-kit'
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
  type TestExchange,
} from '@pratu/plugin-kit/testing'
import { aiLimits } from '../plugin.ts'

export const NOON = Date.UTC(2026, 4, 12, 12, 0, 0)

/** $1 per million tokens in, $2 out: 1,000 and 2,000 nano-dollars per token. */
export const CALL: ModelCall = {
  format: 'openai-chat',
  model: 'gpt-test',
  streamed: false,
  inputTokens: 100,
  maxOutputTokens: 50,
  cost: (input, output) => input * 1000 + output * 2000,
}

export function used(inputTokens: number, outputTokens: number): ModelUse {
  const nanoDollars = CALL.cost(inputTokens, outputTokens)
  return { inputTokens, outputTokens, nanoDollars }
}

/** A call to a model: who makes it, what is known of it, and what it uses; plain traffic when `call` is `null`. */
export interface CallGiven extends ExchangeGiven {
  readonly call?: Partial<ModelCall> | null
  readonly use?: ModelUse
}

export interface Limited {
  readonly context: TestContext
  readonly request: (
    given?: CallGiven,
  ) => Promise<ExchangeResult & { readonly exchange: TestExchange }>
}

type Written = Readonly<Record<string, unknown>>

/** The plugin over the reference ledger, which knows every kind of window that is used here. */
export function start(
  limits: Written | readonly Written[],
  options: ContextGiven & { readonly config?: Written } = {},
): Limited {
  const clock = options.clock ?? new TestClock(NOON)
  const context = givenContext({ ...options, clock })
  const config = { limits: Array.isArray(limits) ? limits : [limits], ...options.config }
  const plugin = aiLimits.create(parseConfig(aiLimits, config), context)
  return {
    context,
    request: async ({ call, use, ...given } = {}) => {
      const exchange = givenExchange({ consumer: { username: 'alice' }, ...given })
      const result = await runExchange(plugin, exchange, {
        ledger: context.ledger,
        ...(call === null ? {} : { call: { ...CALL, ...call } }),
        ...(call === null ? {} : { use: use ?? used(80, 30) }),
      })
      result.reservation?.close()
      return { ...result, exchange }
    },
  }
}
