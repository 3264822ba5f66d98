import http from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { countTokens, startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { at, call, eventData, jsonAt } from './api-client.ts'
import { chatBody } from './raw-client.ts'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.close())

async function chat(prompt: string, more: object = {}): Promise<unknown> {
  const answer = await call(`${simulator.url}/v1/chat/completions`, {
    body: chatBody(prompt, more),
  })
  expect(answer.status, answer.text).toBe(200)
  return JSON.parse(answer.text)
}

async function stream(prompt: string, more: object = {}): Promise<unknown[]> {
  const body = chatBody(prompt, { stream: true, ...more })
  const answer = await call(`${simulator.url}/v1/chat/completions`, { body })
  expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8')
  const data = eventData(answer.text)
  expect(data.at(-1)).toBe('[DONE]')
  return data.slice(0, -1).map((one): unknown => JSON.parse(one))
}

function text(answer: unknown, choice = 0): string {
  return String(at(answer, 'choices', choice, 'message', 'content'))
}

function text0(body: string): string {
  return text(parse(body))
}

function parse(data: string): unknown {
  return JSON.parse(data)
}

function streamedText(chunks: readonly unknown[], choice = 0): string {
  return chunks
    .filter((chunk) => at(chunk, 'choices', 0, 'index') === choice)
    .map((chunk) => at(chunk, 'choices', 0, 'delta', 'content'))
    .filter((content) => typeof content === 'string')
    .join('')
}

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        unit: { enum: ['c', 'f'] },
        nonce: { type: 'string' },
      },
    },
  },
}
const clock = { type: 'function', function: { name: 'get_time' } }

test('a completion has the shape of the OpenAI API and usage that counts its text', async () => {
  const answer = await chat('Say hello to the gate')
  expect(answer).toMatchObject({
    object: 'chat.completion',
    model: 'gpt-4.1',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        logprobs: null,
        message: { role: 'assistant', refusal: null },
      },
    ],
    usage: { prompt_tokens: 3 + 3 + countTokens('Say hello to the gate') },
  })
  const completion = countTokens(text(answer))
  expect(completion).toBeGreaterThanOrEqual(16)
  expect(at(answer, 'usage', 'completion_tokens')).toBe(completion)
  expect(at(answer, 'usage', 'total_tokens')).toBe(
    completion + Number(at(answer, 'usage', 'prompt_tokens')),
  )
})

test('the same request gets the same text, another prompt, model or seed another one', async () => {
  const first = text(await chat('the same'))
  expect(text(await chat('the same'))).toBe(first)
  expect(text(await chat('another'))).not.toBe(first)
  expect(text(await chat('the same', { model: 'gpt-5' }))).not.toBe(first)
  expect(text(await chat('the same', { seed: 7 }))).not.toBe(first)
  expect(text(await chat('the same', { seed: 7 }))).toBe(text(await chat('the same', { seed: 7 })))
})

test('a stream tells the same text as the complete answer, one token an event', async () => {
  const whole = await chat('stream me tokens:25')
  const chunks = await stream('stream me tokens:25')
  expect(streamedText(chunks)).toBe(text(whole))
  const tokens = chunks.filter(
    (chunk) =>
      at(chunk, 'choices', 0, 'delta', 'content') && !at(chunk, 'choices', 0, 'delta', 'role'),
  )
  expect(tokens).toHaveLength(25)
  expect(at(chunks[0], 'choices', 0, 'delta')).toEqual({
    role: 'assistant',
    content: '',
    refusal: null,
  })
  expect(at(chunks.at(-1), 'choices', 0)).toMatchObject({ delta: {}, finish_reason: 'stop' })
  expect(new Set(chunks.map((chunk) => at(chunk, 'id'))).size).toBe(1)
})

test('usage comes last in a stream, with null before it, and only when asked for', async () => {
  const chunks = await stream('count tokens:9', { stream_options: { include_usage: true } })
  const last = chunks.at(-1)
  expect(at(last, 'choices')).toEqual([])
  expect(at(last, 'usage', 'completion_tokens')).toBe(9)
  expect(chunks.slice(0, -1).every((chunk) => at(chunk, 'usage') === null)).toBe(true)
  const without = await stream('count tokens:9')
  expect(without.some((chunk) => at(chunk, 'usage') !== undefined)).toBe(false)
})

test('a nonce of the prompt is echoed in the text, one of the header in the text and in the answer header', async () => {
  expect(text(await chat('hello nonce:A.b-9_z and more'))).toMatch(/^nonce:A\.b-9_z /)
  expect(streamedText(await stream('hello nonce:xyz'))).toMatch(/^nonce:xyz /)
  const answer = await call(`${simulator.url}/v1/chat/completions`, {
    body: chatBody('no nonce here'),
    headers: { 'x-simulator-nonce': 'n-42' },
  })
  expect(answer.headers['x-simulator-nonce']).toBe('n-42')
  expect(String(jsonAt(answer.text, 'choices', 0, 'message', 'content'))).toMatch(/^nonce:n-42 /)
})

