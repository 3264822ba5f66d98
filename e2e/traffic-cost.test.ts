/** What calls cost, from the provider's answer to the header, the metrics and the log line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { chat, givenAiGateway, givenGateway, type GivenGateway } from './gateway.ts'

const CONFIGURATION = `_format_version: "3.0"
services:
- name: openai
  url: https://api.openai.com/
  routes: [{paths: [/openai]}]
  ai_format: openai-chat
- name: completions
  url: https://api.openai.com/
  routes: [{paths: [/completions]}]
  ai_format: openai-completions
- name: responses
  url: https://api.openai.com/
  routes: [{paths: [/responses]}]
  ai_format: openai-responses
- name: embeddings
  url: https://api.openai.com/
  routes: [{paths: [/embeddings]}]
  ai_format: openai-embeddings
- name: anthropic
  url: https://api.anthropic.com/
  routes: [{paths: [/anthropic]}]
  ai_format: anthropic-messages
- name: gemini
  url: https://generativelanguage.googleapis.com/
  routes: [{paths: [/gemini]}]
  ai_format: gemini
consumers:
- username: alice
  keyauth_credentials: [{key: key-of-alice}]
plugins:
- name: key-auth
  config: {key_names: [x-key]}
- name: prometheus
  config: {per_consumer: true}
`

interface Call {
  readonly service: string
  readonly path: string
  readonly model: string | undefined
  /** What the provider answers: one body, or the events of a stream. */
  readonly answer: object | readonly (object | string)[]
  /** Whole nano-dollars. */
  readonly cost: number | undefined
}

const chatUsage = {
  prompt_tokens: 1000,
  completion_tokens: 300,
  total_tokens: 1300,
  prompt_tokens_details: { cached_tokens: 400 },
  completion_tokens_details: { reasoning_tokens: 100 },
}
// GPT-4.1: $2, cached $0.50, output $8.
const CHAT_COST = 600 * 2000 + 400 * 500 + 300 * 8000

const messagesUsage = {
  input_tokens: 100,
  cache_read_input_tokens: 1000,
  cache_creation_input_tokens: 50,
  cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
  output_tokens: 200,
}
// Claude Sonnet 4.5: $3, cached $0.30, written $3.75 and $6, output $15.
const MESSAGES_COST = 100 * 3000 + 1000 * 300 + 20 * 3750 + 30 * 6000 + 200 * 15_000

const geminiUsage = {
  promptTokenCount: 1000,
  cachedContentTokenCount: 200,
  candidatesTokenCount: 10,
  thoughtsTokenCount: 90,
}
// Gemini 2.5 Pro: $1.25, cached $0.125, output and thoughts $10.
const GEMINI_COST = 800 * 1250 + 200 * 125 + 100 * 10_000

