import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { canTell, examineAnswer, tellAnswer, UsageFilter } from './stored-answer.ts'

const STREAM = { streamed: true, wantsUsage: false }
const STREAM_WITH_USAGE = { streamed: true, wantsUsage: true }
const WHOLE = { streamed: false, wantsUsage: true }

const CHAT = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: `${'Grüße 🙂 '.repeat(20)}`, refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
    {
      index: 1,
      message: {
        role: 'assistant',
        content: null,
        refusal: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
      logprobs: null,
      finish_reason: 'tool_calls',
    },
  ],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
}

const COMPLETION = {
  id: 'c1',
  object: 'text_completion',
  created: 1,
  model: 'm',
  choices: [{ text: 'some text', index: 0, logprobs: null, finish_reason: 'length' }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
}

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [
    { type: 'thinking', thinking: 'well', signature: 'sig' },
    { type: 'text', text: 'Grüße 🙂' },
    { type: 'tool_use', id: 't', name: 'f', input: { city: 'Bangkok', deep: [1, { a: null }] } },
    { type: 'redacted_thinking', data: 'xyz' },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 3 },
}

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  status: 'completed',
  error: null,
  model: 'm',
  output: [
    { type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: 'thought' }] },
    {
      type: 'message',
      id: 'ms',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'hello', annotations: [] }],
    },
    {
      type: 'function_call',
      id: 'fc',
      call_id: 'c',
      name: 'f',
      arguments: '{}',
      status: 'completed',
    },
  ],
  usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 },
}

describe('one answer in both of its forms', () => {
  test.each<[AiFormat, object]>([
    ['openai-chat', CHAT],
    ['openai-completions', COMPLETION],
    ['anthropic-messages', MESSAGE],
    ['openai-responses', RESPONSE],
  ])('%s: told as a stream and put together again it is the same', (format, answer) => {
    const body = Buffer.from(JSON.stringify(answer))
    expect(examineAnswer(format, 'json', body)).toBe('either')
    const stream = Buffer.from(tellAnswer(format, 'json', body, STREAM_WITH_USAGE) ?? [])
    expect(examineAnswer(format, 'events', stream)).toBe('either')
    const again = Buffer.from(tellAnswer(format, 'events', stream, WHOLE) ?? []).toString()
    expect(JSON.parse(again)).toEqual(answer)
  })

  test('a stream as hosts write it: empty first event, roles, comments, CR LF, names by pieces', () => {
    const events = [
      ': OPENROUTER PROCESSING',
      'data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[]}',
      'data: {"id":"c","created":2,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
      'data: {"id":"c","created":2,"model":"m","choices":[{"index":0,"delta":{"content":"he"},"logprobs":{"content":[{"token":"he"}]},"finish_reason":null}]}',
      'data: {"id":"c","created":2,"model":"m","choices":[{"index":0,"delta":{"content":"llo","reasoning_content":"r"},"logprobs":{"content":[{"token":"llo"}]},"finish_reason":""}]}',
      'data: {"id":"c","created":2,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":2}}',
      'data: [DONE]',
    ]
    const stream = Buffer.from(`${events.join('\r\n\r\n')}\r\n\r\n`)
    const whole = Buffer.from(tellAnswer('openai-chat', 'events', stream, WHOLE) ?? []).toString()
    expect(JSON.parse(whole)).toMatchObject({
      id: 'c',
      object: 'chat.completion',
      created: 2,
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'hello', reasoning_content: 'r' },
          logprobs: { content: [{ token: 'he' }, { token: 'llo' }] },
          finish_reason: 'stop',
        },
      ],
      usage: { total_tokens: 2 },
    })
  })

  test('members named like what every object has harm nothing (S24)', () => {
    const stream = Buffer.from(
      'data: {"__proto__":{"x":1},"id":"c","choices":[{"index":0,"delta":{"content":"a","constructor":"b"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    )
    const whole = Buffer.from(tellAnswer('openai-chat', 'events', stream, WHOLE) ?? []).toString()
    expect(JSON.parse(whole)).toMatchObject({ choices: [{ message: { content: 'a' } }] })
    expect({}).not.toHaveProperty('x')
  })

  test('what the other form cannot say is kept for its own form only', () => {
    const audio = { ...CHAT.choices[0]?.message, audio: { id: 'a', data: 'x' } }
    const answer = { ...CHAT, choices: [{ ...CHAT.choices[0], message: audio }] }
    expect(examineAnswer('openai-chat', 'json', Buffer.from(JSON.stringify(answer)))).toBe(
      'as-sent',
    )
    const kept = { form: 'json', either: false, hasUsage: true } as const
    expect([canTell('openai-chat', kept, WHOLE), canTell('openai-chat', kept, STREAM)]).toEqual([
      true,
      false,
    ])
    const untold = { form: 'events', either: true, hasUsage: false } as const
    expect([canTell('openai-chat', untold, STREAM), canTell('openai-chat', untold, WHOLE)]).toEqual(
      [true, false],
    )
  })
})