test('echo: answers with the rest of the prompt, in any script', async () => {
  const said = ' ประตู gate 門 👩‍👩‍👧'
  expect(text(await chat(`echo:${said}`))).toBe(said)
  expect(streamedText(await stream(`echo:${said}`))).toBe(said)
})

test('max_tokens and max_completion_tokens cut the text and say length', async () => {
  for (const limit of [
    { max_tokens: 5 },
    { max_completion_tokens: 5 },
    { max_tokens: 50, max_completion_tokens: 5 },
  ]) {
    const answer = await chat('long tokens:30', limit)
    expect(at(answer, 'choices', 0, 'finish_reason')).toBe('length')
    expect(at(answer, 'usage', 'completion_tokens')).toBe(5)
    expect(countTokens(text(answer))).toBe(5)
  }
  expect(at(await chat('long tokens:30', { max_tokens: 30 }), 'choices', 0, 'finish_reason')).toBe(
    'stop',
  )
})

test('stop ends the text before the earliest stop string', async () => {
  const answer = await chat('echo:one two three four', { stop: ['four', ' three'] })
  expect(text(answer)).toBe('one two')
  expect(at(answer, 'choices', 0, 'finish_reason')).toBe('stop')
  expect(at(answer, 'usage', 'completion_tokens')).toBe(2)
  expect(text(await chat('echo:one two', { stop: 'absent' }))).toBe('one two')
})

test('n choices differ, take turns in a stream, and are all counted', async () => {
  const answer = await chat('three of them tokens:12', { n: 3 })
  const texts = [0, 1, 2].map((choice) => text(answer, choice))
  expect(new Set(texts).size).toBe(3)
  expect(at(answer, 'usage', 'completion_tokens')).toBe(36)
  const chunks = await stream('three of them tokens:12', { n: 3 })
  expect([0, 1, 2].map((choice) => streamedText(chunks, choice))).toEqual(texts)
  expect(chunks.slice(3, 9).map((chunk) => at(chunk, 'choices', 0, 'index'))).toEqual([
    0, 1, 2, 0, 1, 2,
  ])
})

test('a tool is called when the prompt names it, with arguments that fit its schema', async () => {
  const answer = await chat('use get_weather please nonce:q1', { tools: [clock, weather] })
  expect(at(answer, 'choices', 0, 'finish_reason')).toBe('tool_calls')
  expect(at(answer, 'choices', 0, 'message', 'content')).toBeNull()
  const calls = at(answer, 'choices', 0, 'message', 'tool_calls')
  expect(calls).toMatchObject([{ type: 'function', function: { name: 'get_weather' } }])
  const input: unknown = JSON.parse(String(at(calls, 0, 'function', 'arguments')))
  expect(typeof at(input, 'city')).toBe('string')
  expect(['c', 'f']).toContain(at(input, 'unit'))
  expect(at(input, 'nonce')).toBe('q1')
})

test('streamed tool calls join to the complete ones: id and name first, then pieces of the arguments', async () => {
  const request = { tools: [clock, weather], tool_choice: 'required' }
  const prompt = 'get_weather and get_time'
  const chunks = await stream(prompt, request)
  const pieces = chunks
    .map((chunk) => at(chunk, 'choices', 0, 'delta', 'tool_calls', 0))
    .filter((piece) => piece !== undefined)
  const joined = [0, 1].map((index) =>
    pieces
      .filter((piece) => at(piece, 'index') === index)
      .map((piece) => at(piece, 'function', 'arguments'))
      .join(''),
  )
  const whole = await chat(prompt, request)
  expect(joined).toEqual(
    [0, 1].map((index) =>
      at(whole, 'choices', 0, 'message', 'tool_calls', index, 'function', 'arguments'),
    ),
  )
  expect(pieces.filter((piece) => at(piece, 'id') !== undefined)).toHaveLength(2)
  expect(at(chunks.at(-1), 'choices', 0, 'finish_reason')).toBe('tool_calls')
})

test('tool_choice: required calls, none does not, a named one ends with stop, no parallel calls when forbidden', async () => {
  const tools = [weather, clock]
  const required = await chat('hello', { tools, tool_choice: 'required' })
  expect(at(required, 'choices', 0, 'message', 'tool_calls', 0, 'function', 'name')).toBe(
    'get_weather',
  )
  const none = await chat('get_weather', { tools, tool_choice: 'none' })
  expect(at(none, 'choices', 0, 'message', 'tool_calls')).toBeUndefined()
  const named = await chat('hello', {
    tools,
    tool_choice: { type: 'function', function: { name: 'get_time' } },
  })
  expect(at(named, 'choices', 0)).toMatchObject({
    finish_reason: 'stop',
    message: { tool_calls: [{ function: { name: 'get_time' } }] },
  })
  const single = await chat('get_weather get_time', { tools, parallel_tool_calls: false })
  expect(at(single, 'choices', 0, 'message', 'tool_calls')).toHaveLength(1)
})

