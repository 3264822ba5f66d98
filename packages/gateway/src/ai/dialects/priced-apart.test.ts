import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { DIALECTS } from './index.ts'

const answer = (format: AiFormat, body: unknown) =>
  DIALECTS[format].usageOf(Buffer.from(JSON.stringify(body)))

describe('what is billed apart is counted apart', () => {
  test('OpenAI audio tokens are taken out of the text', () => {
    expect(
      answer('openai-chat', {
        usage: {
          prompt_tokens: 10,
          prompt_tokens_details: { cached_tokens: 2, audio_tokens: 5 },
          completion_tokens: 8,
          completion_tokens_details: { audio_tokens: 6, reasoning_tokens: 1 },
        },
      }),
    ).toMatchObject({
      inputUncached: 3,
      cacheRead: 2,
      audioInput: 5,
      outputText: 1,
      reasoning: 1,
      audioOutput: 6,
    })
  })

  test('cached audio is counted once, as cached', () => {
    expect(
      answer('openai-chat', {
        usage: {
          prompt_tokens: 10,
          prompt_tokens_details: { cached_tokens: 9, audio_tokens: 10 },
          completion_tokens: 0,
        },
      }),
    ).toMatchObject({ inputUncached: 0, cacheRead: 9, audioInput: 1 })
  })

  test('xAI counts reasoning beside the completion: the total tells', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 115,
      completion_tokens_details: { reasoning_tokens: 100 },
    }
    expect(answer('openai-chat', { usage })).toMatchObject({ outputText: 5, reasoning: 100 })
    expect(answer('openai-chat', { usage: { ...usage, completion_tokens: 105 } })).toMatchObject({
      outputText: 5,
      reasoning: 100,
    })
  })

  test('DeepSeek names the cached part of the prompt itself', () => {
    expect(
      answer('openai-chat', {
        usage: { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 8 },
      }),
    ).toMatchObject({ inputUncached: 2, cacheRead: 8 })
  })

  test('Anthropic caches for an hour at another price, and bills searches', () => {
    expect(
      answer('anthropic-messages', {
        usage: {
          input_tokens: 1,
          output_tokens: 1,
          cache_creation_input_tokens: 30,
          cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
          server_tool_use: { web_search_requests: 2 },
          service_tier: 'priority',
        },
      }),
    ).toMatchObject({
      cacheWrite: 10,
      cacheWriteLong: 20,
      webSearches: 2,
      serviceTier: 'priority',
    })
  })

  test('an Anthropic stream keeps what only its first event tells', () => {
    const reader = DIALECTS['anthropic-messages'].openStream()
    const read = (event: unknown): void => reader.read(Buffer.from(JSON.stringify(event)))
    read({
      type: 'message_start',
      message: {
        usage: {
          input_tokens: 1,
          output_tokens: 1,
          cache_creation_input_tokens: 30,
          cache_creation: { ephemeral_1h_input_tokens: 20 },
          service_tier: 'batch',
        },
      },
    })
    read({ type: 'message_delta', delta: {}, usage: { output_tokens: 9 } })
    expect(reader.usage).toMatchObject({
      inputUncached: 1,
      cacheWrite: 10,
      cacheWriteLong: 20,
      outputText: 9,
      serviceTier: 'batch',
    })
  })

  test('Gemini: audio, and what its own tools put into the prompt', () => {
    expect(
      answer('gemini', {
        usageMetadata: {
          promptTokenCount: 10,
          toolUsePromptTokenCount: 4,
          candidatesTokenCount: 3,
          promptTokensDetails: [
            { modality: 'TEXT', tokenCount: 4 },
            { modality: 'AUDIO', tokenCount: 6 },
          ],
          candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 2 }],
          serviceTier: 'flex',
        },
      }),
    ).toMatchObject({
      inputUncached: 8,
      audioInput: 6,
      outputText: 1,
      audioOutput: 2,
      serviceTier: 'flex',
    })
  })
})

describe('the class of service that the answer names', () => {
  const usage = { prompt_tokens: 1, completion_tokens: 1 }

  test.each([
    ['flex', 'flex'],
    ['priority', 'priority'],
    ['default', undefined],
    ['auto', undefined],
    [null, undefined],
  ])('%s', (service_tier, serviceTier) => {
    expect(answer('openai-chat', { service_tier, usage })).toMatchObject({ serviceTier })
  })

  test('is not what a client has the provider echo', () => {
    const counts = { input_tokens: 1, output_tokens: 1 }
    const metadata = { service_tier: 'flex' }
    expect(
      answer('openai-responses', { service_tier: 'priority', usage: counts, metadata }),
    ).toMatchObject({ serviceTier: 'priority' })
    const reader = DIALECTS['openai-responses'].openStream()
    const response = { service_tier: 'priority', usage: counts, metadata }
    reader.read(Buffer.from(JSON.stringify({ type: 'response.completed', response })))
    expect(reader.usage).toMatchObject({ serviceTier: 'priority' })
  })
})
