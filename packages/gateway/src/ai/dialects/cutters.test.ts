import { describe, expect, test } from 'vitest'
import type { AiFormat } from '../../config/index.ts'
import { NO_USAGE, type Usage } from '../usage/index.ts'
import { DIALECTS, type CutOptions, type StreamCutter } from './index.ts'

const USAGE: Usage = {
  ...NO_USAGE,
  inputUncached: 9,
  outputText: 4,
  reasoning: 1,
  source: 'estimated',
}

function following(
  format: AiFormat,
  events: readonly unknown[],
  options: Partial<CutOptions> = {},
): StreamCutter {
  const cutter = DIALECTS[format].openCutter({ choices: 1, includeUsage: false, ...options })
  for (const event of events) {
    cutter.read(Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)))
  }
  return cutter
}

/** Follows the end that a cutter writes with the reader of the same format: it must take it for a complete stream. */
function readBack(format: AiFormat, stream: string): { state: string; usage: unknown } {
  const reader = DIALECTS[format].openStream()
  for (const event of stream.split(/(?:\r?\n){2}/)) {
    const data = event.split(/\r?\n/).find((line) => line.startsWith('data: '))
    if (data !== undefined) reader.read(Buffer.from(data.slice(6)))
  }
  return { state: reader.state, usage: reader.usage }
}

const CHUNK = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm' }
const delta = (index: number, finish_reason: string | null = null): object => ({
  ...CHUNK,
  choices: [{ index, delta: { content: 'a' }, finish_reason }],
})

describe('chat completions', () => {
  test('Azure’s first chunk, which names nothing, is not taken for the envelope', () => {
    const azure = {
      id: '',
      object: '',
      created: 0,
      model: '',
      choices: [],
      prompt_filter_results: [],
    }
    const cutter = following('openai-chat', [azure])
    expect(cutter.ready).toBe(false)
    cutter.read(Buffer.from(JSON.stringify(delta(0))))
    expect(cutter.end(USAGE)).toBe(
      'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n',
    )
  })

  test('only choices that are open are ended', () => {
    const cutter = following('openai-chat', [delta(0), delta(1), delta(0, 'stop')], { choices: 2 })
    expect(cutter.end(USAGE)).not.toContain('"index":0')
    expect(cutter.end(USAGE)).toContain('"index":1')
    cutter.read(Buffer.from(JSON.stringify(delta(1, 'stop'))))
    expect(cutter.ready).toBe(false)
  })

  test('a reason in a text is only text', () => {
    const said = { ...CHUNK, choices: [{ index: 0, delta: { content: '"finish_reason":"stop"' } }] }
    expect(following('openai-chat', [said]).ready).toBe(true)
  })

  test('legacy completions have text', () => {
    const chunk = { id: 'c', object: 'text_completion', choices: [{ index: 0, text: 'a' }] }
    const end = following('openai-completions', [chunk]).end(USAGE)
    expect(end).toContain('{"index":0,"text":"","logprobs":null,"finish_reason":"length"}')
  })
})

test.each<[AiFormat, readonly unknown[]]>([
  ['openai-chat', [delta(0)]],
  ['openai-completions', [{ id: 'c', choices: [{ index: 0, text: 'a' }] }]],
  ['anthropic-messages', [{ type: 'message_start', message: {} }]],
  [
    'anthropic-messages',
    [
      { type: 'message_start', message: {} },
      { type: 'content_block_start', index: 3 },
    ],
  ],
  ['openai-responses', [{ type: 'response.created', response: { id: 'r' } }]],
  ['gemini', [{ candidates: [{}], modelVersion: 'g' }]],
])('%s: its own reader takes the end for complete, with the usage', (format, events) => {
  const cutter = following(format, events, { includeUsage: true })
  expect(cutter.ready).toBe(true)
  expect(readBack(format, cutter.end(USAGE))).toMatchObject({
    state: 'complete',
    usage: { inputUncached: 9 },
  })
})

test.each<[AiFormat, readonly unknown[]]>([
  ['openai-chat', []],
  ['openai-chat', ['no json']],
  ['anthropic-messages', []],
  ['anthropic-messages', [{ type: 'message_start' }, { type: 'message_delta' }]],
  ['openai-responses', [{ type: 'response.in_progress' }]],
  [
    'openai-responses',
    [{ type: 'response.created', response: {} }, { type: 'response.completed' }],
  ],
  ['gemini', []],
  ['gemini', [{ candidates: [{ finishReason: 'STOP' }] }]],
])('%s: before it began and after it ended there is nothing to end', (format, events) => {
  expect(following(format, events).ready).toBe(false)
})

test('responses: items that are complete stay as they are, an open call keeps its arguments', () => {
  const cutter = following('openai-responses', [
    { type: 'response.created', response: { id: 'r' }, sequence_number: 0 },
    { type: 'response.output_item.added', output_index: 0, item: { id: 'rs', type: 'reasoning' } },
    {
      type: 'response.reasoning_summary_text.delta',
      output_index: 0,
      summary_index: 0,
      delta: 'hm',
    },
    {
      type: 'response.output_item.done',
      output_index: 0,
      item: { id: 'rs', summary: ['hm'], status: 'completed' },
    },
    {
      type: 'response.output_item.added',
      output_index: 1,
      item: { id: 'fc', type: 'function_call', arguments: '' },
    },
    {
      type: 'response.function_call_arguments.delta',
      output_index: 1,
      delta: '{"a"',
      sequence_number: 9,
    },
  ])
  const [done, incomplete] = cutter
    .end(USAGE)
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => JSON.parse(event.split('data: ')[1] ?? '') as Record<string, unknown>)
  const call = { id: 'fc', type: 'function_call', arguments: '{"a"', status: 'incomplete' }
  expect(done).toEqual({
    type: 'response.output_item.done',
    sequence_number: 10,
    output_index: 1,
    item: call,
  })
  expect(incomplete).toMatchObject({
    sequence_number: 11,
    response: { output: [{ id: 'rs', summary: ['hm'], status: 'completed' }, call] },
  })
})
