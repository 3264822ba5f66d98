import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { DIALECTS } from './index.ts'
import { NO_USAGE } from '../usage/index.ts'

const events = (format: AiFormat, data: readonly unknown[]) => {
  const reader = DIALECTS[format].openStream()
  for (const one of data)
    reader.read(Buffer.from(typeof one === 'string' ? one : JSON.stringify(one)))
  return reader
}

const answer = (format: AiFormat, body: unknown) =>
  DIALECTS[format].usageOf(Buffer.from(JSON.stringify(body)))

const chunk = (delta: object, finish: string | null = null, index = 0): object => ({
  choices: [{ index, delta, finish_reason: finish }],
  usage: null,
})

describe('usage becomes disjoint counts', () => {
  test('OpenAI totals include cached and reasoning tokens', () => {
    expect(
      answer('openai-chat', {
        choices: [{ message: { content: 'the "usage" of words' } }],
        usage: {
          prompt_tokens: 10,
          completion_tokens: 7,
          prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 1 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      }),
    ).toEqual({
      ...NO_USAGE,
      inputUncached: 5,
      cacheRead: 4,
      cacheWrite: 1,
      outputText: 5,
      reasoning: 2,
      source: 'provider',
    })
  })

  test('OpenAI Responses names them differently', () => {
    expect(
      answer('openai-responses', {
        usage: {
          input_tokens: 9,
          input_tokens_details: { cached_tokens: 3 },
          output_tokens: 5,
          output_tokens_details: { reasoning_tokens: 5 },
        },
      }),
    ).toEqual({
      ...NO_USAGE,
      inputUncached: 6,
      cacheRead: 3,
      cacheWrite: 0,
      outputText: 0,
      reasoning: 5,
      source: 'provider',
    })
  })

  test('Anthropic counts exclude cached tokens', () => {
    expect(
      answer('anthropic-messages', {
        usage: {
          input_tokens: 9,
          cache_read_input_tokens: 100,
          cache_creation_input_tokens: 20,
          output_tokens: 8,
          output_tokens_details: { thinking_tokens: 3 },
        },
      }),
    ).toEqual({
      ...NO_USAGE,
      inputUncached: 9,
      cacheRead: 100,
      cacheWrite: 20,
      outputText: 5,
      reasoning: 3,
      source: 'provider',
    })
  })

  test('Gemini thoughts stand beside the candidates', () => {
    expect(
      answer('gemini', {
        usageMetadata: {
          promptTokenCount: 9,
          cachedContentTokenCount: 2,
          candidatesTokenCount: 3,
          thoughtsTokenCount: 20,
        },
      }),
    ).toEqual({
      ...NO_USAGE,
      inputUncached: 7,
      cacheRead: 2,
      cacheWrite: 0,
      outputText: 3,
      reasoning: 20,
      source: 'provider',
    })
  })

  test('embeddings have no output', () => {
    expect(
      answer('openai-embeddings', { data: [], usage: { prompt_tokens: 4, total_tokens: 4 } }),
    ).toMatchObject({
      inputUncached: 4,
      outputText: 0,
    })
  })
})

describe('F32 figures that cannot be counts are an anomaly, never a number', () => {
  test.each([-1, 1e18, '12', 1.5, {}, true])('%s', (prompt_tokens) => {
    expect(answer('openai-chat', { usage: { prompt_tokens, completion_tokens: 1 } })).toBe(
      'anomaly',
    )
  })

  test('a part larger than its total', () => {
    expect(
      answer('openai-chat', {
        usage: {
          prompt_tokens: 1,
          completion_tokens: 1,
          prompt_tokens_details: { cached_tokens: 2 },
        },
      }),
    ).toBe('anomaly')
  })

  test('usage that is missing or null is missing, not zero', () => {
    expect(answer('openai-chat', { choices: [] })).toBeUndefined()
    expect(answer('openai-chat', { usage: null })).toBeUndefined()
  })
})

describe('F23 a stream is complete only after its own terminal event', () => {
  test('OpenAI chat: [DONE]', () => {
    expect(events('openai-chat', [chunk({ content: 'Hel' })]).state).toBe('open')
    expect(events('openai-chat', [chunk({ content: 'Hel' }), '[DONE]']).state).toBe('complete')
  })

  test('OpenAI chat: a reason to finish is no end yet, usage may follow', () => {
    expect(events('openai-chat', [chunk({ content: 'a' }), chunk({}, 'stop')]).state).toBe('open')
  })

  test('OpenAI chat: [DONE] inside a text is only text', () => {
    expect(events('openai-chat', [chunk({ content: '[DONE]' })]).state).toBe('open')
  })

  test('OpenAI Responses: completed, incomplete or failed', () => {
    const delta = { type: 'response.output_text.delta', delta: 'Hi', sequence_number: 4 }
    expect(events('openai-responses', [delta]).state).toBe('open')
    const completed = {
      type: 'response.completed',
      response: { usage: { input_tokens: 3, output_tokens: 2 } },
    }
    const reader = events('openai-responses', [delta, completed])
    expect(reader.state).toBe('complete')
    expect(reader.usage).toMatchObject({ inputUncached: 3, outputText: 2 })
  })

  test('Anthropic: message_stop, with the last usage standing', () => {
    const start = {
      type: 'message_start',
      message: { usage: { input_tokens: 43, output_tokens: 1 } },
    }
    const delta = {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'Hi' },
    }
    const end = {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn' },
      usage: { output_tokens: 48 },
    }
    expect(events('anthropic-messages', [start, delta, end]).state).toBe('open')
    const reader = events('anthropic-messages', [start, delta, end, { type: 'message_stop' }])
    expect(reader.state).toBe('complete')
    expect(reader.usage).toMatchObject({ inputUncached: 43, outputText: 48 })
    expect(reader.contentEvents).toBe(1)
  })

  test('Gemini: a finish reason', () => {
    const part = { candidates: [{ content: { parts: [{ text: 'Hi' }] } }] }
    expect(events('gemini', [part]).state).toBe('open')
    expect(events('gemini', [part, { candidates: [{ finishReason: 'STOP' }] }]).state).toBe(
      'complete',
    )
  })

  test.each([
    ['openai-chat', { error: { message: 'overloaded', type: 'server_error' } }],
    ['openai-responses', { type: 'error', code: 'server_error', message: 'no' }],
    ['anthropic-messages', { type: 'error', error: { type: 'overloaded_error', message: 'no' } }],
    ['gemini', { error: { code: 503, message: 'no', status: 'UNAVAILABLE' } }],
  ] as const)('an error event of %s ends it as failed', (format, event) => {
    expect(events(format, [event]).state).toBe('failed')
  })
})

describe('a broken stream is told in the format that its client reads', () => {
  const error = { status: 504, code: 'upstream_idle_timeout', message: 'stopped' }

  test('OpenAI libraries throw on a frame with an error member', () => {
    expect(DIALECTS['openai-chat'].errorEvent(error)).toMatch(
      /^data: \{"error":\{"message":"stopped".*"code":"upstream_idle_timeout"/,
    )
  })

  test('Anthropic frames carry an event line, or their library skips them', () => {
    expect(DIALECTS['anthropic-messages'].errorEvent(error)).toMatch(
      /^event: error\ndata: \{"type":"error"/,
    )
  })

  test.each(Object.values(DIALECTS))(
    '$format ends its error event with a blank line',
    (dialect) => {
      expect(dialect.errorEvent(error).endsWith('\n\n')).toBe(true)
      expect(dialect.errorEvent(error)).not.toContain('[DONE]')
    },
  )
})