const CALLS = {
  'chat completions': {
    service: 'openai',
    path: '/openai/v1/chat/completions',
    model: 'gpt-4.1',
    answer: { model: 'gpt-4.1-2025-04-14', choices: [], usage: chatUsage },
    cost: CHAT_COST,
  },
  'chat completions, streamed': {
    service: 'openai',
    path: '/openai/v1/chat/completions',
    model: 'gpt-4.1',
    answer: [
      { model: 'gpt-4.1-2025-04-14', choices: [{ index: 0, delta: { content: 'hi' } }] },
      { model: 'gpt-4.1-2025-04-14', choices: [], usage: chatUsage },
      '[DONE]',
    ],
    cost: CHAT_COST,
  },
  completions: {
    service: 'completions',
    path: '/completions/v1/completions',
    model: 'gpt-3.5-turbo-instruct',
    answer: { choices: [{ text: 'hi' }], usage: { prompt_tokens: 10, completion_tokens: 10 } },
    cost: 10 * 1500 + 10 * 2000,
  },
  responses: {
    service: 'responses',
    path: '/responses/v1/responses',
    model: 'gpt-4.1',
    answer: {
      object: 'response',
      model: 'gpt-4.1',
      usage: { input_tokens: 100, input_tokens_details: { cached_tokens: 50 }, output_tokens: 7 },
    },
    cost: 50 * 2000 + 50 * 500 + 7 * 8000,
  },
  'responses, streamed': {
    service: 'responses',
    path: '/responses/v1/responses',
    model: 'gpt-4.1',
    answer: [
      { type: 'response.created', response: { model: 'gpt-4.1' } },
      { type: 'response.output_text.delta', delta: 'hi' },
      {
        type: 'response.completed',
        response: { model: 'gpt-4.1', usage: { input_tokens: 100, output_tokens: 7 } },
      },
    ],
    cost: 100 * 2000 + 7 * 8000,
  },
  embeddings: {
    service: 'embeddings',
    path: '/embeddings/v1/embeddings',
    model: 'text-embedding-3-small',
    answer: { object: 'list', data: [], usage: { prompt_tokens: 1234, total_tokens: 1234 } },
    cost: 1234 * 20,
  },
  messages: {
    service: 'anthropic',
    path: '/anthropic/v1/messages',
    model: 'claude-sonnet-4-5-20250929',
    answer: { type: 'message', content: [], usage: messagesUsage },
    cost: MESSAGES_COST,
  },
  'messages, streamed': {
    service: 'anthropic',
    path: '/anthropic/v1/messages',
    model: 'claude-sonnet-4-5-20250929',
    answer: [
      { type: 'message_start', message: { usage: { ...messagesUsage, output_tokens: 1 } } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } },
      { type: 'message_delta', delta: {}, usage: { output_tokens: 200 } },
      { type: 'message_stop' },
    ],
    cost: MESSAGES_COST,
  },
  'Gemini, which names its model in the path': {
    service: 'gemini',
    path: '/gemini/v1beta/models/gemini-2.5-pro:generateContent',
    model: undefined,
    answer: { candidates: [], usageMetadata: geminiUsage, modelVersion: 'gemini-2.5-pro' },
    cost: GEMINI_COST,
  },
  'Gemini, streamed': {
    service: 'gemini',
    path: '/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse',
    model: undefined,
    answer: [
      {
        candidates: [{ content: { parts: [{ text: 'hi' }] }, finishReason: 'STOP' }],
        usageMetadata: geminiUsage,
      },
    ],
    cost: GEMINI_COST,
  },
  'a name of our own, which the answer tells to be a known model': {
    service: 'openai',
    path: '/openai/v1/chat/completions',
    model: 'our-alias',
    answer: { model: 'gpt-4.1-2025-04-14', choices: [], usage: chatUsage },
    cost: CHAT_COST,
  },
  'a model without a price': {
    service: 'openai',
    path: '/openai/v1/chat/completions',
    model: 'unheard-of',
    answer: { model: 'unheard-of', choices: [], usage: chatUsage },
    cost: undefined,
  },
} satisfies Readonly<Record<string, Call>>

let answering: Call['answer'] = {}

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on('end', () => {
    if (!Array.isArray(answering)) {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answering))
      return
    }
    response.setHeader('content-type', 'text/event-stream')
    for (const event of answering) {
      response.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    }
    response.end()
  })
}

const provider = createServer(answer)
const folder = mkdtempSync(join(tmpdir(), 'pratu-cost-'))
const log = join(folder, 'access.log')
let given: GivenGateway

beforeAll(async () => {
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const address = provider.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const origins = ['api.openai.com', 'api.anthropic.com', 'generativelanguage.googleapis.com']
  given = await givenGateway({
    configuration: CONFIGURATION,
    environment: {
      PRATU_UPSTREAM_OVERRIDES: origins
        .map((host) => `https://${host}=http://127.0.0.1:${port}`)
        .join(','),
      PRATU_PROXY_ACCESS_LOG: log,
    },
  })
})

afterAll(async () => {
  await given[Symbol.asyncDispose]()
  await new Promise((resolve) => {
    provider.close(resolve)
    provider.closeAllConnections()
  })
  rmSync(folder, { recursive: true })
})

