import { describe, expect, test } from 'vitest'
import { parsePriceList } from '../../config/index.ts'
import { NO_USAGE, type Usage } from '../usage/index.ts'
import { PriceCatalogue } from './catalogue.ts'
import { overlayOf } from './overlay.ts'
import { Pricing } from './pricing.ts'

const NOW = Date.parse('2026-11-23T12:00:00Z')

function pricing(file = ''): Pricing {
  const parsed = parsePriceList(file === '' ? '{}' : file, 'prices.yml')
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return new Pricing({
    catalogue: new PriceCatalogue(overlayOf(parsed.list)),
    kinds: new Map([
      ['mine', 'openai'],
      ['ours', 'vllm'],
      ['any', 'openai-compatible'],
    ]),
    now: () => NOW,
  })
}

const at = (host: string, provider?: string) => ({ host, path: '/v1', provider })
const usage: Usage = { ...NO_USAGE, source: 'provider', outputText: 1000 }

describe('what a call cost', () => {
  test('by the host of the service', () => {
    expect(pricing().cost(at('api.openai.com'), ['gpt-4.1'], usage)).toEqual({
      nanoDollars: 8_000_000,
      provider: 'openai',
      estimated: false,
    })
  })

  test('by the kind of its provider, whatever its host', () => {
    expect(pricing().cost(at('10.0.0.1', 'mine'), ['gpt-4.1'], usage)).toMatchObject({
      nanoDollars: 8_000_000,
    })
  })

  test("a machine of one's own has no maker's price", () => {
    const own = pricing()
    expect(own.cost(at('10.0.0.1', 'ours'), ['deepseek-r1'], usage)).toMatchObject({
      nanoDollars: undefined,
    })
    expect(own.cost(at('10.0.0.1', 'any'), ['gpt-4.1'], usage)).toMatchObject({
      nanoDollars: 8_000_000,
    })
  })

  test("the answer's name of the model helps where the request's has no price", () => {
    const { nanoDollars } = pricing().cost(
      at('mine.openai.azure.com'),
      [undefined, 'our-deployment', 'gpt-4.1-2025-04-14'],
      usage,
    )
    expect(nanoDollars).toBe(8_000_000)
  })

  test('a provider that did nothing costs nothing, priced or not', () => {
    expect(pricing().cost(at('api.openai.com'), ['unheard-of'], NO_USAGE).nanoDollars).toBe(0)
  })

  test('unpriced is not free', () => {
    expect(pricing().cost(at('api.openai.com'), ['unheard-of'], usage).nanoDollars).toBeUndefined()
  })

  test('an estimate is called one', () => {
    const estimated: Usage = { ...usage, source: 'estimated' }
    expect(pricing().cost(at('api.openai.com'), ['gpt-4.1'], estimated).estimated).toBe(true)
  })

  test('a class of service is priced by a file; without one the standard price is an estimate', () => {
    const flex: Usage = { ...usage, serviceTier: 'flex' }
    expect(pricing().cost(at('api.openai.com'), ['gpt-4.1'], flex)).toMatchObject({
      nanoDollars: 8_000_000,
      estimated: true,
    })
    const file =
      'prices: [{model: gpt-4.1, input: 2, output: 8, service_tiers: {flex: {input: 1, output: 4}}}]'
    expect(pricing(file).cost(at('api.openai.com'), ['gpt-4.1'], flex)).toMatchObject({
      nanoDollars: 4_000_000,
      estimated: false,
    })
  })
})
