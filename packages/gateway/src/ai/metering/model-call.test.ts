import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { PriceCatalogue, Pricing } from '../prices/index.ts'
import { RequestedCall } from './model-call.ts'
import { readRequest } from './request-facts.ts'

const pricing = new Pricing({ catalogue: new PriceCatalogue(), kinds: new Map(), now: Date.now })

function call(format: AiFormat, body: object, path = '/', host = 'api.openai.com'): RequestedCall {
  const facts = readRequest(format, Buffer.from(JSON.stringify(body)))
  return new RequestedCall(format, facts, path, { host, path: '/', provider: undefined }, pricing)
}

const claude = (body: object): RequestedCall =>
  call('anthropic-messages', body, '/', 'api.anthropic.com')

describe('F72 the most that a call can cost', () => {
  test('is the prompt and the bound of the answer at the model’s price', () => {
    // GPT-4.1: $2 and $8 per million tokens.
    expect(call('openai-chat', { model: 'gpt-4.1' }).cost(1000, 500)).toBe(1000 * 2000 + 500 * 8000)
  })

  test('is what writing the prompt to the provider’s cache costs, where that is more', () => {
    // Claude Sonnet 4.5: $3, written to the cache $3.75, for an hour $6, answer $15.
    const model = 'claude-sonnet-4-5'
    expect(claude({ model }).cost(1000, 10)).toBe(1000 * 3750 + 10 * 15_000)
    expect(claude({ model, cache_control: { type: 'ephemeral' } }).cost(1000, 10)).toBe(
      1000 * 6000 + 10 * 15_000,
    )
  })

  test('is not known for a model without a price', () => {
    expect(call('openai-chat', { model: 'no-such-model' }).cost(1, 1)).toBeUndefined()
    expect(call('openai-chat', {}).cost(1, 1)).toBeUndefined()
  })
})

test('answers that are asked for together are bounded together', () => {
  expect(call('openai-chat', { max_tokens: 10, n: 4 }).maxOutputTokens).toBe(40)
  expect(call('openai-chat', { n: 4 }).maxOutputTokens).toBeUndefined()
  expect(call('openai-embeddings', { input: 'x' }).maxOutputTokens).toBe(0)
})

test('Gemini and Azure name models in the path, and Gemini says there that it streams', () => {
  const gemini = call('gemini', {}, '/v1beta/models/gemini-2.5-pro:streamGenerateContent')
  expect([gemini.model, gemini.streamed]).toEqual(['gemini-2.5-pro', true])
  expect(call('openai-chat', {}, '/openai/deployments/ours/chat/completions').model).toBe('ours')
})