test('after the result of a tool the model talks again', async () => {
  const messages = [
    { role: 'user', content: 'get_weather' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
  ]
  const answer = await chat('', { messages, tools: [weather] })
  expect(at(answer, 'choices', 0, 'finish_reason')).toBe('stop')
  expect(text(answer).length).toBeGreaterThan(0)
})

test('a custom tool gets free text as its input', async () => {
  const tools = [{ type: 'custom', custom: { name: 'shell' } }]
  const answer = await chat('shell nonce:c7', { tools })
  expect(at(answer, 'choices', 0, 'message', 'tool_calls')).toMatchObject([
    { type: 'custom', custom: { name: 'shell', input: 'nonce:c7' } },
  ])
})

test('JSON mode answers a JSON object, a schema one that fits it', async () => {
  const free: unknown = JSON.parse(
    text(await chat('json please nonce:j1', { response_format: { type: 'json_object' } })),
  )
  expect(at(free, 'nonce')).toBe('j1')
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 3, maximum: 4 } },
  }
  const format = { type: 'json_schema', json_schema: { name: 'person', schema } }
  const fitted: unknown = JSON.parse(text(await chat('json please', { response_format: format })))
  expect(typeof at(fitted, 'name')).toBe('string')
  expect([3, 4]).toContain(at(fitted, 'age'))
})

test('logprobs come for every token, with the alternatives asked for', async () => {
  const answer = await chat('tokens:4', { logprobs: true, top_logprobs: 2 })
  const content = at(answer, 'choices', 0, 'logprobs', 'content')
  expect(content).toHaveLength(4)
  expect(at(content, 0, 'top_logprobs')).toHaveLength(2)
  const chunks = await stream('tokens:4', { logprobs: true })
  expect(chunks.filter((chunk) => at(chunk, 'choices', 0, 'logprobs', 'content'))).toHaveLength(4)
})

test('x-simulator-tokens and the prompt decide the length of an answer', async () => {
  const answer = await call(`${simulator.url}/v1/chat/completions`, {
    body: chatBody('hi'),
    headers: { 'x-simulator-tokens': '7' },
  })
  expect(jsonAt(answer.text, 'usage', 'completion_tokens')).toBe(7)
  expect(at(await chat('tokens:3'), 'usage', 'completion_tokens')).toBe(3)
})

test('a compressed request body is understood', async () => {
  const { gzipSync } = await import('node:zlib')
  const answer = await call(`${simulator.url}/v1/chat/completions`, {
    body: gzipSync(chatBody('tokens:3')),
    headers: { 'content-encoding': 'gzip' },
  })
  expect(jsonAt(answer.text, 'usage', 'completion_tokens')).toBe(3)
})

test('answers carry a request id, the rate limit fields and a date', async () => {
  const answer = await call(`${simulator.url}/v1/chat/completions`, { body: chatBody('hi') })
  expect(answer.headers['x-request-id']).toMatch(/^req_sim/)
  expect(answer.headers['x-ratelimit-limit-requests']).toBe('10000')
  expect(Date.parse(answer.headers.date ?? '')).toBeGreaterThan(0)
})

test('two simulators with one seed answer a sequence byte for byte alike', async () => {
  const [one, two] = await Promise.all([startSimulator({ seed: 5 }), startSimulator({ seed: 5 })])
  const run = async (url: string): Promise<string[]> => {
    const texts: string[] = []
    for (const prompt of ['a', 'b', 'a'])
      texts.push((await call(`${url}/v1/chat/completions`, { body: chatBody(prompt) })).text)
    return texts
  }
  expect(await run(one.url)).toEqual(await run(two.url))
  await Promise.all([one.close(), two.close()])
})

test('F80 nonces never cross between requests that share connections, some of them aborted', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
  const url = `${simulator.url}/v1/chat/completions`
  const one = async (index: number): Promise<'right' | 'wrong' | 'aborted'> => {
    const signal = index % 10 === 0 ? AbortSignal.timeout(1 + (index % 7)) : undefined
    const headers = {
      'x-simulator-nonce': `n${index}`,
      'x-simulator-fault': `delay=${index % 9}ms`,
    }
    const body = chatBody('hi', { stream: index % 2 === 0 })
    const options = { agent, headers, body, ...(signal === undefined ? {} : { signal }) }
    const answer = await call(url, options).catch(() => undefined)
    if (answer === undefined) return 'aborted'
    const text =
      index % 2 === 0
        ? streamedText(eventData(answer.text).slice(0, -1).map(parse))
        : text0(answer.text)
    return text.startsWith(`nonce:n${index} `) &&
      answer.headers['x-simulator-nonce'] === `n${index}`
      ? 'right'
      : 'wrong'
  }
  const outcomes = await Promise.all(Array.from({ length: 600 }, (_, index) => one(index)))
  agent.destroy()
  expect(outcomes.filter((outcome) => outcome === 'wrong')).toEqual([])
  expect(outcomes.filter((outcome) => outcome === 'right').length).toBeGreaterThan(500)
  expect(outcomes.filter((outcome) => outcome === 'aborted').length).toBeGreaterThan(0)
})
