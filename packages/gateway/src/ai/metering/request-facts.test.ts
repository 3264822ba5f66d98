import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { readRequest, type RequestFacts } from './request-facts.ts'
import { walkMembers } from './top-level-members.ts'

const read = (body: unknown, format: AiFormat = 'openai-chat'): RequestFacts =>
  readRequest(format, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

describe('F71 how much the model may write', () => {
  test.each<[AiFormat, object, number | undefined, number]>([
    ['openai-chat', { max_tokens: 10 }, 10, 1],
    ['openai-chat', { max_completion_tokens: 20, max_tokens: 10, n: 3 }, 20, 3],
    ['openai-chat', { max_tokens: null, n: null }, undefined, 1],
    ['openai-chat', { max_output_tokens: 5 }, undefined, 1],
    ['openai-completions', { max_tokens: 5, best_of: 4, n: 2, prompt: ['a', 'b'] }, 5, 8],
    ['openai-completions', { max_tokens: 5, prompt: [1, 2, 3] }, 5, 1],
    ['openai-responses', { max_output_tokens: 30, max_tokens: 9 }, 30, 1],
    ['anthropic-messages', { max_tokens: 40 }, 40, 1],
    ['gemini', { generationConfig: { maxOutputTokens: 50, candidateCount: 2 } }, 50, 2],
    ['gemini', { generation_config: { max_output_tokens: 60 } }, 60, 1],
    ['gemini', { max_tokens: 1 }, undefined, 1],
  ])('%s %j', (format, body, most, choices) => {
    expect(read(body, format)).toMatchObject({ maxOutputTokens: most, choices })
  })

  test.each([
    ['nested', '{"tools":[{"max_tokens":1}],"metadata":{"max_tokens":1}}', undefined],
    [
      'in a text',
      '{"messages":[{"content":"\\"max_tokens\\":1, \\\\\\"max_tokens\\":1"}]}',
      undefined,
    ],
    ['of another type', '{"max_tokens":"1"}', undefined],
    ['negative', '{"max_tokens":-1}', undefined],
    ['broken', '{"max_tokens":1', undefined],
    ['twice: the larger one', '{"max_tokens":1,"max_tokens":1000}', 1000],
    ['twice, once in disguise', '{"max_tokens":1,"max\\u005ftokens":1000}', 1000],
    ['in exponents', '{"max_tokens":1e3}', 1000],
    ['between spaces', ' {\n "max_tokens" :\t7 }', 7],
  ])('a bound that is %s', (_what, json, most) => {
    expect(read(json).maxOutputTokens).toBe(most)
  })

  test('more answers than anybody gives are not believed', () => {
    expect(read({ n: 1e9 }).choices).toBe(1000)
  })
})

describe('how large the prompt is', () => {
  test('three bytes are a token', () => {
    const body = JSON.stringify({ messages: [{ content: 'x'.repeat(3000) }] })
    expect(read(body).inputTokens).toBe(Math.ceil(body.length / 3))
  })

  test.each([
    ['an image', `data:image/png;base64,${'iVBOR'.repeat(100_000)}`, 2000],
    ['a recording', 'UklGR'.repeat(400_000), 5000],
  ])('%s in base64 is no text', (_what, data, tokens) => {
    const { inputTokens } = read({ messages: [{ content: [{ type: 'media', data }] }] })
    expect(inputTokens).toBeGreaterThanOrEqual(tokens)
    expect(inputTokens).toBeLessThan(tokens + 100)
  })

  test('long words are text', () => {
    const body = { messages: [{ content: `a ${'日本語'.repeat(5000)}` }] }
    expect(read(body).inputTokens).toBeGreaterThan(14_000)
  })
})

test('the rest of what is read', () => {
  const body = {
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
    service_tier: 'priority',
    system: [{ cache_control: { type: 'ephemeral' } }],
  }
  expect(read(body)).toMatchObject({
    model: 'm',
    streamed: true,
    includeUsage: true,
    serviceTier: 'priority',
    cacheControl: true,
  })
  expect(read('no json')).toMatchObject({ model: undefined, streamed: false, choices: 1 })
})

describe('the walk over members', () => {
  test('shows each member of any object where a full parse finds it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom(undefined, 1, '\t'),
        (object, indent) => {
          const json = Buffer.from(JSON.stringify(object, undefined, indent))
          const found: [string, unknown][] = []
          const walk = walkMembers(json, (key, start, end) => {
            found.push([key, JSON.parse(json.toString('utf8', start, end))])
          })
          expect(walk).toBeDefined()
          expect(found).toEqual(Object.entries(JSON.parse(json.toString())))
        },
      ),
    )
  })

  test('never throws, and ends, on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
        for (const json of [
          Buffer.from(bytes),
          Buffer.from(`{${text}`),
          Buffer.from(`{"${text}"`),
        ]) {
          expect(() => walkMembers(json, () => undefined)).not.toThrow()
        }
      }),
    )
  })

  test('takes time in proportion to the bytes, also of nothing but backslashes and quotes', () => {
    for (const filling of ['\\\\', '\\"', '"', '[', '{"a":', ',']) {
      const json = Buffer.from(`{"a":"${filling.repeat(500_000)}`)
      const startedMs = performance.now()
      walkMembers(json, () => undefined)
      expect(performance.now() - startedMs).toBeLessThan(1000)
    }
  })
})
