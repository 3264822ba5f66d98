import {
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
import { keyAuth } from '../plugin.ts'

export const ALICE = {
  id: 'a11ce000-0000-4000-8000-000000000000',
  username: 'alice',
  customId: 'crm-7',
  keys: ['alice-key', 'alice-second-key'],
}
export const GUEST = { id: '90e57000-0000-4000-8000-000000000000', username: 'guest' }
export const KNOWN: ContextGiven = { consumers: [ALICE, GUEST] }

export interface Run {
  readonly context: TestContext
  readonly request: (given: ExchangeGiven) => Promise<Answered>
}

export interface Answered extends ExchangeResult {
  readonly exchange: TestExchange
  readonly message: string | undefined
  readonly upstream: Record<string, string>
}

/** A plugin that knows alice and guest, and a way to send it requests. */
export function start(raw: Readonly<Record<string, unknown>> = {}, given: ContextGiven = {}): Run {
  const context = givenContext({ ...KNOWN, ...given })
  const plugin = keyAuth.create(parseConfig(keyAuth, raw), context)
  return {
    context,
    request: async (exchangeGiven) => {
      const exchange = givenExchange(exchangeGiven)
      const result = await runExchange(plugin, exchange)
      const message = result.reply?.kind === 'refusal' ? result.reply.message : undefined
      return { ...result, exchange, message, upstream: exchange.upstream.headers.toObject() }
    },
  }
}

export const KONG: ContextGiven = { compatibility: 'kong' }
