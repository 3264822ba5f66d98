import { expect, test } from 'vitest'
import { ConnectionError, RateLimitError, UpstreamError, type ErrorFacts } from '../errors.ts'
import { retryAfterMs } from './retry-after.ts'
import { retryDelayMs } from './retry-delay.ts'

const BACKOFF = { initialMs: 1_000, maxMs: 30_000, maxRetryAfterMs: 60_000 }
const FACTS: ErrorFacts = { attempts: 1, retryable: true }
const RETRIES = [1, 2, 3, 4, 5, 6, 7]

test('after an answer the pauses double up to the longest, as the article has them: 1, 2, 4 s …', () => {
  const error = new UpstreamError('503', FACTS)
  const pauses = RETRIES.map((retry) => retryDelayMs(error, retry, BACKOFF, () => 0))
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('chance shortens a pause by a quarter at most', () => {
  const error = new RateLimitError('429', FACTS)
  expect(retryDelayMs(error, 2, BACKOFF, () => 0.999_999)).toBeGreaterThanOrEqual(1_500)
  expect(retryDelayMs(error, 2, BACKOFF, () => 0.5)).toBe(1_750)
})

test('after a connection error they grow by one step, as the article has them: 1, 2, 3 s …', () => {
  const error = new ConnectionError('refused', FACTS)
  const pauses = RETRIES.map((retry) => retryDelayMs(error, retry, BACKOFF, () => 0.9))
  expect(pauses).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000])
})

test("an answer's own wish is honoured to the millisecond; too long a one ends the call", () => {
  const asking = (ms: number): RateLimitError =>
    new RateLimitError('429', { ...FACTS, retryAfterMs: ms })
  expect(retryDelayMs(asking(50), 1, BACKOFF, Math.random)).toBe(50)
  expect(retryDelayMs(asking(60_000), 1, BACKOFF, Math.random)).toBe(60_000)
  expect(retryDelayMs(asking(60_001), 1, BACKOFF, Math.random)).toBeUndefined()
})

test('what is not retryable is not retried', () => {
  const error = new UpstreamError('500', { attempts: 1 })
  expect(retryDelayMs(error, 1, BACKOFF, Math.random)).toBeUndefined()
})

test.each([
  [{ 'retry-after-ms': '50', 'retry-after': '7' }, 50],
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': '1.5' }, 1_500],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:09 GMT' }, 9_000],
  [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
  [{ 'retry-after': '-3' }, undefined],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after-ms': 'NaN', 'retry-after': '2' }, 2_000],
  [{}, undefined],
])('retry-after and retry-after-ms: %o is %s ms', (headers: Record<string, string>, expected) => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(retryAfterMs((name) => headers[name], now)).toBe(expected)
})
