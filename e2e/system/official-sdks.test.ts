/** The official client libraries through the real program: what they return, what they throw, how often they try. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { startSimulator, type Simulator } from '@pratu/simulator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scrape, sumOf } from '../metrics-text.ts'
import { startPratu, type PratuProcess } from '../pratu-process.ts'

const KEY = 'sdk-caller-key'
const PACKAGES: Readonly<Record<string, string>> = {
  openai6: 'npm:openai@6.49.0',
  openai7: 'npm:openai@7.57.0',
  anthropic: 'npm:@anthropic-ai/sdk@1.12.0',
}

// The part of the libraries that is used here.
interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly maxRetries?: number
}
interface ClientOptions {
  readonly baseURL: string
  readonly apiKey: string
  readonly maxRetries?: number
}
interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null } }[]
}
interface Completion {
  readonly _request_id?: string | null
  readonly choices: readonly { readonly message: { readonly content: string } }[]
  readonly usage: { readonly completion_tokens: number }
}
interface OpenAiClient {
  readonly chat: {
    readonly completions: {
      create(
        body: { readonly stream: true } & object,
        options?: RequestOptions,
      ): Promise<AsyncIterable<Chunk>>
      create(body: object, options?: RequestOptions): Promise<Completion>
    }
  }
  readonly embeddings: {
    create(
      body: object,
    ): Promise<{ readonly data: readonly { readonly embedding: readonly number[] }[] }>
  }
  readonly models: { list(): Promise<{ readonly data: readonly { readonly id: string }[] }> }
}
interface ClaudeMessage {
  readonly content: readonly { readonly text: string }[]
}
interface AnthropicClient {
  readonly messages: {
    create(
      body: { readonly stream: true } & object,
      options?: RequestOptions,
    ): Promise<AsyncIterable<{ readonly type: string }>>
    create(body: object, options?: RequestOptions): Promise<ClaudeMessage>
    stream(body: object): { finalMessage(): Promise<ClaudeMessage> }
  }
}
interface Library<Client> {
  readonly default: new (options: ClientOptions) => Client
}

let folder: string
let simulator: Simulator
let claude: Server
let pratu: PratuProcess

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratu-sdks-'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, dependencies: PACKAGES }),
  )
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await promisify(execFile)('npm', install, { cwd: folder })
  simulator = await startSimulator()
  claude = createServer((request, response) => answerAsClaude(request.headers, response))
  claude.listen(0, '127.0.0.1')
  await once(claude, 'listening')
  const { port } = claude.address() as AddressInfo
  pratu = await startPratu({
    configuration: `_format_version: "3.0"
providers:
- {name: p, kind: openai, api_key: provider-key}
services:
- {name: chat, url: "${simulator.url}/v1/chat/completions", read_timeout: 1000, routes: [{name: chat, paths: [/v1/chat/completions], strip_path: false}]}
- {name: paid, provider: p, url: "${simulator.url}/v1/chat/completions", routes: [{name: paid, paths: [/paid/v1/chat/completions]}]}
- {name: slow, url: "${simulator.url}/v1/chat/completions", routes: [{name: slow, paths: [/slow/v1/chat/completions]}], plugins: [{name: rate-limiting, config: {second: 1, policy: local}}]}
- {name: budget, url: "${simulator.url}/v1/chat/completions", routes: [{name: budget, paths: [/budget/v1/chat/completions]}], plugins: [{name: ai-limits, config: {limits: [{name: spent, quantity: cost, limit: "0.000001", window: month, by: everything}, {name: single, quantity: requests, limit: 1, window: second, by: everything, models: [limited]}]}}]}
- {name: cached, url: "${simulator.url}/v1/chat/completions", routes: [{name: cached, paths: [/cached/v1/chat/completions]}], plugins: [{name: proxy-cache, config: {strategy: memory, request_method: [POST]}}]}
- {name: embeddings, url: "${simulator.url}/v1/embeddings", routes: [{name: embeddings, paths: [/v1/embeddings], strip_path: false}]}
- {name: models, url: "${simulator.url}/v1/models", routes: [{name: models, paths: [/v1/models]}]}
- {name: messages, url: "http://127.0.0.1:${port}/v1/messages", read_timeout: 1000, routes: [{name: messages, paths: [/v1/messages], strip_path: false}]}
plugins:
- {name: key-auth}
consumers:
- {username: sdk, keyauth_credentials: [{key: ${KEY}}]}
`,
  })
}, 120_000)

afterAll(async () => {
  await pratu.stop()
  await simulator.close()
  claude.closeAllConnections()
  claude.close()
  rmSync(folder, { recursive: true, force: true })
})

async function load<Client>(name: string): Promise<Library<Client>> {
  const path = createRequire(join(folder, 'package.json')).resolve(name)
  return (await import(pathToFileURL(path).href)) as Library<Client>
}

async function openai(
  name: string,
  options: Partial<ClientOptions> & { base?: string } = {},
): Promise<OpenAiClient> {
  const { default: OpenAI } = await load<OpenAiClient>(name)
  const { base = '/v1', ...rest } = options
  return new OpenAI({ baseURL: pratu.proxyUrl + base, apiKey: KEY, ...rest })
}

const prompt = (content: string): object => ({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content }],
})
const withFault = (fault: string): RequestOptions => ({ headers: { 'x-simulator-fault': fault } })

async function textOf(stream: AsyncIterable<Chunk>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  return text
}

/** What a promise was rejected with. @throws {Error} when it was not. */
async function rejection(promise: Promise<unknown>): Promise<Record<string, unknown> & Error> {
  try {
    await promise
  } catch (error) {
    return error as Record<string, unknown> & Error
  }
  throw new Error('it succeeded')
}

