import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startSimulator } from '../src/index.ts'
import type { Simulator } from '../src/index.ts'
import { at, call, jsonAt } from './api-client.ts'
import type { ApiAnswer } from './api-client.ts'
import { chatBody } from './raw-client.ts'

let simulator: Simulator
let strict: Simulator

beforeAll(async () => {
  simulator = await startSimulator()
  strict = await startSimulator({
    apiKeys: ['sk-good', 'sk-other'],
    strictModels: true,
    models: ['only', 'org/one'],
  })
})
afterAll(() => Promise.all([simulator.close(), strict.close()]))

function embed(body: object): Promise<ApiAnswer> {
  return call(`${simulator.url}/v1/embeddings`, {
    body: JSON.stringify({ model: 'text-embedding-3-small', ...body }),
  })
}

describe('embeddings', () => {
  test('a vector of length 1 for each input, the same for the same text', async () => {
    const answer = await embed({ input: ['alpha', 'beta', 'alpha'], dimensions: 8 })
    const vectors = [0, 1, 2].map((index) => jsonAt(answer.text, 'data', index, 'embedding'))
    expect(vectors[0]).toEqual(vectors[2])
    expect(vectors[0]).not.toEqual(vectors[1])
    const [first] = vectors
    const values = Array.isArray(first) ? first.map(Number) : []
    expect(values).toHaveLength(8)
    expect(values.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5)
    expect(jsonAt(answer.text, 'usage')).toEqual({ prompt_tokens: 3, total_tokens: 3 })
  })

  test('base64 carries the same float32 values, little-endian', async () => {
    const floats = jsonAt(
      (await embed({ input: 'alpha', dimensions: 16 })).text,
      'data',
      0,
      'embedding',
    )
    const base64 = jsonAt(
      (await embed({ input: 'alpha', dimensions: 16, encoding_format: 'base64' })).text,
      'data',
      0,
      'embedding',
    )
    const bytes = Buffer.from(String(base64), 'base64')
    const decoded = Array.from({ length: 16 }, (_, index) => bytes.readFloatLE(index * 4))
    expect(decoded).toEqual(floats)
  })

  test('tokens are taken as input, singly and in lists', async () => {
    expect(jsonAt((await embed({ input: [1, 2, 3] })).text, 'usage', 'prompt_tokens')).toBe(3)
    const many = await embed({ input: [[1, 2], [3]], dimensions: 4 })
    expect(jsonAt(many.text, 'data')).toHaveLength(2)
  })

  test.each([
    ['no input', {}, 'input', 'missing_required_parameter'],
    ['an empty string', { input: '' }, 'input', 'invalid_value'],
    ['an empty list', { input: [] }, 'input', 'invalid_value'],
    ['a number', { input: 5 }, 'input', 'invalid_type'],
    ['a fraction among tokens', { input: [1, 1.5] }, 'input', 'invalid_type'],
    [
      'too many dimensions',
      { input: 'a', dimensions: 1e6 },
      'dimensions',
      'integer_above_max_value',
    ],
    [
      'an unknown format',
      { input: 'a', encoding_format: 'hex' },
      'encoding_format',
      'invalid_value',
    ],
  ])('%s is refused with the parameter named', async (_name, body, param, code) => {
    const answer = await embed(body)
    expect(answer.status).toBe(400)
    expect(jsonAt(answer.text, 'error')).toMatchObject({
      param,
      code,
      type: 'invalid_request_error',
    })
  })
})

describe('models', () => {
  test('the list and each of its models can be read, ids with a slash percent-encoded', async () => {
    const list = await call(`${simulator.url}/v1/models`)
    expect(jsonAt(list.text, 'object')).toBe('list')
    const id = String(jsonAt(list.text, 'data', 0, 'id'))
    expect(jsonAt((await call(`${simulator.url}/v1/models/${id}`)).text)).toMatchObject({
      id,
      object: 'model',
      owned_by: 'simulator',
    })
    const headers = { authorization: 'Bearer sk-good' }
    const slashed = await call(`${strict.url}/v1/models/org%2Fone`, { headers })
    expect(jsonAt(slashed.text, 'id')).toBe('org/one')
  })

  test('an unknown model is 404 model_not_found', async () => {
    const answer = await call(`${simulator.url}/v1/models/nobody`)
    expect(answer.status).toBe(404)
    expect(jsonAt(answer.text, 'error', 'code')).toBe('model_not_found')
  })

  test('strictModels refuses to chat with models that are not listed', async () => {
    const headers = { authorization: 'Bearer sk-other' }
    const url = `${strict.url}/v1/chat/completions`
    expect((await call(url, { headers, body: chatBody('hi') })).status).toBe(404)
    expect((await call(url, { headers, body: chatBody('hi', { model: 'only' }) })).status).toBe(200)
  })
})

