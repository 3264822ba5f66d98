import { refuse, type Quantity, type Refusal, type RefusalReply } from '@pratu/plugin-kit'
import { CATALOGUE, type ErrorCode } from '../../errors/index.ts'
import type { LimitConfig } from './config.ts'

const CODES: Readonly<Record<Quantity, ErrorCode>> = {
  requests: 'rate_limit_exceeded',
  input_tokens: 'token_limit_exceeded',
  output_tokens: 'token_limit_exceeded',
  total_tokens: 'token_limit_exceeded',
  nano_dollars: 'budget_exceeded',
  concurrent_requests: 'concurrency_limit_exceeded',
}

/** Client libraries sleep for as long as they are told, or try at once when it is longer (llm-apis.md §3). */
const LONGEST_WAIT_MS = 60_000

/** When somebody else's request ends is not known; less would only make clients knock. */
const LEAST_HELD_MS = 1000

/** What a client is told: which limit, when to come back, and whether coming back helps. */
export function refusalOf(
  { name, quantity }: LimitConfig,
  { retryAfterMs, permanent }: Refusal,
): RefusalReply {
  const code = CODES[quantity]
  const { status, message, retryable } = CATALOGUE[code]
  if (permanent) {
    const why = `This request alone may use more than limit '${name}' ever admits`
    return refuse(status, code, why, { 'x-should-retry': 'false' })
  }
  const least = quantity === 'concurrent_requests' ? LEAST_HELD_MS : 1
  const waitMs = Math.max(least, Math.ceil(retryAfterMs))
  const headers: Record<string, string> = {
    'Retry-After': String(Math.ceil(waitMs / 1000)),
    'retry-after-ms': String(waitMs),
  }
  if (!retryable || waitMs > LONGEST_WAIT_MS) headers['x-should-retry'] = 'false'
  return refuse(status, code, `${message}: limit '${name}'`, headers)
}

/** The answer where a budget has to know a price and there is none. */
export function unpricedRefusal(): RefusalReply {
  const { status, message } = CATALOGUE.model_unpriced
  return refuse(status, 'model_unpriced', message, { 'x-should-retry': 'false' })
}