describe.each(['openai6', 'openai7'])('%s', (name) => {
  test('a completion, its usage and the request id', async () => {
    const client = await openai(name)
    const answer = await client.chat.completions.create(prompt('echo:hello through the gate'))
    expect(answer.choices[0]?.message.content).toBe('hello through the gate')
    expect(answer.usage.completion_tokens).toBeGreaterThan(0)
    expect(answer._request_id).toBeTruthy()
  })

  test('a stream, token by token, to its end', async () => {
    const client = await openai(name)
    const stream = await client.chat.completions.create({
      ...prompt('echo:hello through the gate'),
      stream: true,
    })
    expect(await textOf(stream)).toBe('hello through the gate')
  })

  test('a stream from the cache, replayed or told from an answer, is like one from the provider', async () => {
    const client = await openai(name, { base: '/cached/v1' })
    const chunks = async (body: object): Promise<readonly Chunk[]> => {
      const found: Chunk[] = []
      for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
        found.push(chunk)
      return found
    }
    const streamed = { ...prompt(`echo:kept as a stream, ${name}`), temperature: 0 }
    expect(await chunks(streamed)).toEqual(await chunks(streamed))
    const whole = { ...prompt(`echo:kept as an answer, ${name}`), temperature: 0 }
    const answer = await client.chat.completions.create(whole)
    const told = await chunks(whole)
    const text = told.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
    expect(text).toBe(answer.choices[0]?.message.content)
    const cached = ({ path }: { path: string }) => path === '/v1/chat/completions'
    const asked = simulator.requests.filter(cached).map(({ body }) => body.toString())
    expect(asked.filter((body) => body.includes(`, ${name}`))).toHaveLength(2)
  })

  test('embeddings, which it asks for in base64, and models', async () => {
    const client = await openai(name)
    const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'x' })
    expect(data[0]?.embedding.every((number) => Number.isFinite(number))).toBe(true)
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('gpt-4.1')
  })

  test.each([
    'reset=after-tokens:3',
    'close=after-tokens:3',
    'end=after-tokens:3',
    'end=before-terminal',
    'hang=after-tokens:3',
    'end=after-headers',
    'error=after-tokens:3',
    'huge-event=6000000; end=before-terminal',
  ])('T15, F23 a stream that breaks (%s) makes it throw, every time', async (fault) => {
    const client = await openai(name)
    for (let i = 0; i < 5; i++) {
      const stream = await client.chat.completions.create(
        { ...prompt('tokens:20'), stream: true },
        withFault(fault),
      )
      expect(await rejection(textOf(stream))).toBeInstanceOf(Error)
    }
  })

  test('F24 a short JSON answer makes it throw', async () => {
    const client = await openai(name, { maxRetries: 0 })
    const error = await rejection(
      client.chat.completions.create(prompt('hi'), withFault('short-body')),
    )
    expect(error).toMatchObject({ status: 502, code: 'upstream_truncated', type: 'server_error' })
  })

  test('F06 an aborted stream lets the provider go', async () => {
    const client = await openai(name)
    simulator.clear()
    const abort = new AbortController()
    const stream = await client.chat.completions.create(
      { ...prompt('tokens:50'), stream: true },
      { ...withFault('hang=after-tokens:5'), signal: abort.signal },
    )
    let chunks = 0
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++chunks === 3) abort.abort()
    }
    const [request] = simulator.requests
    expect(await request?.closed).toMatchObject({ by: 'client' })
  })

  test('a wrong key is an authentication error in its own terms, and not tried again', async () => {
    const client = await openai(name, { apiKey: 'wrong' })
    const error = await rejection(client.chat.completions.create(prompt('hi')))
    expect(error.constructor.name).toBe('AuthenticationError')
    expect(error).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      type: 'authentication_error',
    })
  })

  test('x-should-retry: false means one attempt; without it there are three', async () => {
    const client = await openai(name, { base: '/paid/v1' })
    simulator.clear()
    const final = await rejection(
      client.chat.completions.create(
        prompt('hi'),
        withFault('status=302; header=location: http://x/'),
      ),
    )
    expect(final).toMatchObject({ status: 502, code: 'upstream_redirect' })
    expect(simulator.requests).toHaveLength(1)

    simulator.clear()
    const passing = await rejection(
      client.chat.completions.create(prompt('hi'), withFault('reset')),
    )
    expect(passing).toMatchObject({ status: 502 })
    expect(simulator.requests).toHaveLength(3)
  })

  test('retry-after-ms of a rate limit is obeyed, and then it is served', async () => {
    const client = await openai(name, { base: '/slow/v1' })
    const answers = await Promise.all(
      [1, 2].map((i) => client.chat.completions.create(prompt(`echo:${i}`))),
    )
    expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(['1', '2'])
  })

  test('F72 a spent budget is asked once; a limit per second is waited for', async () => {
    const client = await openai(name, { base: '/budget/v1' })
    simulator.clear()
    const refused = async (): Promise<number> =>
      sumOf((await scrape(pratu.adminUrl)).samples, 'pratu_limits_refused_total')
    const before = await refused()
    const spent = await rejection(client.chat.completions.create(prompt('hi')))
    expect(spent).toMatchObject({ status: 429, code: 'budget_exceeded' })
    expect(await refused()).toBe(before + 1)
    expect(simulator.requests).toHaveLength(0)
    // Without a price a model costs nothing that a budget could count.
    const answers = await Promise.all(
      [1, 2].map((i) =>
        client.chat.completions.create({ ...prompt(`echo:${i}`), model: 'limited', max_tokens: 9 }),
      ),
    )
    expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(['1', '2'])
  })

  test('F33 what the provider says of its own limits reaches it', async () => {
    const client = await openai(name)
    simulator.clear()
    const started = performance.now()
    const answer = await client.chat.completions.create(
      prompt('echo:at last'),
      withFault('status=429; retry-after-ms=50; attempts=2'),
    )
    expect(answer.choices[0]?.message.content).toBe('at last')
    expect(simulator.requests).toHaveLength(3)
    expect(performance.now() - started).toBeLessThan(3_000)
    // F38: the library's own count passes unchanged.
    expect(simulator.requests.map((request) => request.header('x-stainless-retry-count'))).toEqual([
      '0',
      '1',
      '2',
    ])
  })
})

