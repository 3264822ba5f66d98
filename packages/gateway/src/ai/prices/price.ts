import type { WrittenRates } from '../../config/index.ts'

/**
 * What one unit costs, in whole pico-dollars (10⁻¹² $): a dollar per million tokens is 1,000,000 of them per token, so
 * that prices with six decimals are exact. A rate that is `undefined` is unknown, which is not free.
 */
export interface Rates {
  /** Per token of the prompt that no other rate is for. */
  readonly input: number | undefined
  readonly cacheRead: number | undefined
  readonly cacheWrite: number | undefined
  /** Written to be kept for an hour or longer. */
  readonly cacheWriteLong: number | undefined
  readonly audioInput: number | undefined
  readonly output: number | undefined
  readonly reasoning: number | undefined
  readonly audioOutput: number | undefined
  /** Per call, on top of its tokens. */
  readonly request: number | undefined
  /** Per search that the model made. */
  readonly webSearch: number | undefined
}

/** Rates by the size of the whole prompt, cached tokens included. */
export interface PriceTier {
  /** The tier is for prompts with more tokens than this; -1 for the first. */
  readonly abovePromptTokens: number
  readonly rates: Rates
}

/** One price: its tiers, the largest prompts last, never empty. */
export type Price = readonly PriceTier[]

/** A price and the time for which it holds. */
export interface TimedPrice {
  /** Epoch ms; `undefined` = always. */
  readonly from: number | undefined
  /** Minutes of the day in UTC; end before start runs over midnight. */
  readonly daily: { readonly start: number; readonly end: number } | undefined
  readonly price: Price
  /** Prices of other classes of service, as the answer names them. */
  readonly serviceTiers: ReadonlyMap<string, Price>
}

/** What a model costs at a provider. */
export interface ModelPrice {
  readonly provider: string
  readonly model: string
  readonly source: 'table' | 'file'
  /** The last one that holds at a moment counts; the first one holds when none does. */
  readonly prices: readonly TimedPrice[]
}

const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60

/** The price that holds at `now`, epoch ms. */
export function priceAt({ prices }: ModelPrice, now: number): TimedPrice | undefined {
  return prices.length === 1
    ? prices[0]
    : (prices.findLast((timed) => holdsAt(timed, now)) ?? prices[0])
}

function holdsAt({ from, daily }: TimedPrice, now: number): boolean {
  if (from !== undefined && now < from) return false
  if (daily === undefined) return true
  const minute = Math.floor(now / MINUTE_MS) % DAY_MINUTES
  const { start, end } = daily
  return start <= end ? minute >= start && minute < end : minute >= start || minute < end
}

/** Rates where what is not priced apart costs what its kind costs: a cached token as one of the prompt. */
export function ratesOf(written: WrittenRates): Rates {
  const input = perToken(written.input)
  const output = perToken(written.output)
  const cacheWrite = perToken(written.cache_write) ?? input
  return {
    input,
    cacheRead: perToken(written.cache_read) ?? input,
    cacheWrite,
    cacheWriteLong: perToken(written.cache_write_long) ?? cacheWrite,
    audioInput: perToken(written.audio_input) ?? input,
    output,
    reasoning: perToken(written.reasoning) ?? output,
    audioOutput: perToken(written.audio_output) ?? output,
    request: perUnit(written.request),
    webSearch: perUnit(written.web_search),
  }
}

/** Dollars per million tokens in pico-dollars per token. */
function perToken(dollars: number | undefined): number | undefined {
  return dollars === undefined ? undefined : Math.round(dollars * 1e6)
}

function perUnit(dollars: number | undefined): number | undefined {
  return dollars === undefined ? undefined : Math.round(dollars * 1e12)
}
