import type { ErrorShape, HeaderFields, Quantity, Remaining } from '@pratu/plugin-kit'

/** A limit as it stands for one request. */
export interface LimitState {
  readonly quantity: Quantity
  readonly state: Remaining
}

const TOKEN_QUANTITIES: readonly Quantity[] = ['total_tokens', 'input_tokens', 'output_tokens']

/**
 * What is left, in the form that the client's own provider uses (llm-apis.md §1.1, §3): OpenAI's `x-ratelimit-*` with a
 * duration, Anthropic's `anthropic-ratelimit-*` with a time. Of several limits on the same thing the tightest is told.
 *
 * @param nowMs epoch ms.
 */
export function setRateHeaders(
  headers: HeaderFields,
  shape: ErrorShape,
  states: readonly LimitState[],
  nowMs: number,
): void {
  if (shape === 'anthropic') {
    setAnthropic(headers, 'requests', tightest(states, ['requests']), nowMs)
    setAnthropic(headers, 'tokens', tightest(states, ['total_tokens']), nowMs)
    setAnthropic(headers, 'input-tokens', tightest(states, ['input_tokens']), nowMs)
    setAnthropic(headers, 'output-tokens', tightest(states, ['output_tokens']), nowMs)
  } else {
    setOpenAi(headers, 'requests', tightest(states, ['requests']))
    setOpenAi(headers, 'tokens', tightest(states, TOKEN_QUANTITIES))
  }
}

function tightest(
  states: readonly LimitState[],
  quantities: readonly Quantity[],
): Remaining | undefined {
  let found: Remaining | undefined
  for (const { quantity, state } of states) {
    if (!quantities.includes(quantity) || state.unknown === true) continue
    if (found === undefined || state.remaining < found.remaining) found = state
  }
  return found
}

function setOpenAi(headers: HeaderFields, what: string, state: Remaining | undefined): void {
  if (state === undefined) return
  headers.set(`x-ratelimit-limit-${what}`, String(state.limit))
  headers.set(`x-ratelimit-remaining-${what}`, String(state.remaining))
  headers.set(`x-ratelimit-reset-${what}`, formatDuration(state.resetMs))
}

function setAnthropic(
  headers: HeaderFields,
  what: string,
  state: Remaining | undefined,
  nowMs: number,
): void {
  if (state === undefined) return
  const resetSeconds = Math.ceil((nowMs + state.resetMs) / 1000)
  const name = `anthropic-ratelimit-${what}`
  headers.set(`${name}-limit`, String(state.limit))
  headers.set(`${name}-remaining`, String(state.remaining))
  headers.set(`${name}-reset`, new Date(resetSeconds * 1000).toISOString().replace('.000Z', 'Z'))
}

/** OpenAI's form: `120ms`, `2.4s`, `6m0s`, `1h0m3s`. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms))
  if (whole < 1000) return `${whole}ms`
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor((whole % 3_600_000) / 60_000)
  const seconds = `${(whole % 60_000) / 1000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}