describe('errors have the shape of the OpenAI API', () => {
  const message = { role: 'user', content: 'hi' }
  test.each<[string, unknown, string | null, string | null]>([
    ['a list as body', [], null, null],
    ['no model', { messages: [message] }, 'model', 'missing_required_parameter'],
    ['a model that is a number', { model: 1, messages: [message] }, 'model', 'invalid_type'],
    ['no messages', { model: 'm' }, 'messages', 'missing_required_parameter'],
    ['messages that are no list', { model: 'm', messages: 'hi' }, 'messages', 'invalid_type'],
    ['no message at all', { model: 'm', messages: [] }, 'messages', 'empty_array'],
    ['a message that is a string', { model: 'm', messages: ['hi'] }, 'messages[0]', 'invalid_type'],
    [
      'an unknown role',
      { model: 'm', messages: [{ role: 'boss', content: '' }] },
      'messages[0].role',
      'invalid_value',
    ],
    [
      'a user message without content',
      { model: 'm', messages: [{ role: 'user' }] },
      'messages[0].content',
      'missing_required_parameter',
    ],
    [
      'an unknown part',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'messages[0].content[0].type',
      'invalid_value',
    ],
    [
      'a tool result without its call',
      { model: 'm', messages: [{ role: 'tool', content: 'x' }] },
      'messages[0].tool_call_id',
      'missing_required_parameter',
    ],
    [
      'a temperature in words',
      { model: 'm', messages: [message], temperature: 'hot' },
      'temperature',
      'invalid_type',
    ],
    [
      'a temperature above 2',
      { model: 'm', messages: [message], temperature: 3 },
      'temperature',
      'decimal_above_max_value',
    ],
    [
      'half a token',
      { model: 'm', messages: [message], max_tokens: 1.5 },
      'max_tokens',
      'invalid_type',
    ],
    [
      'no tokens',
      { model: 'm', messages: [message], max_tokens: 0 },
      'max_tokens',
      'integer_below_min_value',
    ],
    ['n above 128', { model: 'm', messages: [message], n: 129 }, 'n', 'integer_above_max_value'],
    [
      'five stops',
      { model: 'm', messages: [message], stop: ['a', 'b', 'c', 'd', 'e'] },
      'stop',
      'array_above_max_length',
    ],
    [
      'a stop that is a number',
      { model: 'm', messages: [message], stop: 1 },
      'stop',
      'invalid_type',
    ],
    [
      'stream in words',
      { model: 'm', messages: [message], stream: 'yes' },
      'stream',
      'invalid_type',
    ],
    [
      'stream_options without stream',
      { model: 'm', messages: [message], stream_options: {} },
      'stream_options',
      null,
    ],
    [
      'a tool without a name',
      { model: 'm', messages: [message], tools: [{ type: 'function', function: {} }] },
      'tools[0].function.name',
      'missing_required_parameter',
    ],
    [
      'tool_choice without tools',
      { model: 'm', messages: [message], tool_choice: 'auto' },
      'tool_choice',
      null,
    ],
    [
      'tool_choice of an unknown tool',
      {
        model: 'm',
        messages: [message],
        tools: [{ type: 'function', function: { name: 'f' } }],
        tool_choice: { type: 'function', function: { name: 'g' } },
      },
      'tool_choice',
      'invalid_value',
    ],
    [
      'a schema format without a schema',
      { model: 'm', messages: [message], response_format: { type: 'json_schema' } },
      'response_format.json_schema',
      'missing_required_parameter',
    ],
    [
      'top_logprobs without logprobs',
      { model: 'm', messages: [message], top_logprobs: 2 },
      'top_logprobs',
      null,
    ],
  ])('%s: 400', async (_name, body, param, code) => {
    const answer = await call(`${simulator.url}/v1/chat/completions`, {
      body: JSON.stringify(body),
    })
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(jsonAt(answer.text, 'error')).toMatchObject({
      param,
      code,
      type: 'invalid_request_error',
    })
    expect(String(jsonAt(answer.text, 'error', 'message'))).not.toBe('')
  })

  test('a body that is not JSON, and none at all, are 400 and say so', async () => {
    for (const body of ['{"model":', '']) {
      const answer = await call(`${simulator.url}/v1/chat/completions`, { method: 'POST', body })
      expect(answer.status).toBe(400)
      expect(String(jsonAt(answer.text, 'error', 'message'))).toMatch(/JSON/)
    }
  })

  test('an unknown path is 404, a wrong method 405, a doubled path is no other', async () => {
    const paths = [
      '/v1/nothing',
      '/',
      '/chat/completions',
      '/v1/chat/completions/v1/chat/completions',
      '/v1/chat/completions/',
    ]
    for (const path of paths) {
      const answer = await call(`${simulator.url}${path}`, { body: chatBody('hi') })
      expect(answer.status, path).toBe(404)
      expect(jsonAt(answer.text, 'error', 'message')).toBe(`Invalid URL (POST ${path})`)
    }
    expect((await call(`${simulator.url}/v1/chat/completions`)).status).toBe(405)
  })

  test('with keys required, none or a wrong one is 401', async () => {
    const url = `${strict.url}/v1/models`
    const none = await call(url)
    expect([none.status, jsonAt(none.text, 'error', 'code')]).toEqual([401, null])
    const wrong = await call(url, { headers: { authorization: 'Bearer sk-bad' } })
    expect([wrong.status, jsonAt(wrong.text, 'error', 'code')]).toEqual([401, 'invalid_api_key'])
    expect((await call(url, { headers: { authorization: 'Basic sk-good' } })).status).toBe(401)
    expect((await call(url, { headers: { authorization: 'Bearer sk-good' } })).status).toBe(200)
  })

  test('HEAD is answered without a body', async () => {
    const answer = await call(`${simulator.url}/v1/models`, { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([405, ''])
    expect(at(answer.headers, 'content-length')).not.toBe('0')
  })
})
