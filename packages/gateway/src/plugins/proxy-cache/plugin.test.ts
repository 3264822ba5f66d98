import {
  describePlugin,
  givenBody,
  givenContext,
  givenExchange,
  parseConfig,
  recordingSink,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
  type RunOptions,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { MemoryCache } from '../../cache/index.ts'
import { proxyCache } from './plugin.ts'

describePlugin(proxyCache, {
  validConfig: { strategy: 'memory', cache_control: true, request_method: ['GET', 'POST'] },
  invalidConfigs: [
    { config: {}, message: 'required field missing', path: 'strategy' },
    { config: { strategy: 'redis' }, message: 'expected one of: memory', path: 'strategy' },
    {
      config: { strategy: 'memory', response_code: [99] },
      message: 'value should be between 100 and 900',
      path: 'response_code.0',
    },
    {
      config: { strategy: 'memory', response_code: [] },
      message: 'length must be at least 1',
      path: 'response_code',
    },
    {
      config: { strategy: 'memory', request_method: ['DELETE'] },
      message: 'expected one of: HEAD, GET, POST, PATCH, PUT',
      path: 'request_method.0',
    },
    {
      config: { strategy: 'memory', cache_ttl: 0 },
      message: 'value must be greater than 0',
      path: 'cache_ttl',
    },
    {
      config: { strategy: 'memory', cache_ttl: '300' },
      message: 'expected an integer',
      path: 'cache_ttl',
    },
    {
      config: { strategy: 'memory', memory: { size: 1 } },
      message: 'unknown field',
    },
  ],
})

const TEXT = { 'Content-Type': 'text/plain' }
const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' }
const AI = { service: { aiFormat: 'openai-chat' } } as const

function start(raw: Readonly<Record<string, unknown>> = {}, given: ContextGiven = {}) {
  const context = givenContext(given)
  const config = parseConfig(proxyCache, { strategy: 'memory', ...raw })
  const plugin = proxyCache.create(config, context)
  const request = (
    exchange: ExchangeGiven = {},
    response: RunOptions['response'] = { headers: TEXT, body: 'answer' },
  ) => runExchange(plugin, givenExchange(exchange), { response })
  return { context, plugin, request }
}

const statusOf = (result: ExchangeResult) => result.headers.get('x-cache-status')

describe('kong.md §3.4 request flow', () => {
  test('a miss goes upstream, a hit replays status, fields and body with its age', async () => {
    const { context, request } = start()
    const response = {
      status: 404,
      headers: { ...TEXT, 'X-Multi': ['a', 'b'], ETag: '"e"' },
      body: ['no such ', 'thing'],
    }
    const miss = await request({}, response)
    expect(miss).toMatchObject({ status: 404, body: 'no such thing', proxied: true })
    expect(miss.headers.toObject()).toMatchObject({
      'x-cache-status': 'Miss',
      'x-cache-key': expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(miss.headers.has('age')).toBe(false)

    context.clock.advance(2_900)
    const hit = await request({}, response)
    expect(hit).toMatchObject({ status: 404, body: 'no such thing', proxied: false })
    expect(hit.reply).toMatchObject({ kind: 'answer', source: 'service' })
    expect(hit.headers.toObject()).toEqual({
      'content-type': 'text/plain',
      'x-multi': 'a, b',
      etag: '"e"',
      'x-cache-status': 'Hit',
      'x-cache-key': miss.headers.get('x-cache-key'),
      age: '2',
    })
  })

  test('a method that is not listed is a bypass without a key, and stores nothing', async () => {
    const { request } = start()
    const posted = await request({ method: 'POST' })
    expect(statusOf(posted)).toBe('Bypass')
    expect(posted.headers.has('x-cache-key')).toBe(false)
    expect(statusOf(await request({ method: 'POST' }))).toBe('Bypass')
  })

  test('HEAD answers are kept apart from GET answers, without a body and with the length of GET', async () => {
    const { request } = start()
    await request({ method: 'GET' })
    const head = { headers: { ...TEXT, 'Content-Length': '6' } }
    expect(statusOf(await request({ method: 'HEAD' }, head))).toBe('Miss')
    const hit = await request({ method: 'HEAD' }, head)
    expect([statusOf(hit), hit.body]).toEqual(['Hit', ''])
    expect(hit.headers.get('content-length')).toBe('6')
  })

  test('an answer is a miss again when its time is over', async () => {
    const { context, request } = start({ cache_ttl: 10 })
    await request()
    context.clock.advance(9_999)
    expect(statusOf(await request())).toBe('Hit')
    context.clock.advance(1)
    expect(statusOf(await request())).toBe('Miss')
  })

  test('storage_ttl keeps it for longer, and then it is refreshed', async () => {
    const { context, request } = start({ cache_ttl: 10, storage_ttl: 60 })
    await request()
    context.clock.advance(10_001)
    const refreshed = await request({}, { headers: TEXT, body: 'newer' })
    expect([statusOf(refreshed), refreshed.body, refreshed.proxied]).toEqual([
      'Refresh',
      'newer',
      true,
    ])
    expect((await request()).body).toBe('newer')
  })

  test("the node's default time to live counts when the file is silent, else Kong's 300 s", async () => {
    for (const [raw, node, seconds] of [
      [{}, {}, 300],
      [{}, { cacheTtlSeconds: 3_600 }, 3_600],
      [{ cache_ttl: 5 }, { cacheTtlSeconds: 3_600 }, 5],
    ] as const) {
      const { context, request } = start(raw, { node })
      await request()
      context.clock.advance(seconds * 1000 - 1)
      expect(statusOf(await request())).toBe('Hit')
      context.clock.advance(1)
      expect(statusOf(await request())).toBe('Miss')
    }
  })

  test('each consumer and each route has answers of its own (S31)', async () => {
    const { request } = start()
    for (const caller of [
      { consumer: { id: 'alice' } },
      { consumer: { id: 'bob' } },
      { consumer: null },
      { consumer: { id: 'alice' }, route: { id: 'other' } },
    ]) {
      expect(statusOf(await request(caller))).toBe('Miss')
      expect(statusOf(await request(caller))).toBe('Hit')
    }
  })

  test('instances do not see each other’s answers, even when they share the memory', async () => {
    const one = start({}, { instance: { id: 'one' } })
    const two = start({}, { instance: { id: 'two' }, cache: one.context.cache })
    await one.request()
    expect(statusOf(await two.request())).toBe('Miss')
  })

  test('response_headers hides age, status and key one by one', async () => {
    for (const [field, name] of [
      ['age', 'age'],
      ['X-Cache-Status', 'x-cache-status'],
      ['X-Cache-Key', 'x-cache-key'],
    ] as const) {
      const { request } = start({ response_headers: { [field]: false } })
      await request()
      const hit = await request()
      expect(hit.proxied).toBe(false)
      const shown = ['age', 'x-cache-status', 'x-cache-key'].filter((one) => hit.headers.has(one))
      expect(shown).toEqual(['age', 'x-cache-status', 'x-cache-key'].filter((one) => one !== name))
    }
  })

  test('what belongs to one connection, one message or one caller’s limits is not replayed', async () => {
    const headers = {
      ...TEXT,
      Connection: 'close',
      'Keep-Alive': 'timeout=5',
      'Transfer-Encoding': 'chunked',
      'Content-Length': '6',
      Age: '77',
      Via: '1.1 upstream',
      'X-Request-Id': 'first',
      'X-RateLimit-Remaining-Minute': '9',
      'X-RateLimit-Limit-Minute': '10',
      'RateLimit-Reset': '30',
      'Retry-After': '30',
      'Cache-Control': 'max-age=60',
    }
    for (const [compatibility, limits] of [
      ['pratu', []],
      ['kong', ['x-ratelimit-limit-minute', 'ratelimit-reset', 'retry-after']],
    ] as const) {
      const { request } = start({}, { compatibility })
      await request({}, { headers, body: 'answer' })
      const hit = (await request()).headers.toObject()
      expect(Object.keys(hit).toSorted()).toEqual(
        [
          'content-type',
          'cache-control',
          'x-cache-status',
          'x-cache-key',
          'age',
          ...limits,
        ].toSorted(),
      )
      expect(hit['age']).toBe('0')
    }
  })

  test('a plugin that refused before it has no cache fields', () => {
    const { plugin } = start()
    const head = { status: 401, headers: givenExchange().upstream.headers }
    plugin.responseHeaders?.(givenExchange(), head)
    expect(head.headers.has('x-cache-status')).toBe(false)
  })
})

describe('kong.md §3.4 which answers are stored', () => {
  const stores = async (
    raw: Readonly<Record<string, unknown>>,
    response: RunOptions['response'],
    { exchange = {}, ...given }: ContextGiven & { exchange?: ExchangeGiven } = {},
  ) => {
    const { request } = start(raw, given)
    const first = statusOf(await request(exchange, response))
    const second = statusOf(await request(exchange, response))
    expect([first, second]).toEqual(second === 'Hit' ? ['Miss', 'Hit'] : ['Bypass', 'Bypass'])
    return second === 'Hit'
  }

  test('statuses that are listed: 200, 301 and 404 unless configured', async () => {
    for (const status of [200, 301, 404]) {
      expect(await stores({}, { status, headers: TEXT })).toBe(true)
    }
    for (const status of [201, 302, 500, 503]) {
      expect(await stores({}, { status, headers: TEXT })).toBe(false)
    }
    expect(await stores({ response_code: [201] }, { status: 201, headers: TEXT })).toBe(true)
    expect(await stores({ response_code: [201] }, { status: 200, headers: TEXT })).toBe(false)
  })

  test('types that are listed, parameters equal in number and value', async () => {
    const listed = ['application/json', 'text/*', 'application/xml; charset=utf-8; a=b']
    const cases: [type: string, stored: boolean][] = [
      ['application/json', true],
      ['Application/JSON', true],
      ['application/json; charset=utf-8', false],
      ['application/problem+json', false],
      ['text/html', true],
      ['text/html; charset=utf-8', false],
      ['application/xml; A=b; charset="utf-8"', true],
      ['application/xml; charset=UTF-8; a=b', false],
      ['application/xml; charset=utf-8', false],
      ['json', false],
      ['', false],
    ]
    for (const [type, stored] of cases) {
      const response = { headers: { 'Content-Type': type } }
      expect([type, await stores({ content_type: listed }, response)]).toEqual([type, stored])
    }
    expect(await stores({}, { headers: {} })).toBe(false)
    expect(await stores({}, { headers: { 'Content-Type': ['text/plain', 'text/plain'] } })).toBe(
      false,
    )
    expect(await stores({ content_type: ['*/*'] }, { headers: { 'Content-Type': 'a/b' } })).toBe(
      true,
    )
  })

  test('the article’s content type on its own', async () => {
    const raw = { content_type: ['application/json; charset=utf-8'], response_code: [200] }
    expect(await stores(raw, { headers: JSON_TYPE })).toBe(true)
    expect(await stores(raw, { headers: { 'Content-Type': 'application/json' } })).toBe(false)
  })

  test('on an AI service parameters do not count, but for Kong itself', async () => {
    const raw = { content_type: ['application/json'] }
    expect(await stores(raw, { headers: JSON_TYPE }, { exchange: AI })).toBe(true)
    expect(await stores(raw, { headers: JSON_TYPE }, { exchange: AI, compatibility: 'kong' })).toBe(
      false,
    )
  })

  test('the gateway’s own answers are never stored (F75)', async () => {
    const exchange = { record: { source: 'kong' as const } }
    expect(await stores({}, { headers: TEXT }, { exchange })).toBe(false)
  })

  test('on an AI service only 200 is, and no event stream yet (F75)', async () => {
    const raw = { content_type: ['*/*'], response_code: [200, 404] }
    expect(await stores(raw, { status: 404, headers: TEXT }, { exchange: AI })).toBe(false)
    const events = { 'Content-Type': 'Text/Event-Stream; charset=utf-8' }
    expect(await stores(raw, { headers: events }, { exchange: AI })).toBe(false)
    expect(await stores(raw, { headers: events }, {})).toBe(false)
    const named = { ...raw, content_type: ['text/event-stream; charset=utf-8'] }
    expect(await stores(named, { headers: events }, {})).toBe(true)
  })

  test('S31 an answer that sets a cookie is not, S33 nor one that varies by what is not in the key', async () => {
    const cookie = { headers: { ...TEXT, 'Set-Cookie': 'session=1' } }
    expect(await stores({}, cookie)).toBe(false)
    expect(await stores({}, cookie, { compatibility: 'kong' })).toBe(true)

    const vary = (value: string | string[]) => ({ headers: { ...TEXT, Vary: value } })
    expect(await stores({}, vary(['Accept-Encoding, Origin', 'authorization']))).toBe(true)
    expect(await stores({}, vary('Accept, X-Custom'))).toBe(false)
    expect(await stores({ vary_headers: ['x-Custom'] }, vary('Accept, X-Custom'))).toBe(true)
    expect(await stores({}, vary('*'))).toBe(false)
    expect(await stores({}, vary('*'), { compatibility: 'kong' })).toBe(true)
  })

  test('parts and “not modified” are no answers for others, even when they are listed', async () => {
    for (const status of [206, 304]) {
      const raw = { response_code: [status] }
      expect(await stores(raw, { status, headers: TEXT })).toBe(false)
    }
  })

  test('F75 a body that breaks off, or whose client leaves, is never stored', async () => {
    const { plugin, request } = start()
    const handler: NonNullable<RunOptions['handler']> = (_, out) => {
      out.head({
        status: 200,
        headers: givenExchange({ host: '', headers: TEXT }).upstream.headers,
      })
      out.write(Buffer.from('half'))
      out.fail(new Error('upstream went away'))
    }
    await runExchange(plugin, givenExchange(), { handler, outcome: 'truncated' })
    expect(statusOf(await request())).toBe('Miss')

    const left = givenExchange({ target: '/left' })
    await plugin.access?.(left)
    const head = { status: 200, headers: givenExchange({ headers: TEXT }).upstream.headers }
    plugin.responseHeaders?.(left, head)
    const filter = plugin.responseBody?.(left, head)
    filter?.write(Buffer.from('half'))
    plugin.log?.(left, 'client_cancelled')
    filter?.end()
    expect(statusOf(await request({ target: '/left' }))).toBe('Miss')
  })

  test('an error that replaces the answer after a later plugin threw is not stored in its place', async () => {
    const { plugin, request } = start({ response_code: [200, 500] })
    const exchange = givenExchange()
    await plugin.access?.(exchange)
    const headers = () => givenExchange({ headers: TEXT }).upstream.headers
    plugin.responseHeaders?.(exchange, { status: 200, headers: headers() })
    const failed = { status: 500, headers: headers() }
    failed.headers.delete('content-type')
    plugin.responseHeaders?.(exchange, failed)
    const filter = plugin.responseBody?.(exchange, failed)
    filter?.end()
    plugin.log?.(exchange, 'rejected_internal')
    expect(failed.headers.get('x-cache-status')).toBe('Bypass')
    expect(statusOf(await request())).toBe('Miss')
  })

  test('an answer too large to store passes whole, and is a miss every time', async () => {
    const context = givenContext()
    const cache = new MemoryCache({ maxBytes: 64 * 1024, clock: context.clock })
    const { request } = start({}, { clock: context.clock, cache })
    const body = ['x'.repeat(3_000), 'y'.repeat(3_000), 'z']
    for (let i = 0; i < 2; i++) {
      const result = await request({}, { headers: TEXT, body })
      expect([statusOf(result), result.body]).toEqual(['Miss', body.join('')])
    }
    expect(cache.usage()).toMatchObject({ entries: 0, usedBytes: 0 })
  })

  test('bytes pass at once and unchanged while they are stored', async () => {
    const { plugin } = start()
    const exchange = givenExchange()
    await plugin.access?.(exchange)
    const head = { status: 200, headers: givenExchange({ headers: TEXT }).upstream.headers }
    plugin.responseHeaders?.(exchange, head)
    const filter = plugin.responseBody?.(exchange, head)
    const chunk = Buffer.from('first')
    expect(filter?.write(chunk)).toBe(chunk)
    expect([filter?.transparent, filter?.end()]).toEqual([true, undefined])
    expect(recordingSink().ended).toBe(false)
  })
})

describe('kong.md §3.4 cache_control', () => {
  const CONTROLLED = { cache_control: true }
  const fresh = (value: string, more = {}) => ({
    headers: { ...TEXT, 'Cache-Control': value, ...more },
    body: 'answer',
  })

  test('without it the request’s and the answer’s directives mean nothing', async () => {
    const { request } = start()
    const exchange = { headers: { 'Cache-Control': 'no-store, only-if-cached' } }
    expect(statusOf(await request(exchange, fresh('private, no-store')))).toBe('Miss')
    expect(statusOf(await request(exchange))).toBe('Hit')
  })

  test('no-store and no-cache in the request are a bypass', async () => {
    const { request } = start(CONTROLLED)
    await request({}, fresh('max-age=60'))
    for (const value of ['no-store', 'No-Cache', 'max-age=0, no-cache']) {
      expect(statusOf(await request({ headers: { 'Cache-Control': value } }))).toBe('Bypass')
    }
    expect(statusOf(await request())).toBe('Hit')
  })

  test('only-if-cached is answered 504 with an empty body when nothing is cached', async () => {
    const { request } = start(CONTROLLED)
    const only = { headers: { 'Cache-Control': 'only-if-cached' } }
    const missed = await request(only, fresh('max-age=60'))
    expect(missed).toMatchObject({ status: 504, body: '', proxied: false })
    expect(statusOf(missed)).toBe('Miss')
    await request({}, fresh('max-age=60'))
    expect(statusOf(await request(only))).toBe('Hit')
  })

  test('private, no-store, no-cache, or no freshness: not stored', async () => {
    for (const value of [
      'private, max-age=60',
      'no-store, max-age=60',
      'no-cache="X", max-age=60',
      'public',
      'max-age=0',
      's-maxage=0, max-age=60',
      'max-age=soon',
    ]) {
      const { request } = start(CONTROLLED)
      expect(statusOf(await request({}, fresh(value)))).toBe('Bypass')
      expect(statusOf(await request({}, fresh(value)))).toBe('Bypass')
    }
  })

  test('s-maxage counts before max-age, and both before Expires', async () => {
    const in60s = { Expires: 'Tue, 12 May 2026 12:01:00 GMT' }
    for (const [response, seconds] of [
      [fresh('s-maxage=10, max-age=20', in60s), 10],
      [fresh('max-age=20', in60s), 20],
      [fresh('public', in60s), 60],
      [fresh('public', { Expires: ['Tue, 12 May 2026 12:00:05 GMT', in60s.Expires] }), 60],
    ] as const) {
      const { context, request } = start(CONTROLLED)
      expect(statusOf(await request({}, response))).toBe('Miss')
      context.clock.advance(seconds * 1000 - 1)
      expect(statusOf(await request({}, response))).toBe('Hit')
      context.clock.advance(1)
      expect((await request({}, response)).proxied).toBe(true)
    }
  })

  test('Expires in the past, or that is no date, is no freshness', async () => {
    for (const expires of ['Tue, 12 May 2026 11:59:59 GMT', '0', '-1', 'never']) {
      const { request } = start(CONTROLLED)
      expect(statusOf(await request({}, fresh('public', { Expires: expires })))).toBe('Bypass')
    }
  })

  test('max-age, max-stale and min-fresh of the request ask for a refresh', async () => {
    const cases: [directive: string, afterSeconds: number, status: string][] = [
      ['max-age=30', 30, 'Hit'],
      ['max-age=30', 31, 'Refresh'],
      ['max-stale=30', 90, 'Hit'],
      ['max-stale=30', 91, 'Refresh'],
      ['max-stale', 500, 'Hit'],
      ['min-fresh=30', 30, 'Hit'],
      ['min-fresh=30', 31, 'Refresh'],
      ['max-age=soon', 500, 'Hit'],
    ]
    for (const [directive, afterSeconds, status] of cases) {
      const { context, request } = start({ ...CONTROLLED, storage_ttl: 1_000 })
      await request({}, fresh('max-age=60'))
      context.clock.advance(afterSeconds * 1000)
      const result = await request({ headers: { 'Cache-Control': directive } }, fresh('max-age=60'))
      expect([directive, afterSeconds, statusOf(result)]).toEqual([directive, afterSeconds, status])
    }
  })
})

describe('bodies of requests', () => {
  const POSTS = { request_method: ['POST'] }
  const post = (body: ExchangeGiven['body']): ExchangeGiven => ({
    method: 'POST',
    ...(body === undefined ? {} : { body }),
  })

  test('S31 another prompt is never answered with this one’s completion', async () => {
    const { request } = start(POSTS)
    await request(post('one'), { headers: TEXT, body: 'answer to one' })
    const other = await request(post('two'), { headers: TEXT, body: 'answer to two' })
    expect([statusOf(other), other.body]).toEqual(['Miss', 'answer to two'])
    expect((await request(post('one'))).body).toBe('answer to one')
  })

  test('kong.md §3.4 for Kong itself the body is not in the key', async () => {
    const { request } = start(POSTS, { compatibility: 'kong' })
    await request(post('one'), { headers: TEXT, body: 'answer to one' })
    expect((await request(post('two'))).body).toBe('answer to one')
  })

  test('they may arrive late and in chunks', async () => {
    const { request } = start(POSTS)
    await request(post(givenBody('one', { pending: true, chunked: true })))
    expect(statusOf(await request(post('one')))).toBe('Hit')
  })

  test('one above 1 MiB passes the cache by, declared or not, and still goes upstream', async () => {
    const { request } = start(POSTS)
    const large = 'x'.repeat(1024 * 1024 + 1)
    for (const body of [
      large,
      givenBody(large, { chunked: true }),
      givenBody(large, { chunked: true, pending: true }),
      { ...givenBody(large), buffer: () => 'complete' as const },
    ]) {
      const result = await request(post(body))
      expect([statusOf(result), result.proxied]).toEqual(['Bypass', true])
    }
    const exactly = 'x'.repeat(1024 * 1024)
    expect(statusOf(await request(post(exactly)))).toBe('Miss')
    expect(statusOf(await request(post(exactly)))).toBe('Hit')
  })
})

test('every request is counted once, by service, route and what became of it', async () => {
  const { context, request } = start()
  const named = { service: { name: 'svc' }, route: { name: 'rt' } }
  await request(named)
  await request(named)
  await request({ ...named, method: 'POST' })
  await request({ ...named, target: '/other' }, { status: 500, headers: TEXT })
  await request({
    service: { name: undefined, host: 'h.test' },
    route: { name: undefined, id: 'r-id' },
  })
  expect(context.counted.map(({ metric, labels }) => [metric, ...labels])).toEqual([
    ['pratu_cache_requests_total', 'svc', 'rt', 'miss'],
    ['pratu_cache_requests_total', 'svc', 'rt', 'hit'],
    ['pratu_cache_requests_total', 'svc', 'rt', 'bypass'],
    ['pratu_cache_requests_total', 'svc', 'rt', 'bypass'],
    ['pratu_cache_requests_total', 'h.test', 'r-id', 'miss'],
  ])
})

test('a field named __proto__ is replayed like any other (S24)', async () => {
  const { request } = start()
  const response = {
    headers: [
      ['Content-Type', 'text/plain'],
      ['__proto__', 'x'],
    ] as const,
  }
  await request({}, response)
  expect((await request()).headers.get('__proto__')).toBe('x')
})
