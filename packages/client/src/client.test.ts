/** The article's client, behaviour by behaviour, at a real server. */
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { fetchTransport, PratuClient, type PratuClientOptions, type PratuError } from './node.ts'
import {
  answerJson,
  completion,
  givenServer,
  HELLO,
  type GivenServer,
} from './testing/given-server.ts'
import { recordingClock } from './testing/recording-clock.ts'

const KINDS: Readonly<Record<string, Partial<PratuClientOptions>>> = {
  'Node (undici)': {},
  'the web (fetch)': { transport: fetchTransport() },
}

async function failureOf(call: Promise<unknown>): Promise<PratuError> {
  return call.then(
    () => expect.fail('the call was answered'),
    (error: PratuError) => error,
  )
}

describe.each(Object.entries(KINDS))('through %s', (_name, options) => {
  const clientFor = (server: GivenServer, more: PratuClientOptions = {}): PratuClient =>
    new PratuClient({ gatewayUrl: server.url, apiKey: 'k-1', ...options, ...more })

  test('a chat completion: Bearer key, JSON body, /v1 with and without it in the address', async () => {
    await using server = await givenServer((response) => answerJson(response, 200, completion()))
    for (const gatewayUrl of [
      server.url,
      `${server.url}/`,
      `${server.url}/v1`,
      `${server.url}/v1/`,
    ]) {
      await using client = clientFor(server, { gatewayUrl })
      const answer = await client.chatCompletion({ ...HELLO, temperature: 0.7, max_tokens: 2_048 })
      expect(answer.choices[0]?.message.content).toBe('hello')
    }
    expect(server.requests).toHaveLength(4)
    for (const { headers, body } of server.requests) {
      expect(headers).toMatchObject({
        authorization: 'Bearer k-1',
        'content-type': 'application/json',
        'idempotency-key': expect.stringMatching(/^pratu-[0-9a-f]{32}$/),
      })
      expect(JSON.parse(body)).toEqual({
        ...HELLO,
        temperature: 0.7,
        max_tokens: 2_048,
        stream: false,
      })
    }
  })

  test('embeddings and models', async () => {
    await using server = await givenServer((response, { url }) =>
      answerJson(
        response,
        200,
        url === '/v1/models'
          ? { object: 'list', data: [{ id: 'm', object: 'model', created: 1, owned_by: 'o' }] }
          : {
              object: 'list',
              model: 'e',
              data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
              usage: { prompt_tokens: 2, total_tokens: 2 },
            },
      ),
    )
    await using client = clientFor(server)
    expect((await client.models()).data.map(({ id }) => id)).toEqual(['m'])
    const { data } = await client.embeddings({ model: 'e', input: ['a'] })
    expect(data[0]?.embedding).toEqual([0.5])
    expect(client.usage).toMatchObject({ calls: 2, promptTokens: 2, failedCalls: 0 })
  })

  test.each([408, 409, 429, 500, 502, 503, 504, 529])(
    'status %i is retried with doubling pauses, under one idempotency key',
    async (status) => {
      await using server = await givenServer((response, { nth }) =>
        nth < 3 ? answerJson(response, status, {}) : answerJson(response, 200, completion()),
      )
      const clock = recordingClock()
      await using client = clientFor(server, { clock, random: () => 0 })
      const { meta } = await client.chatCompletion(HELLO)
      expect([clock.pauses, meta.attempts, client.usage.retries]).toEqual([[1_000, 2_000], 3, 2])
      expect(new Set(server.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    },
  )

  test.each([400, 401, 403, 404, 413, 422, 402])('status %i is not retried', async (status) => {
    await using server = await givenServer((response) => answerJson(response, status, {}))
    await using client = clientFor(server, { clock: recordingClock() })
    const error = await failureOf(client.chatCompletion(HELLO))
    expect([error.status, error.attempts, server.requests.length]).toEqual([status, 1, 1])
  })

  test('x-should-retry decides before the status does; retry-after-ms and retry-after are honoured', async () => {
    const answers: readonly [number, Record<string, string>][] = [
      [400, { 'x-should-retry': 'true' }],
      [429, { 'retry-after-ms': '50', 'retry-after': '9' }],
      [503, { 'retry-after': '7' }],
      [503, { 'x-should-retry': 'false' }],
    ]
    await using server = await givenServer((response, { nth }) => {
      const [status, headers] = answers[nth - 1] ?? [200, {}]
      answerJson(response, status, {}, headers)
    })
    const clock = recordingClock()
    await using client = clientFor(server, { clock, maxRetries: 9, random: () => 0 })
    const error = await failureOf(client.chatCompletion(HELLO))
    expect([error.status, error.attempts, clock.pauses]).toEqual([503, 4, [1_000, 50, 7_000]])
  })

  test('a dead gateway: linear pauses, then one clear typed error', async () => {
    const closed = createServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const { port } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const clock = recordingClock()
    const gatewayUrl = `http://127.0.0.1:${port}`
    await using client = new PratuClient({ gatewayUrl, ...options, clock, maxRetries: 3 })
    const error = await failureOf(client.chatCompletion(HELLO))
    expect(error).toMatchObject({ name: 'ConnectionError', kind: 'connection', attempts: 4 })
    expect(error.message).toMatch(/no answer from the gateway at http:.*ECONNREFUSED.*4 attempts/)
    expect(clock.pauses).toEqual([1_000, 2_000, 3_000])
  })

  test('F24 a body that breaks off is a connection error and is tried again', async () => {
    await using server = await givenServer((response, { nth }) => {
      if (nth > 1) answerJson(response, 200, completion())
      else {
        response.writeHead(200, { 'content-length': '1000' })
        response.write('{"half":')
        response.socket?.end()
      }
    })
    await using client = clientFor(server, { clock: recordingClock() })
    expect((await client.chatCompletion(HELLO)).meta.attempts).toBe(2)
  })

  test.each([
    [401, {}, 'AuthError', 'auth'],
    [403, {}, 'AuthError', 'auth'],
    [400, {}, 'RequestError', 'request'],
    [402, {}, 'BudgetError', 'budget'],
    [429, { error: { code: 'insufficient_quota', message: 'spent' } }, 'BudgetError', 'budget'],
    [429, { error: { code: 'budget_exceeded', message: 'spent' } }, 'BudgetError', 'budget'],
    [
      429,
      { error: { code: 'rate_limit_exceeded', message: 'slow' } },
      'RateLimitError',
      'rate-limit',
    ],
    [502, { message: 'Kong-shaped', request_id: 'x' }, 'UpstreamError', 'upstream'],
  ])('%i %o is a %s', async (status, body, name, kind) => {
    await using server = await givenServer((response) =>
      answerJson(response, status, body, {
        'x-kong-request-id': 'req-7',
        'x-pratu-cost': '0.25',
        'retry-after': '3',
      }),
    )
    await using client = clientFor(server, { maxRetries: 0 })
    const error = await failureOf(client.chatCompletion(HELLO))
    expect(error).toMatchObject({
      name,
      kind,
      status,
      requestId: 'req-7',
      costDollars: 0.25,
      attempts: 1,
      retryAfterMs: 3_000,
    })
    expect(client.usage).toMatchObject({ calls: 0, failedCalls: 1 })
  })

  test.each([
    ['{"error":{"message":"inside a 200","code":"x"}}', 'inside a 200'],
    ['<html>an error page</html>', 'an error page'],
    ['{"choices":[]', '{"choices":[]'],
  ])(
    'a 200 that is no answer (%s) is an upstream error, and not paid for twice',
    async (body, text) => {
      await using server = await givenServer((response) => void response.end(body))
      await using client = clientFor(server)
      const error = await failureOf(client.chatCompletion(HELLO))
      expect([error.kind, error.attempts]).toEqual(['upstream', 1])
      expect(error.message).toContain(text)
    },
  )

  test('an answer later than the timeout is a timeout error, and retried', async () => {
    await using server = await givenServer((response, { nth }) => {
      if (nth === 2) answerJson(response, 200, completion())
    })
    await using client = clientFor(server, { timeout: 100, backoff: { initial: 1 } })
    expect((await client.chatCompletion(HELLO)).meta.attempts).toBe(2)
    const error = await failureOf(client.chatCompletion(HELLO, { maxRetries: 0 }))
    expect(error).toMatchObject({ kind: 'timeout', attempts: 1 })
  })

  test("the caller's signal ends a call under way and a pause between two", async () => {
    await using server = await givenServer((response, { nth }) => {
      if (nth === 2) answerJson(response, 429, {}, { 'retry-after': '50' })
    })
    await using client = clientFor(server)
    for (const nth of [1, 2]) {
      const abort = new AbortController()
      const call = failureOf(client.chatCompletion(HELLO, { signal: abort.signal }))
      await server.until(() => server.requests.length === nth)
      abort.abort(new Error('enough'))
      expect(await call).toMatchObject({ kind: 'cancelled', attempts: 1 })
    }
    expect(server.requests).toHaveLength(2)
  })

  test('a redirect is not followed: the key stays here', async () => {
    await using server = await givenServer((response) => {
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    await using client = clientFor(server)
    expect(await failureOf(client.chatCompletion(HELLO))).toMatchObject({ kind: 'upstream' })
    expect(server.requests).toHaveLength(1)
  })

  test('usage adds up tokens, cost and cache hits; meta is told and in no JSON', async () => {
    const headers = [
      { 'x-pratu-cost': '0.000000003', 'x-cache-status': 'Miss', 'x-kong-request-id': 'r1' },
      { 'x-pratu-cost': '0.1; estimated', 'x-cache-status': 'Miss', 'x-kong-request-id': 'r2' },
      { 'x-pratu-cost': 'unpriced', 'x-kong-request-id': 'r3' },
      { 'x-cache-status': 'Hit', 'x-kong-request-id': 'r4' },
    ]
    await using server = await givenServer((response, { nth }) =>
      answerJson(response, 200, completion(), headers[nth - 1]),
    )
    await using client = clientFor(server)
    const answers = []
    for (const _ of headers) answers.push(await client.chatCompletion(HELLO))
    expect(answers.map(({ meta }) => [meta.requestId, meta.costDollars, meta.fromCache])).toEqual([
      ['r1', 3e-9, false],
      ['r2', 0.1, false],
      ['r3', undefined, false],
      ['r4', undefined, true],
    ])
    expect(JSON.stringify(answers[0])).not.toContain('r1')
    expect(client.usage).toEqual({
      calls: 4,
      failedCalls: 0,
      retries: 0,
      promptTokens: 27,
      completionTokens: 9,
      totalTokens: 36,
      cachedPromptTokens: 0,
      costDollars: 0.100000003,
      callsOfUnknownCost: 1,
      cacheHits: 1,
      cacheHitTokens: 12,
    })
  })

  test('after close there are no calls', async () => {
    await using server = await givenServer((response) => answerJson(response, 200, completion()))
    const client = clientFor(server)
    await client.chatCompletion(HELLO)
    await client.close()
    expect(await failureOf(client.chatCompletion(HELLO))).toMatchObject({ kind: 'cancelled' })
  })
})

describe('the pool, as the server sees it', () => {
  test('at most 200 connections; 100 of them are kept; close ends them', async () => {
    let release: (() => void) | undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    await using server = await givenServer(async (response) => {
      await held
      answerJson(response, 200, completion())
    })
    const client = new PratuClient({ gatewayUrl: server.url })
    const calls = Array.from({ length: 230 }, () => client.chatCompletion(HELLO))
    await server.until(() => server.requests.length === 200)
    release?.()
    await Promise.all(calls)
    await server.until(() => server.sockets.size <= 100)
    expect([server.mostAtOnce, server.sockets.size, server.requests.length]).toEqual([
      200, 100, 230,
    ])
    await client.close()
    await server.until(() => server.sockets.size === 0)
  })

  test('an idle connection is kept for its expiry and closed then', async () => {
    await using server = await givenServer((response) => answerJson(response, 200, completion()))
    await using client = new PratuClient({
      gatewayUrl: server.url,
      pool: { keepAliveExpiry: 300 },
    })
    await client.chatCompletion(HELLO)
    await client.chatCompletion(HELLO)
    expect(server.opened).toBe(1)
    await server.until(() => server.sockets.size === 0)
    await client.chatCompletion(HELLO)
    expect(server.opened).toBe(2)
  })

  test('waiting for a free connection has the same time limit, and its own name', async () => {
    await using server = await givenServer(() => undefined)
    await using client = new PratuClient({
      gatewayUrl: server.url,
      pool: { maxConnections: 1 },
      maxRetries: 0,
    })
    const abort = new AbortController()
    const first = failureOf(client.chatCompletion(HELLO, { signal: abort.signal }))
    await server.until(() => server.requests.length === 1)
    const error = await failureOf(client.chatCompletion(HELLO, { timeout: 50 }))
    expect(error).toMatchObject({ kind: 'timeout', phase: 'pool' })
    abort.abort()
    await first
  })
})

test.each([
  [{ gatewayUrl: 'gateway' }, 'gatewayUrl is not a URL'],
  [{ gatewayUrl: 'ftp://gateway' }, 'http:// or https://'],
  [{ gatewayUrl: 'http://user:pass@gateway' }, 'user or password'],
  [{ gatewayUrl: 'http://gateway/?x=1' }, 'query'],
  [{ apiKey: 'with\nnewline' }, 'apiKey'],
  [{ timeout: 0 }, 'timeout'],
  [{ timeout: Number.NaN }, 'timeout'],
  [{ connectTimeout: 3e9 }, 'connectTimeout'],
  [{ maxRetries: -1 }, 'maxRetries'],
  [{ maxRetries: 1.5 }, 'maxRetries'],
  [{ pool: { maxConnections: 0 } }, 'pool.maxConnections'],
])('an option that makes no sense is named: %o', (options, message) => {
  expect(() => new PratuClient(options)).toThrow(message)
})
