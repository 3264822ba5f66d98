import { calcPrice, waitForUpdate } from '@pydantic/genai-prices'
import { describe, expect, test } from 'vitest'
import { parsePriceList } from '../../config/index.ts'
import { NO_USAGE, type Usage } from '../usage/index.ts'
import { PriceCatalogue } from './catalogue.ts'
import { costOf } from './cost.ts'
import { overlayOf } from './overlay.ts'
import { priceAt } from './price.ts'

const NOW = Date.parse('2026-11-23T12:00:00Z')
const catalogue = new PriceCatalogue()

const used = (counts: Partial<Usage>): Usage => ({ ...NO_USAGE, source: 'provider', ...counts })

function dollars(
  provider: string | undefined,
  model: string,
  counts: Partial<Usage>,
  from = catalogue,
): number | undefined {
  const found = from.find(provider, model)
  const timed = found === undefined ? undefined : priceAt(found, NOW)
  const nano = timed === undefined ? undefined : costOf(used(counts), timed.price)
  return nano === undefined ? undefined : nano / 1e9
}

const million = { outputText: 1_000_000 }

function withFile(text: string): PriceCatalogue {
  const parsed = parsePriceList(text, 'prices.yml')
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return new PriceCatalogue(overlayOf(parsed.list))
}

describe("the article's prices for a million output tokens", () => {
  test('GPT-4.1: $8', () => {
    expect(dollars('openai', 'gpt-4.1', million)).toBe(8)
  })

  test('Claude Sonnet 4.5: $15', () => {
    expect(dollars('anthropic', 'claude-sonnet-4-5', million)).toBe(15)
    expect(dollars('anthropic', 'claude-sonnet-4-5-20250929', million)).toBe(15)
  })

  test('DeepSeek V3.2: the article says $0.42, the shipped table $0.3432 (docs/prices.md)', () => {
    expect(dollars('deepseek', 'deepseek-v3.2', million)).toBe(0.3432)
    const own = withFile(
      'prices: [{provider: deepseek, model: deepseek-v3.2, input: 0.28, output: 0.42}]',
    )
    expect(dollars('deepseek', 'deepseek-v3.2', million, own)).toBe(0.42)
  })
})

describe('who serves a model is told by the host', () => {
  test.each([
    ['api.openai.com', '/v1', 'openai'],
    ['API.OpenAI.com', '', 'openai'],
    ['api.anthropic.com', '', 'anthropic'],
    ['generativelanguage.googleapis.com', '', 'google'],
    ['europe-west1-aiplatform.googleapis.com', '', 'google'],
    ['api.deepseek.com', '', 'deepseek'],
    ['openrouter.ai', '/api/v1', 'openrouter'],
    ['mine.openai.azure.com', '/openai', 'azure'],
    ['bedrock-runtime.us-east-1.amazonaws.com', '', 'aws'],
    ['router.huggingface.co', '/novita/v3', 'huggingface_novita'],
    ['router.huggingface.co', '/unheard-of', undefined],
    ['api.openai.com.evil.example', '', undefined],
    ['evilapi.openai.com', '', undefined],
    ['127.0.0.1', '', undefined],
  ])('%s%s', (host, path, provider) => {
    expect(catalogue.providerAt(host, path)).toBe(provider)
  })

  test('a file adds hosts', () => {
    const own = withFile('hosts: {"*.llm.example": gemini}')
    expect(own.providerAt('eu.llm.example', '')).toBe('google')
  })
})

describe('names of models', () => {
  const priced = (provider: string | undefined, model: string): string | undefined =>
    catalogue.find(provider, model)?.model

  test.each([
    ['openai', 'gpt-4.1', 'gpt-4.1'],
    ['openai', 'gpt-4.1-2025-04-14', 'gpt-4.1'],
    ['openai', 'GPT-4.1', 'gpt-4.1'],
    ['openai', 'gpt-4.1-20250414', 'gpt-4.1'],
    ['openai', 'gpt-4.1-2031-01-01', 'gpt-4.1'],
    ['google', 'models/gemini-2.5-pro', 'gemini-2.5-pro'],
    ['azure', 'claude-sonnet-4-5', 'claude-sonnet-4-5'],
    ['openai', 'no-such-model', undefined],
    ['nobody', 'gpt-4.1', undefined],
  ])('%s %s', (provider, model, expected) => {
    expect(priced(provider, model)).toBe(expected)
  })

  test('at an unknown host a model costs what its maker asks', () => {
    expect(catalogue.find(undefined, 'gpt-4.1')).toMatchObject({ provider: 'openai' })
    expect(catalogue.find(undefined, 'claude-sonnet-4-5')).toMatchObject({ provider: 'anthropic' })
    expect(priced(undefined, 'my-own-model')).toBeUndefined()
  })

  test('or is unpriced, when a file says so', () => {
    expect(withFile('unknown_hosts: unpriced').find(undefined, 'gpt-4.1')).toBeUndefined()
  })

  test('S46 a flood of invented names is forgotten, and the price still found', () => {
    const flooded = new PriceCatalogue()
    for (let i = 0; i < 10_000; i++) flooded.find('openai', `invented-${i}`)
    expect(flooded.find('openai', 'gpt-4.1')).toMatchObject({ model: 'gpt-4.1' })
    expect(flooded.find('openai', `gpt-4.1${'x'.repeat(100_000)}`)).toBeUndefined()
  })
})

describe('a file of prices', () => {
  test('comes before the table, for one provider or for all, by name or by its start', () => {
    const own = withFile(`
prices:
- {model: gpt-4.1, provider: openai, input: 1, output: 2}
- {model: [my-model, "our-*"], input: 3, output: 4}
`)
    expect(dollars('openai', 'gpt-4.1', million, own)).toBe(2)
    expect(dollars('azure', 'gpt-4.1', million, own)).toBe(8)
    expect(dollars(undefined, 'my-model', million, own)).toBe(4)
    expect(dollars('openai', 'our-model', million, own)).toBe(4)
  })

  test('may charge more for large prompts', () => {
    const own = withFile(
      'prices: [{model: m, input: 1, output: 1, above: [{prompt_tokens: 100, input: 2, output: 3}]}]',
    )
    expect(dollars(undefined, 'm', { inputUncached: 101, outputText: 1000 }, own)).toBe(0.003202)
  })
})

describe('the table says what its source says', () => {
  test('for every model of every provider', async () => {
    const usage = { input_tokens: 3000, cache_read_tokens: 1000, output_tokens: 500 }
    const counts = { inputUncached: 2000, cacheRead: 1000, outputText: 500 }
    let compared = 0
    for (const provider of (await waitForUpdate()) ?? []) {
      for (const { id } of provider.models) {
        const options = { providerId: provider.id, timestamp: new Date(NOW) }
        const theirs = calcPrice(usage, id, options)
        const ours = dollars(provider.id, id, counts)
        const { input_mtok: input, output_mtok: output } = theirs?.model_price ?? {}
        if (theirs === null || input === undefined || output === undefined) continue
        compared++
        expect([provider.id, id, ours]).toEqual([
          provider.id,
          id,
          expect.closeTo(theirs.total_price, 7),
        ])
      }
    }
    expect(compared).toBeGreaterThan(1000)
  })
})
