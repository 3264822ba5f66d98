import { promptTokens, type Usage } from '../usage/index.ts'
import type { Price, Rates } from './price.ts'

const PICO_PER_NANO = 1000

/**
 * What a call cost, exactly: whole numbers all the way, one rounding (half up) at the end. The tier is chosen by the whole
 * prompt, cached tokens included, and holds for the whole call, its output as well (llm-apis.md §6).
 *
 * @returns whole nano-dollars; `undefined` when the price of something that was used is not known.
 */
export function costOf(usage: Usage, price: Price): number | undefined {
  const rates = ratesFor(promptTokens(usage), price)
  if (rates === undefined || !isPriced(usage, rates)) return undefined
  const pico = picoSum(usage, rates)
  // Below this bound each step of the sum was exact.
  return pico <= Number.MAX_SAFE_INTEGER
    ? Math.floor((pico + PICO_PER_NANO / 2) / PICO_PER_NANO)
    : largeCost(usage, rates)
}

function ratesFor(tokens: number, price: Price): Rates | undefined {
  for (let i = price.length - 1; i >= 0; i--) {
    const tier = price[i]
    if (tier !== undefined && tokens > tier.abovePromptTokens) return tier.rates
  }
  return undefined
}

function isPriced(usage: Usage, rates: Rates): boolean {
  return (
    known(usage.inputUncached, rates.input) &&
    known(usage.cacheRead, rates.cacheRead) &&
    known(usage.cacheWrite, rates.cacheWrite) &&
    known(usage.cacheWriteLong, rates.cacheWriteLong) &&
    known(usage.audioInput, rates.audioInput) &&
    known(usage.outputText, rates.output) &&
    known(usage.reasoning, rates.reasoning) &&
    known(usage.audioOutput, rates.audioOutput) &&
    known(usage.webSearches, rates.webSearch) &&
    // A table line without any price of ours is no price.
    (rates.input ?? rates.output ?? rates.request) !== undefined
  )
}

function known(count: number, rate: number | undefined): boolean {
  return count === 0 || rate !== undefined
}

function picoSum(usage: Usage, rates: Rates): number {
  return (
    usage.inputUncached * (rates.input ?? 0) +
    usage.cacheRead * (rates.cacheRead ?? 0) +
    usage.cacheWrite * (rates.cacheWrite ?? 0) +
    usage.cacheWriteLong * (rates.cacheWriteLong ?? 0) +
    usage.audioInput * (rates.audioInput ?? 0) +
    usage.outputText * (rates.output ?? 0) +
    usage.reasoning * (rates.reasoning ?? 0) +
    usage.audioOutput * (rates.audioOutput ?? 0) +
    usage.webSearches * (rates.webSearch ?? 0) +
    (rates.request ?? 0)
  )
}

/** More than some $9,000: the same sum in whole numbers of any size. */
function largeCost(usage: Usage, rates: Rates): number {
  const product = (count: number, rate: number | undefined): bigint =>
    BigInt(count) * BigInt(rate ?? 0)
  const pico =
    product(usage.inputUncached, rates.input) +
    product(usage.cacheRead, rates.cacheRead) +
    product(usage.cacheWrite, rates.cacheWrite) +
    product(usage.cacheWriteLong, rates.cacheWriteLong) +
    product(usage.audioInput, rates.audioInput) +
    product(usage.outputText, rates.output) +
    product(usage.reasoning, rates.reasoning) +
    product(usage.audioOutput, rates.audioOutput) +
    product(usage.webSearches, rates.webSearch) +
    BigInt(rates.request ?? 0)
  return Number((pico + 500n) / 1000n)
}

const NANO_PER_DOLLAR = 1_000_000_000

/** Nano-dollars as dollars in decimals, without an exponent: `0.000123`. */
export function formatDollars(nanoDollars: number): string {
  const whole = Math.floor(nanoDollars / NANO_PER_DOLLAR)
  const rest = String(nanoDollars % NANO_PER_DOLLAR)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return rest === '' ? String(whole) : `${whole}.${rest}`
}
