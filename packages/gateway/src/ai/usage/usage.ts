/** Where a usage figure comes from. */
export type UsageSource = 'provider' | 'estimated' | 'none'

/** Disjoint counts: nothing is counted in two members (architecture §6). Tokens, where nothing else is said. */
export interface Usage {
  readonly inputUncached: number
  readonly cacheRead: number
  /** Written to a cache for its usual time. */
  readonly cacheWrite: number
  /** Written to be kept for an hour or longer. */
  readonly cacheWriteLong: number
  /** Spoken input that was in no cache. */
  readonly audioInput: number
  readonly outputText: number
  readonly reasoning: number
  readonly audioOutput: number
  /** Searches that the model made, which providers bill apart. */
  readonly webSearches: number
  /** The class of service that the answer names, when it is not the standard one: `flex`, `priority`, … */
  readonly serviceTier: string | undefined
  readonly source: UsageSource
}

export const NO_USAGE: Usage = {
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  audioInput: 0,
  outputText: 0,
  reasoning: 0,
  audioOutput: 0,
  webSearches: 0,
  serviceTier: undefined,
  source: 'none',
}

export function promptTokens(usage: Usage): number {
  return (
    usage.inputUncached +
    usage.cacheRead +
    usage.cacheWrite +
    usage.cacheWriteLong +
    usage.audioInput
  )
}

export function completionTokens(usage: Usage): number {
  return usage.outputText + usage.reasoning + usage.audioOutput
}

/** Counts of a provider that has not told all of them yet: the larger of both says what was written so far. */
export function withWritten(said: Usage, estimated: Usage): Usage {
  const missing = completionTokens(estimated) - completionTokens(said)
  if (missing <= 0) return said
  return { ...said, outputText: said.outputText + missing, source: 'estimated' }
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
  return Reflect.get(value, name)
}

/** Figures as they came, not yet known to be counts. */
export interface InclusiveCounts {
  readonly input: unknown
  readonly cacheRead: unknown
  readonly cacheWrite: unknown
  readonly audioInput?: unknown
  readonly output: unknown
  readonly reasoning: unknown
  readonly audioOutput?: unknown
  readonly serviceTier?: unknown
}

/**
 * Usage where the total includes its parts (OpenAI, Gemini): the parts are taken out so that the counts are disjoint.
 *
 * @returns `anomaly` when a figure is no count, or a part is larger than its total.
 */
export function fromInclusive(counts: InclusiveCounts): Usage | 'anomaly' {
  const input = readCount(counts.input)
  const cacheRead = readCount(counts.cacheRead)
  const cacheWrite = readCount(counts.cacheWrite)
  const audioInput = readCount(counts.audioInput)
  const output = readCount(counts.output)
  const reasoning = readCount(counts.reasoning)
  const audioOutput = readCount(counts.audioOutput)
  if (
    input === undefined ||
    cacheRead === undefined ||
    cacheWrite === undefined ||
    audioInput === undefined ||
    output === undefined ||
    reasoning === undefined ||
    audioOutput === undefined
  ) {
    return 'anomaly'
  }
  const uncached = input - cacheRead - cacheWrite
  if (uncached < 0 || audioInput > input || reasoning + audioOutput > output) return 'anomaly'
  // Cached audio is counted as cached: providers that tell it apart are few.
  const uncachedAudio = Math.min(audioInput, uncached)
  return {
    ...NO_USAGE,
    inputUncached: uncached - uncachedAudio,
    cacheRead,
    cacheWrite,
    audioInput: uncachedAudio,
    outputText: output - reasoning - audioOutput,
    reasoning,
    audioOutput,
    serviceTier: readServiceTier(counts.serviceTier),
    source: 'provider',
  }
}

/** The names under which providers sell what everybody gets. */
const STANDARD = new Set(['', 'default', 'standard', 'auto', 'on_demand'])

/** @returns `undefined` for the standard class, and for what names none. */
export function readServiceTier(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 32) return undefined
  const tier = value.toLowerCase()
  return STANDARD.has(tier) ? undefined : tier
}