describe('F75 what is not a complete answer is broken', () => {
  const chat = JSON.stringify(CHAT)
  const stream = Buffer.from(
    tellAnswer('openai-chat', 'json', Buffer.from(chat), STREAM) ?? [],
  ).toString()

  test.each<[string, AiFormat, 'json' | 'events', string]>([
    ['nothing', 'openai-chat', 'json', ''],
    ['half of it', 'openai-chat', 'json', chat.slice(0, -10)],
    ['an error with status 200', 'openai-chat', 'json', '{"error":{"message":"no"}}'],
    ['no choices', 'openai-chat', 'json', '{"id":"c","choices":[]}'],
    ['a choice without an end', 'openai-chat', 'json', chat.replace('"stop"', 'null')],
    ['a list', 'openai-chat', 'json', `[${chat}]`],
    ['an empty stream', 'openai-chat', 'events', ''],
    ['only the terminal event', 'openai-chat', 'events', 'data: [DONE]\n\n'],
    ['no terminal event', 'openai-chat', 'events', stream.replace('data: [DONE]\n\n', '')],
    ['an end without a reason', 'openai-chat', 'events', stream.replace('"stop"', 'null')],
    ['an error event', 'openai-chat', 'events', `data: {"error":{"message":"no"}}\n\n${stream}`],
    ['an error', 'anthropic-messages', 'json', '{"type":"error","error":{"type":"x"}}'],
    ['no stop', 'anthropic-messages', 'json', JSON.stringify({ ...MESSAGE, stop_reason: null })],
    ['a failed response', 'openai-responses', 'json', '{"status":"failed","error":{},"output":[]}'],
    ['a queued response', 'openai-responses', 'json', '{"status":"queued","output":[]}'],
    ['no embeddings', 'openai-embeddings', 'json', '{"data":[]}'],
    ['no candidates', 'gemini', 'json', '{"promptFeedback":{"blockReason":"SAFETY"}}'],
  ])('%s (%s)', (_name, format, form, body) => {
    expect(examineAnswer(format, form, Buffer.from(body))).toBe('broken')
  })

  test('embeddings and Gemini’s answers are complete in their own form', () => {
    const vectors = Buffer.from('{"data":[{"index":0,"embedding":[0.1]}]}')
    expect(examineAnswer('openai-embeddings', 'json', vectors)).toBe('as-sent')
    const text = Buffer.from('{"candidates":[{"content":{},"finishReason":"STOP"}]}')
    expect(examineAnswer('gemini', 'json', text)).toBe('as-sent')
  })
})

test('usage that was not asked for is taken out, wherever the pieces of the stream are cut', () => {
  const body = Buffer.from(JSON.stringify(CHAT))
  const told = Buffer.from(tellAnswer('openai-chat', 'json', body, STREAM_WITH_USAGE) ?? [])
  const plain = Buffer.from(tellAnswer('openai-chat', 'events', told, STREAM) ?? []).toString()
  expect(told.toString()).toContain('total_tokens')
  expect(plain).not.toContain('total_tokens')
  expect(plain).toContain('🙂')
  for (const size of [1, 7, 100, 10_000]) {
    const filter = new UsageFilter()
    const parts: Uint8Array[] = []
    for (let at = 0; at < told.length; at += size)
      parts.push(filter.push(told.subarray(at, at + size)))
    parts.push(filter.end())
    expect(Buffer.concat(parts).toString()).toBe(plain)
  }
})
