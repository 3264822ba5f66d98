import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NO_USAGE, type Usage } from '../usage/index.ts'
import { costOf, formatDollars } from './cost.ts'
import { priceAt, ratesOf, type ModelPrice, type Price } from './price.ts'

const used = (counts: Partial<Usage>): Usage => ({ ...NO_USAGE, source: 'provider', ...counts })

const flat = (rates: Parameters<typeof ratesOf>[0]): Price => [
  { abovePromptTokens: -1, rates: ratesOf(rates) },
]

describe('a call costs the sum of what it used', () => {
  const price = flat({
    input: 3,
    cache_read: 0.3,
    cache_write: 3.75,
    cache_write_long: 6,
    output: 15,
  })

  test.each<[string, Partial<Usage>, number]>([
    ['fresh input', { inputUncached: 1000 }, 3_000_000],
    ['cached input at its own price', { cacheRead: 1000 }, 300_000],
    ['writing to the cache', { cacheWrite: 1000 }, 3_750_000],
    ['writing to it for an hour', { cacheWriteLong: 1000 }, 6_000_000],
    ['output', { outputText: 1000 }, 15_000_000],
    ['reasoning as output', { reasoning: 1000 }, 15_000_000],
    ['audio as the text it stands beside', { audioInput: 10, audioOutput: 10 }, 180_000],
  ])('%s', (_name, counts, nanoDollars) => {
    expect(costOf(used(counts), price)).toBe(nanoDollars)
  })

  test('cached input without a price of its own costs what input costs, never nothing', () => {
    expect(costOf(used({ cacheRead: 1000, cacheWrite: 1000 }), flat({ input: 2 }))).toBe(4_000_000)
  })

  test('reasoning, requests and searches at their own price', () => {
    const own = flat({ input: 2, output: 8, reasoning: 3, request: 0.005, web_search: 0.01 })
    expect(costOf(used({ outputText: 100, reasoning: 100, webSearches: 2 }), own)).toBe(
      800_000 + 300_000 + 5_000_000 + 20_000_000,
    )
  })

  test('an unknown price is unpriced, never nothing', () => {
    expect(costOf(used({ inputUncached: 1, outputText: 1 }), flat({ input: 1 }))).toBeUndefined()
    expect(costOf(used({ inputUncached: 1 }), flat({ output: 1 }))).toBeUndefined()
    expect(costOf(used({ inputUncached: 1, webSearches: 1 }), flat({ input: 1 }))).toBeUndefined()
    expect(costOf(used({}), flat({}))).toBeUndefined()
  })

  test('what costs nothing is priced', () => {
    expect(costOf(used({ inputUncached: 5, outputText: 5 }), flat({ input: 0, output: 0 }))).toBe(0)
  })
})

describe('the size of the whole prompt chooses the price of the whole call', () => {
  const price: Price = [
    { abovePromptTokens: -1, rates: ratesOf({ input: 3, cache_read: 0.3, output: 15 }) },
    { abovePromptTokens: 200_000, rates: ratesOf({ input: 6, cache_read: 0.6, output: 22.5 }) },
  ]

  test('cached tokens count for the size', () => {
    expect(costOf(used({ inputUncached: 1, cacheRead: 200_000, outputText: 10 }), price)).toBe(
      6000 + 200_000 * 600 + 10 * 22_500,
    )
  })

  test('the bound itself is still below it', () => {
    expect(costOf(used({ inputUncached: 200_000, outputText: 10 }), price)).toBe(
      200_000 * 3000 + 10 * 15_000,
    )
  })
})

describe('the arithmetic is exact', () => {
  const counts = fc.integer({ min: 0, max: 1_000_000_000 })
  // Micro-dollars per million tokens, up to 10,000 $.
  const rate = fc.integer({ min: 0, max: 10_000_000_000 })

  test('it is what whole numbers of any size say, rounded half up', () => {
    fc.assert(
      fc.property(
        fc.tuple(counts, counts, counts, counts, counts),
        fc.tuple(rate, rate, rate, rate, rate),
        ([a, b, c, d, e], [input, cacheRead, cacheWrite, output, reasoning]) => {
          const price = flat({
            input: input / 1e6,
            cache_read: cacheRead / 1e6,
            cache_write: cacheWrite / 1e6,
            output: output / 1e6,
            reasoning: reasoning / 1e6,
          })
          const usage = used({
            inputUncached: a,
            cacheRead: b,
            cacheWrite: c,
            outputText: d,
            reasoning: e,
          })
          const pico =
            BigInt(a) * BigInt(input) +
            BigInt(b) * BigInt(cacheRead) +
            BigInt(c) * BigInt(cacheWrite) +
            BigInt(d) * BigInt(output) +
            BigInt(e) * BigInt(reasoning)
          expect(costOf(usage, price)).toBe(Number((pico + 500n) / 1000n))
        },
      ),
    )
  })

  test('a million calls of one cached token cost a million times as much', () => {
    const price = flat({ input: 1, cache_read: 0.1 })
    const one = costOf(used({ cacheRead: 10 }), price) ?? 0
    expect(Array.from({ length: 1_000_000 }).reduce<number>((sum) => sum + one, 0)).toBe(
      costOf(used({ cacheRead: 10_000_000 }), price),
    )
  })

  test('dollars are written as people write them, and read back as the same number', () => {
    expect(formatDollars(0)).toBe('0')
    expect(formatDollars(1)).toBe('0.000000001')
    expect(formatDollars(12_500_000_000)).toBe('12.5')
    fc.assert(
      fc.property(fc.maxSafeNat(), (nanoDollars) => {
        const text = formatDollars(nanoDollars)
        const [whole = '', rest = ''] = text.split('.')
        expect(Number(whole + rest.padEnd(9, '0'))).toBe(nanoDollars)
      }),
    )
  })
})

describe('prices that change', () => {
  const timed = (input: number, when: object) => ({
    from: undefined,
    daily: undefined,
    serviceTiers: new Map(),
    price: flat({ input }),
    ...when,
  })
  const model: ModelPrice = {
    provider: 'p',
    model: 'm',
    source: 'table',
    prices: [
      timed(1, {}),
      timed(2, { from: Date.parse('2026-08-17') }),
      timed(3, { daily: { start: 60, end: 240 } }),
      timed(4, { daily: { start: 1380, end: 30 } }),
    ],
  }
  const inputAt = (moment: string): number | undefined =>
    priceAt(model, Date.parse(moment))?.price[0]?.rates.input

  test.each([
    ['2026-08-16T12:00:00Z', 1],
    ['2026-08-17T00:30:00Z', 2],
    ['2026-08-18T01:00:00Z', 3],
    ['2026-08-18T03:59:59Z', 3],
    ['2026-08-18T04:00:00Z', 2],
    ['2026-08-18T23:00:00Z', 4],
    ['2026-08-18T00:29:00Z', 4],
  ])('%s', (moment, dollars) => {
    expect(inputAt(moment)).toBe(dollars * 1e6)
  })
})
