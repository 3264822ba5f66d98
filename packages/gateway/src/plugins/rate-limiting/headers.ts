import type { HeaderFields, Period, Remaining } from '@pratu/plugin-kit'
import { calendarWindow, PERIOD_SECONDS } from '../../limits/index.ts'

/** A configured limit as the headers show it. */
export interface ShownLimit {
  readonly period: Period
  /** As configured; may have a fraction. */
  readonly limit: number
  /** Whole requests that the meter admits: the limit rounded up. */
  readonly admitted: number
  readonly limitName: string
  readonly remainingName: string
}

export function showLimit(period: Period, limit: number): ShownLimit {
  const word = period[0]?.toUpperCase() + period.slice(1)
  return {
    period,
    limit,
    admitted: Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(limit)),
    limitName: `X-RateLimit-Limit-${word}`,
    remainingName: `X-RateLimit-Remaining-${word}`,
  }
}

/**
 * Kong's informative headers (kong.md §3.3): limit and remaining requests of every period, and of the period with the
 * least remaining (of equals the longest) also the seconds until its end, which `Retry-After` repeats on a refusal.
 *
 * @param meters state of each limit, in order.
 * @param nowMs epoch milliseconds.
 * @param exact whether a refusal also says `retry-after-ms`, which libraries of AI providers obey first.
 */
export function setRateLimitHeaders(
  headers: HeaderFields,
  limits: readonly ShownLimit[],
  meters: readonly Remaining[],
  refused: boolean,
  nowMs: number,
  exact: boolean,
): void {
  let tightest: ShownLimit | undefined
  let least = Number.POSITIVE_INFINITY
  let resetMs = 0
  for (let i = 0; i < limits.length; i++) {
    const shown = limits[i]
    const meter = meters[i]
    if (shown === undefined || meter === undefined) continue
    const remaining = Math.max(0, meter.remaining - (shown.admitted - shown.limit))
    headers.set(shown.limitName, String(shown.limit))
    headers.set(shown.remainingName, String(remaining))
    // Limits come with the shortest period first, so an equal one is longer.
    if (remaining > least) continue
    least = remaining
    tightest = shown
    resetMs = meter.resetMs
  }
  if (tightest === undefined) return
  const reset = String(secondsUntilReset(tightest.period, resetMs, nowMs))
  headers.set('RateLimit-Limit', String(tightest.limit))
  headers.set('RateLimit-Remaining', String(least))
  headers.set('RateLimit-Reset', reset)
  if (!refused) return
  headers.set('Retry-After', reset)
  if (exact) headers.set('retry-after-ms', String(Math.max(1, Math.ceil(resetMs))))
}

/** Whole seconds, at least 1, with Kong's lengths: in the last days of a long month it is 1 although more is left. */
function secondsUntilReset(period: Period, resetMs: number, nowMs: number): number {
  if (period !== 'month' && period !== 'year') return Math.max(1, Math.ceil(resetMs / 1_000))
  const { startMs, endMs } = calendarWindow(period, nowMs)
  const elapsedSeconds = Math.floor((endMs - startMs - resetMs) / 1_000)
  return Math.max(1, PERIOD_SECONDS[period] - elapsedSeconds)
}
