/** Where a usage figure comes from. */
export type UsageSource = 'provider' | 'estimated' | 'none'

/** Disjoint token counts: nothing is counted in two members (architecture §6). */
export interface Usage {
  readonly inputUncached: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly outputText: number
  readonly reasoning: number
  readonly source: UsageSource
}

export const NO_USAGE: Usage = {
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  outputText: 0,
  reasoning: 0,
  source: 'none',
}

export function promptTokens(usage: Usage): number {
  return usage.inputUncached + usage.cacheRead + usage.cacheWrite
}

export function completionTokens(usage: Usage): number {
  return usage.outputText + usage.reasoning
}

/** What a provider said of its usage: counts, or that what it said cannot be counts (F32). */
export type UsageReading = Usage | 'anomaly' | undefined

/** More tokens than any request can have: beyond it a figure is an error, not a count. */
const MAX_TOKENS = 1_000_000_000

/**
 * A count as providers send it.
 *
 * @returns 0 when absent or null; `undefined` when it is not a whole number from 0 to a billion.
 */
export function readCount(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return undefined
  return value < 0 || value > MAX_TOKENS ? undefined : value
}

/** A member of a parsed object, without trusting its prototype. */
export function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}

/**
 * Usage where the total includes its parts (OpenAI, Gemini): the parts are taken out so that the counts are disjoint.
 *
 * @returns `anomaly` when a figure is no count, or a part is larger than its total.
 */
export function fromInclusive(counts: {
  readonly input: unknown
  readonly cacheRead: unknown
  readonly cacheWrite: unknown
  readonly output: unknown
  readonly reasoning: unknown
}): Usage | 'anomaly' {
  const input = readCount(counts.input)
  const cacheRead = readCount(counts.cacheRead)
  const cacheWrite = readCount(counts.cacheWrite)
  const output = readCount(counts.output)
  const reasoning = readCount(counts.reasoning)
  if (
    input === undefined ||
    cacheRead === undefined ||
    cacheWrite === undefined ||
    output === undefined ||
    reasoning === undefined
  ) {
    return 'anomaly'
  }
  if (cacheRead + cacheWrite > input || reasoning > output) return 'anomaly'
  return {
    inputUncached: input - cacheRead - cacheWrite,
    cacheRead,
    cacheWrite,
    outputText: output - reasoning,
    reasoning,
    source: 'provider',
  }
}
