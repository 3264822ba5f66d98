import type { PratuError } from '../errors.ts'
import type { Backoff } from '../options.ts'

/**
 * How long to wait before the same request is sent again, or undefined when it is not. An answer's own wish counts;
 * without one the pauses double, up to a quarter shorter by chance so that clients spread. After connection errors, where
 * nobody was burdened, they grow by one step a time, as in the article's client.
 *
 * @param retry which retry this would be, from 1.
 */
export function retryDelayMs(
  error: PratuError,
  retry: number,
  { initialMs, maxMs, maxRetryAfterMs }: Backoff,
  random: () => number,
): number | undefined {
  if (!error.retryable) return undefined
  if (error.retryAfterMs !== undefined) {
    return error.retryAfterMs > maxRetryAfterMs ? undefined : error.retryAfterMs
  }
  if (error.kind === 'connection' || error.kind === 'timeout') {
    return Math.min(maxMs, initialMs * retry)
  }
  return Math.min(maxMs, initialMs * 2 ** (retry - 1)) * (1 - random() / 4)
}
