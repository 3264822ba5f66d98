import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  BOTH,
  configure,
  givenKong,
  givenPratu,
  givenUpstream,
  refusals,
  type Answered,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let kong: GivenGateway

const ROUTE_ID = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
const ANN_ID = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb'

beforeAll(async () => {
  upstream = await givenUpstream()
  kong = await givenKong({})
})
beforeEach(() => {
  answerWith(200, { 'Content-Type': 'text/plain' })
})
afterAll(async () => {
  await kong[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

function answerWith(status: number, headers: OutgoingHttpHeaders, body = 'fresh'): void {
  upstream.respond = (_request, response) => {
    response.writeHead(status, headers).end(body)
  }
}

let instances = 0

/** A cache of its own for each test: entries live as long as the id of their plugin. */
function cached(config: object = {}, more: object = {}) {
  instances += 1
  const id = `cccccccc-cccc-4ccc-8ccc-${String(instances).padStart(12, '0')}`
  return {
    services: [
      {
        url: upstream.url,
        routes: [{ id: ROUTE_ID, paths: ['/'] }],
      },
    ],
    plugins: [{ id, name: 'proxy-cache', config: { strategy: 'memory', ...config } }],
    ...more,
  }
}

async function given(config?: object, more?: object): Promise<void> {
  const answer = await configure(kong, cached(config, more))
  if (answer.status !== 201) throw new Error(answer.text)
}

/** The cache's word on each of these requests, one after the other. */
async function words(requests: readonly Asked[], to = kong): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  for (const request of requests)
    found.push((await ask(to.port, request)).headers.get('x-cache-status'))
  return found
}

describe('kong.md §3.4 fields', () => {
  test('defaults; strategy has none', async () => {
    await given()
    const response = await fetch(`${kong.adminUrl}/plugins`)
    expect(at(await response.json(), 'data', 0, 'config')).toMatchObject({
      strategy: 'memory',
      response_code: [200, 301, 404],
      request_method: ['GET', 'HEAD'],
      content_type: ['text/plain', 'application/json'],
      cache_control: false,
      ignore_uri_case: false,
      storage_ttl: null,
      memory: { dictionary_name: 'kong_db_cache' },
      vary_query_params: null,
      vary_headers: null,
      response_headers: { age: true, 'X-Cache-Status': true, 'X-Cache-Key': true },
    })
  })

  test.each([
    [{}, 'strategy: required field missing'],
    [{ strategy: 'redis' }, 'strategy: expected one of: memory'],
    [{ strategy: 'memory', response_code: [] }, 'response_code: length must be at least 1'],
    [
      { strategy: 'memory', response_code: [99] },
      'response_code.1: value should be between 100 and 900',
    ],
    [
      { strategy: 'memory', request_method: ['DELETE'] },
      'request_method.1: expected one of: HEAD, GET, POST, PATCH, PUT',
    ],
    [{ strategy: 'memory', cache_ttl: 0 }, 'cache_ttl: value must be greater than 0'],
  ])('%j is refused', async (config, error) => {
    expect(await refusals(kong, { plugins: [{ name: 'proxy-cache', config }] })).toEqual([
      `plugins.1.config.${error}`,
    ])
  })
})

describe.each(BOTH)('kong.md §3.4 flow (%s)', (_mode, givenMode) => {
  test('Miss, then Hit with status, fields, body and Age; the upstream is asked once', async () => {
    await using gateway = await givenMode(cached())
    answerWith(404, { 'Content-Type': 'text/plain', 'X-Own': ['a', 'b'], ETag: '"e"' }, 'gone')
    const before = upstream.requests.length
    const miss = await ask(gateway.port, { path: '/p?x=1' })
    expect(miss.headers.get('x-cache-status')).toBe('Miss')
    expect(miss.headers.has('age')).toBe(false)
    answerWith(200, {}, 'other')
    const hit = await ask(gateway.port, { path: '/p?x=1' })
    expect(hit.status).toBe(404)
    expect(hit.text).toBe('gone')
    expect(Object.fromEntries(hit.headers)).toMatchObject({
      'x-cache-status': 'Hit',
      age: '0',
      'x-own': 'a, b',
      etag: '"e"',
      'content-length': '4',
    })
    expect(hit.headers.get('x-cache-key')).toBe(miss.headers.get('x-cache-key'))
    expect(upstream.requests.length - before).toBe(1)
  })

  test('a Hit counts as proxied: latencies, Via, and an id of its own', async () => {
    await using gateway = await givenMode(cached())
    const miss = await ask(gateway.port)
    const hit = await ask(gateway.port)
    for (const name of ['x-kong-upstream-latency', 'x-kong-proxy-latency', 'via'])
      expect(hit.headers.has(name)).toBe(true)
    expect(hit.headers.has('x-kong-response-latency')).toBe(false)
    expect(hit.headers.get('x-kong-request-id')).not.toBe(miss.headers.get('x-kong-request-id'))
  })

  test('authentication and limits ran before a Hit, and are not the first caller’s', async () => {
    await using gateway = await givenMode(
      cached(
        {},
        {
          consumers: [{ id: ANN_ID, username: 'ann', keyauth_credentials: [{ key: 'k' }] }],
        },
      ),
    )
    await configure(gateway, {
      ...cached(),
      consumers: [{ id: ANN_ID, username: 'ann', keyauth_credentials: [{ key: 'k' }] }],
      plugins: [
        ...cached().plugins,
        { name: 'key-auth' },
        { name: 'rate-limiting', config: { year: 5 } },
      ],
    })
    const asked = { headers: { apikey: 'k' } }
    const miss = await ask(gateway.port, asked)
    const hit = await ask(gateway.port, asked)
    expect(hit.headers.get('x-cache-status')).toBe('Hit')
    expect(miss.headers.get('ratelimit-remaining')).toBe('4')
    expect(hit.headers.get('ratelimit-remaining')).toBe('3')
    expect(hit.headers.get('x-ratelimit-remaining-year')).toBe('3')
    const refused = await ask(gateway.port)
    expect(refused.status).toBe(401)
    expect(refused.headers.has('x-cache-status')).toBe(false)
  })
})

describe('kong.md §3.4 what is looked up', () => {
  test('a method that is not listed passes by', async () => {
    await given()
    const post: Asked = { method: 'POST', body: 'x' }
    expect(await words([post, post])).toEqual(['Bypass', 'Bypass'])
    const { headers } = await ask(kong.port, post)
    expect(headers.has('x-cache-key')).toBe(false)
  })

  test('HEAD and GET are apart', async () => {
    await given()
    expect(await words([{ method: 'HEAD' }, {}, { method: 'HEAD' }, {}])).toEqual([
      'Miss',
      'Miss',
      'Hit',
      'Hit',
    ])
  })

  test('Age counts the seconds; after cache_ttl Miss, with a longer storage_ttl Refresh and then Hit again', async () => {
    await using old = await givenKong(cached())
    await using short = await givenKong(cached({ cache_ttl: 1 }))
    await using stored = await givenKong(cached({ cache_ttl: 1, storage_ttl: 60 }))
    await using byNode = await givenKong(cached(), { KONG_MEM_CACHE_TTL: '1' })
    const all = [old, short, stored, byNode]
    const now = async () => (await Promise.all(all.map((one) => words([{}], one)))).flat()
    expect(await now()).toEqual(['Miss', 'Miss', 'Miss', 'Miss'])
    const ageOf = async () => (await ask(old.port)).headers.get('age')
    expect(await ageOf()).toBe('0')
    await expect.poll(ageOf, { interval: 50, timeout: 3000 }).toBe('1')
    // The first one was stored first: whatever is younger is over a moment later.
    await setTimeout(100)
    expect(await now()).toEqual(['Hit', 'Miss', 'Refresh', 'Miss'])
    expect(await now()).toEqual(['Hit', 'Hit', 'Hit', 'Hit'])
  })

  test('response_headers hides each of the three', async () => {
    const shown = async (hidden: object): Promise<string[]> => {
      await given({ response_headers: hidden })
      await ask(kong.port)
      const { headers } = await ask(kong.port)
      return ['age', 'x-cache-status', 'x-cache-key'].filter((name) => headers.has(name))
    }
    expect(await shown({ age: false })).toEqual(['x-cache-status', 'x-cache-key'])
    expect(await shown({ 'X-Cache-Status': false })).toEqual(['age', 'x-cache-key'])
    expect(await shown({ 'X-Cache-Key': false })).toEqual(['age', 'x-cache-status'])
  })
})

describe('kong.md §3.4 the key', () => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  const keyOf = async (request: Asked): Promise<string | undefined> =>
    (await ask(kong.port, request)).headers.get('x-cache-key')

  test('is the SHA-256 of prefix|method|uri|params|headers', async () => {
    await given()
    expect(await keyOf({ path: '/Path' })).toBe(sha256(`${ROUTE_ID}|GET|GET /Path HTTP/1.1||`))
    // With a query the protocol is not part of it.
    expect(await keyOf({ path: '/Path?b=2&a=1&b=1&flag' })).toBe(
      sha256(`${ROUTE_ID}|GET|GET /Path|a=1:b=1,2:flag|`),
    )
  })

  test('ignore_uri_case, vary_query_params and vary_headers', async () => {
    await given({
      ignore_uri_case: true,
      vary_query_params: ['b', 'a'],
      vary_headers: ['X-B', 'x-a'],
    })
    expect(
      await keyOf({ path: '/Path?a=1&c=3&b=2', headers: { 'x-a': '1', 'X-B': '2', 'X-C': '3' } }),
    ).toBe(sha256(`${ROUTE_ID}|GET|get /path|b=2:a=1|X-B=2:x-a=1`))
  })

  test('has the consumer in it', async () => {
    await configure(kong, {
      ...cached(),
      consumers: [{ id: ANN_ID, username: 'ann', keyauth_credentials: [{ key: 'k' }] }],
      plugins: [...cached().plugins, { name: 'key-auth' }],
    })
    expect(await keyOf({ path: '/p', headers: { apikey: 'k' } })).toBe(
      sha256(`${ANN_ID}:${ROUTE_ID}|GET|GET /p HTTP/1.1||`),
    )
  })

  test('has no body in it: other prompts collide, as Kong’s do; not with Pratu’s own key (S31)', async () => {
    const config = { request_method: ['POST'] }
    const say = (body: string): Asked => ({ method: 'POST', body })
    await given(config)
    expect(await words([say('one'), say('two')])).toEqual(['Miss', 'Hit'])
    await using pratu = await givenPratu(cached(config))
    expect(await words([say('one'), say('two'), say('one')], pratu)).toEqual([
      'Miss',
      'Miss',
      'Hit',
    ])
  })
})

describe('kong.md §3.4 what is stored', () => {
  async function storedWith(
    status: number,
    headers: OutgoingHttpHeaders,
    config: object = {},
  ): Promise<boolean> {
    await given(config)
    answerWith(status, headers)
    const [first, second] = await words([{}, {}])
    expect(first).toBe(second === 'Hit' ? 'Miss' : 'Bypass')
    return second === 'Hit'
  }

  test.each([
    [200, true],
    [301, true],
    [404, true],
    [201, false],
    [302, false],
    [500, false],
  ])('status %i: %s', async (status, stored) => {
    expect(await storedWith(status, { 'Content-Type': 'text/plain' })).toBe(stored)
  })

  test.each([
    ['text/plain', undefined, true],
    ['application/json', undefined, true],
    ['application/json; charset=utf-8', undefined, false],
    ['text/html', undefined, false],
    [undefined, undefined, false],
    ['application/json; charset=utf-8', ['application/json; charset=utf-8'], true],
    ['application/json; charset=UTF-8', ['application/json; charset=utf-8'], false],
    ['application/json', ['application/json; charset=utf-8'], false],
    ['image/png', ['image/*'], true],
    ['image/png', ['*/*'], true],
  ])('type %s of %j: %s', async (type, content_type, stored) => {
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const config = content_type === undefined ? {} : { content_type }
    expect(await storedWith(200, headers, config)).toBe(stored)
  })

  test('an answer of the gateway’s own is not', async () => {
    await given(
      { response_code: [502] },
      { services: [{ host: '127.0.0.1', port: 1, routes: [{ paths: ['/'] }] }] },
    )
    const [first, second] = await words([{}, {}])
    expect([first, second]).toEqual(['Bypass', 'Bypass'])
  })

  test('what is not replayed: fields of the connection and remaining limits', async () => {
    await given()
    answerWith(200, {
      'Content-Type': 'text/plain',
      'X-RateLimit-Remaining-Minute': '3',
      'RateLimit-Remaining': '3',
      Connection: 'X-Hop',
      'X-Hop': '1',
      'X-Kept': '1',
    })
    await ask(kong.port)
    const { headers } = await ask(kong.port)
    expect(headers.get('x-cache-status')).toBe('Hit')
    expect(headers.get('x-kept')).toBe('1')
    for (const name of ['x-ratelimit-remaining-minute', 'ratelimit-remaining', 'x-hop'])
      expect(headers.has(name)).toBe(false)
  })
})

describe('kong.md §3.4 cache_control', () => {
  const PLAIN = { 'Content-Type': 'text/plain' }
  const CONTROL = { cache_control: true }
  const wants = (value: string): Asked => ({ headers: { 'Cache-Control': value } })

  test('off: neither side’s Cache-Control counts', async () => {
    await given()
    answerWith(200, { ...PLAIN, 'Cache-Control': 'no-store' })
    expect(await words([wants('no-cache'), wants('no-store')])).toEqual(['Miss', 'Hit'])
  })

  test.each(['no-store', 'no-cache', 'max-age=0, no-store'])(
    'the request’s %s: Bypass',
    async (value) => {
      await given(CONTROL)
      answerWith(200, { ...PLAIN, 'Cache-Control': 'max-age=60' })
      expect(await words([{}, wants(value)])).toEqual(['Miss', 'Bypass'])
    },
  )

  test('only-if-cached: 504 with an empty body when it is not', async () => {
    await given(CONTROL)
    const before = upstream.requests.length
    const answer: Answered = await ask(kong.port, wants('only-if-cached'))
    expect(answer.status).toBe(504)
    expect(answer.text).toBe('')
    expect(upstream.requests.length).toBe(before)
  })

  test.each([
    ['max-age=60', true],
    ['s-maxage=60, max-age=0', true],
    ['max-age=60, s-maxage=0', false],
    ['private, max-age=60', false],
    ['no-store', false],
    ['no-cache, max-age=60', false],
    [undefined, false],
  ])('the answer’s %s: stored %s', async (value, stored) => {
    await given(CONTROL)
    answerWith(200, value === undefined ? PLAIN : { ...PLAIN, 'Cache-Control': value })
    expect(await words([{}, {}])).toEqual(stored ? ['Miss', 'Hit'] : ['Bypass', 'Bypass'])
  })

  test('Expires counts where there is no max-age', async () => {
    await given(CONTROL)
    answerWith(200, { ...PLAIN, Expires: new Date(Date.now() + 60_000).toUTCString() })
    expect(await words([{}, {}])).toEqual(['Miss', 'Hit'])
    await given(CONTROL)
    answerWith(200, { ...PLAIN, Expires: new Date(Date.now() - 1000).toUTCString() })
    expect(await words([{}, {}])).toEqual(['Bypass', 'Bypass'])
  })

  test.each(['min-fresh=120', 'min-fresh=61'])(
    'the request’s %s unsatisfied: Refresh',
    async (value) => {
      await given(CONTROL)
      answerWith(200, { ...PLAIN, 'Cache-Control': 'max-age=60' })
      expect(await words([{}, wants('min-fresh=30'), wants(value)])).toEqual([
        'Miss',
        'Hit',
        'Refresh',
      ])
    },
  )
})