function send({ path, model }: Call, headers: Readonly<Record<string, string>> = {}) {
  return fetch(`${given.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-key': 'key-of-alice', ...headers },
    body: JSON.stringify(model === undefined ? { contents: [] } : { model, messages: [] }),
  })
}

/** The `ai` member of the log line of one request. */
async function logged(requestId: string): Promise<Record<string, unknown>> {
  const line = await vi.waitFor(() => {
    const found = readFileSync(log, 'utf8')
      .split('\n')
      .find((one) => one.includes(requestId))
    if (found === undefined) throw new Error(`no line of ${requestId} yet`)
    return found
  })
  const entry = JSON.parse(line) as { ai: Record<string, unknown> }
  return entry.ai
}

async function costDollars(labels: string): Promise<number> {
  const metrics = await (await fetch(`${given.adminUrl}/metrics`)).text()
  const line = metrics
    .split('\n')
    .find((one) => one.startsWith('pratu_llm_cost_dollars_total{') && one.includes(labels))
  return Number(line?.split(' ').at(-1) ?? 0)
}

describe('every format is priced from what the provider says it used', () => {
  test.each(Object.entries<Call>(CALLS))('%s', async (_name, call) => {
    answering = call.answer
    const response = await send(call)
    await response.text()
    expect(response.status).toBe(200)
    const ai = await logged(response.headers.get('x-kong-request-id') ?? '')
    expect(ai['cost_dollars']).toBe(call.cost === undefined ? undefined : call.cost / 1e9)
    expect(ai['priced']).toBe(call.cost !== undefined)
  })
})

describe('who asks is told', () => {
  const call = CALLS['chat completions']

  test('the cost of a whole answer, exactly', async () => {
    answering = call.answer
    const response = await send(call, { 'x-pratu-cost': '1' })
    expect(response.headers.get('x-pratu-cost')).toBe('0.0038')
  })

  test('that there is no price', async () => {
    const unknown = CALLS['a model without a price']
    answering = unknown.answer
    const response = await send(unknown, { 'x-pratu-cost': '1' })
    expect(response.headers.get('x-pratu-cost')).toBe('unpriced')
  })

  test('nobody else is', async () => {
    answering = call.answer
    expect((await send(call)).headers.has('x-pratu-cost')).toBe(false)
  })

  test('that it is an estimate, when the provider does not tell the usage', async () => {
    answering = { choices: [{ message: { content: 'hello' } }] }
    const response = await send(call, { 'x-pratu-cost': '1' })
    expect(response.headers.get('x-pratu-cost')).toMatch(/^0\.\d+; estimated$/)
  })

  test('a stream cannot tell in its head what it will cost', async () => {
    const streamed = CALLS['chat completions, streamed']
    answering = streamed.answer
    const response = await send(streamed, { 'x-pratu-cost': '1' })
    await response.text()
    expect(response.headers.has('x-pratu-cost')).toBe(false)
  })
})

test('metrics add up by service, provider, model and consumer; what has no price adds nothing', async () => {
  const labels = 'service="embeddings",provider="api.openai.com",model="text-embedding-3-small"'
  const before = await costDollars(labels)
  const call = CALLS['embeddings']
  answering = call.answer
  for (let i = 0; i < 10; i++) await (await send(call)).text()
  const after = await costDollars(`${labels},consumer="alice"`)
  expect(after - before).toBeCloseTo((10 * call.cost) / 1e9, 12)
  const metrics = await (await fetch(`${given.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(
    /pratu_llm_unpriced_total\{service="openai"[^}]*model="unheard-of"\} [1-9]/,
  )
  expect(metrics).not.toMatch(/pratu_llm_cost_dollars_total\{[^}]*unheard-of/)
})

test('the simulator at a host of its own is priced by the name of the model', async () => {
  await using own = await givenAiGateway()
  const response = await fetch(
    `${own.url}/v1/chat/completions`,
    chat({ model: 'gpt-4.1' }, { 'x-pratu-cost': '1' }),
  )
  const { usage } = (await response.json()) as {
    usage: { prompt_tokens: number; completion_tokens: number }
  }
  const nano = usage.prompt_tokens * 2000 + usage.completion_tokens * 8000
  expect(Number(response.headers.get('x-pratu-cost'))).toBe(nano / 1e9)
})