describe('@anthropic-ai/sdk', () => {
  const message = {
    model: 'claude-sonnet-4.5',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'hi' }],
  }
  const withCase = (name: string): RequestOptions => ({ headers: { 'x-case': name } })

  async function anthropic(options: Partial<ClientOptions> = {}): Promise<AnthropicClient> {
    const { default: Anthropic } = await load<AnthropicClient>('anthropic')
    return new Anthropic({ baseURL: pratu.proxyUrl, apiKey: KEY, ...options })
  }

  test('a message, and a stream put together', async () => {
    const client = await anthropic()
    expect((await client.messages.create(message)).content[0]?.text).toBe('Hello')
    const final = await client.messages.stream(message).finalMessage()
    expect(final.content[0]?.text).toBe('Hello')
  })

  test.each(['no-stop', 'cut', 'stall'])(
    'T15 a stream that breaks (%s) makes it throw',
    async (how) => {
      const client = await anthropic()
      const stream = await client.messages.create({ ...message, stream: true }, withCase(how))
      const read = async (): Promise<void> => {
        for await (const event of stream) {
          expect(event.type).not.toBe('message_stop')
        }
      }
      expect(await rejection(read())).toBeInstanceOf(Error)
    },
  )

  test('our errors are errors in its own terms', async () => {
    const wrong = await anthropic({ apiKey: 'wrong' })
    const refused = await rejection(wrong.messages.create(message))
    expect(refused.constructor.name).toBe('AuthenticationError')
    expect(refused).toMatchObject({
      status: 401,
      error: { type: 'error', error: { type: 'authentication_error', message: 'Unauthorized' } },
    })
    const client = await anthropic({ maxRetries: 0 })
    const failed = await rejection(client.messages.create(message, withCase('reset')))
    expect(failed).toMatchObject({
      status: 502,
      error: { type: 'error', error: { type: 'api_error' } },
    })
  })
})

const event = (type: string, data: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`

const OPENING =
  event('message_start', {
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4.5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 9, output_tokens: 1 },
    },
  }) +
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } })
const CLOSING =
  event('content_block_stop', { index: 0 }) +
  event('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 2 },
  })

/** A provider that speaks the Messages format, well or as `x-case` says. */
function answerAsClaude(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  response: ServerResponse,
): void {
  const fault = headers['x-case']
  if (fault === 'reset') {
    response.socket?.resetAndDestroy()
    return
  }
  const { req } = response
  let body = ''
  req.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
  req.on('end', () => {
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(
        JSON.stringify({
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'claude-sonnet-4.5',
          content: [{ type: 'text', text: 'Hello' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 9, output_tokens: 2 },
        }),
      )
      return
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(OPENING)
    if (fault === 'stall') return
    if (fault === 'cut') setTimeout(() => response.destroy(), 50)
    else if (fault === 'no-stop') response.end(CLOSING)
    else response.end(CLOSING + event('message_stop', {}))
  })
}
