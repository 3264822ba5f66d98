import { createHash } from 'node:crypto'
import { givenExchange, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cacheKey, kongCacheKey, type KeyOptions } from './cache-key.ts'

const PLAIN: KeyOptions = { ignorePathCase: false, varyQuery: [], varyHeaders: [] }
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const kong = (given: ExchangeGiven, options: Partial<KeyOptions> = {}) =>
  kongCacheKey(givenExchange({ route: { id: 'route-id' }, ...given }), { ...PLAIN, ...options })

describe("kong.md §3.4 Kong's key is the SHA-256 of prefix|method|uri|params|headers", () => {
  test('the uri is the request line without query: the version is in it only when there was none', () => {
    expect(kong({ target: '/path' })).toBe(sha256('route-id|GET|GET /path HTTP/1.1||'))
    expect(kong({ target: '/path', httpVersion: '1.0' })).toBe(
      sha256('route-id|GET|GET /path HTTP/1.0||'),
    )
    expect(kong({ target: '/path?a=1' })).toBe(sha256('route-id|GET|GET /path|a=1|'))
    expect(kong({ target: '/path?' })).toBe(sha256('route-id|GET|GET /path||'))
  })

  test('the prefix is consumer and route, the route alone, or `default` without a route', () => {
    expect(kong({ target: '/?a', consumer: { id: 'alice-id' } })).toBe(
      sha256('alice-id:route-id|GET|GET /|a|'),
    )
    expect(kong({ target: '/?a', route: null, consumer: { id: 'alice-id' } })).toBe(
      sha256('default|GET|GET /|a|'),
    )
  })

  test('all arguments sorted by name, repeated values sorted and joined, a name without value alone', () => {
    expect(kong({ target: '/?b=2&a=3&a=1&flag&c=' })).toBe(
      sha256('route-id|GET|GET /|a=1,3:b=2:c=:flag|'),
    )
  })

  test('vary_query_params and vary_headers choose, in their own order', () => {
    const headers = { 'X-B': 'b', 'X-A': ['2', '1'], 'X-C': 'c' }
    expect(
      kong(
        { target: '/?a=1&b=2&c=3', headers },
        { varyQuery: ['c', 'none', 'a'], varyHeaders: ['X-B', 'X-None', 'x-a'] },
      ),
    ).toBe(sha256('route-id|GET|GET /|c=3:a=1|X-B=b:x-a=1,2'))
  })

  test('ignore_uri_case folds the whole request line', () => {
    const options = { ignorePathCase: true }
    expect(kong({ target: '/A/b' }, options)).toBe(sha256('route-id|GET|get /a/b http/1.1||'))
  })

  test('neither body nor credentials are part of it', () => {
    const one = kong({ method: 'POST', body: 'one', headers: { Authorization: 'Bearer one' } })
    const two = kong({ method: 'POST', body: 'two', headers: { Authorization: 'Bearer two' } })
    expect(one).toBe(two)
  })
})

const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
const NEGOTIATION = { 'Content-Type': 'application/json', Accept: 'application/json' }
const BASE: ExchangeGiven = {
  method: 'POST',
  target: '/v1/chat/completions?a=1&b=2',
  host: 'api.test',
  headers: NEGOTIATION,
  consumer: { id: 'alice-id' },
  route: { id: 'route-id' },
}

const ours = (given: ExchangeGiven, body: string = CHAT, options: Partial<KeyOptions> = {}) =>
  cacheKey(givenExchange({ ...BASE, ...given }), { ...PLAIN, ...options }, Buffer.from(body))

describe('our key differs when anything that matters differs (S31, S33, F76)', () => {
  const differs: Record<string, ExchangeGiven> = {
    'another consumer': { consumer: { id: 'bob-id' } },
    'no consumer': { consumer: null },
    'another route': { route: { id: 'other-route' } },
    'another method': { method: 'PUT' },
    'another path': { target: '/v1/chat/Completions?a=1&b=2' },
    'another argument': { target: '/v1/chat/completions?a=1&b=3' },
    'one more argument': { target: '/v1/chat/completions?a=1&b=2&c' },
    'repeated arguments in another order': { target: '/v1/chat/completions?a=2&a=1&b=2' },
    'another host': { host: 'other.test' },
    'another scheme': { scheme: 'https' },
  }
  for (const [name, given] of Object.entries(differs)) {
    test(name, () => expect(ours(given)).not.toBe(ours({})))
  }

  const fields = [
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'apikey',
    'api-key',
    'x-api-key',
    'X-Goog-Api-Key',
    'X-Auth-Token',
    'X-Amz-Security-Token',
    'X-Session-Id',
    'X-Forwarded-User',
    'X-User-Id',
    'X-Tenant',
    'DPoP',
    'Accept',
    'Accept-Language',
    'Accept-Encoding',
    'Origin',
    'Range',
    'Content-Type',
    'X-Forwarded-Host',
    'X-Original-URL',
    'X-HTTP-Method-Override',
    'anthropic-version',
    'anthropic-beta',
    'OpenAI-Organization',
    'OpenAI-Project',
  ]
  for (const name of fields) {
    test(`the field ${name}, for known and unknown callers`, () => {
      for (const consumer of [{ id: 'alice-id' }, null]) {
        const keys = ['one', 'two'].map((value) => ours({ consumer, headers: { [name]: value } }))
        expect(new Set([...keys, ours({ consumer, headers: {} })]).size).toBe(3)
      }
    })
  }

  test('any byte of the body: every field of the request, known or not', () => {
    const bodies = [
      CHAT,
      `${CHAT} `,
      CHAT.replace('"m"', '"n"'),
      CHAT.replace('hi', 'hi!'),
      CHAT.replace('{', '{"seed":1,'),
      CHAT.replace('{', '{"x_unknown":true,'),
      '',
    ]
    expect(new Set(bodies.map((body) => ours({}, body))).size).toBe(bodies.length)
  })

  test('what a plugin changed on its way upstream', () => {
    const exchange = givenExchange(BASE)
    const before = cacheKey(exchange, PLAIN, Buffer.from(CHAT))
    exchange.upstream.path = '/v2/chat/completions'
    const path = cacheKey(exchange, PLAIN, Buffer.from(CHAT))
    exchange.upstream.query = '?a=1'
    const query = cacheKey(exchange, PLAIN, Buffer.from(CHAT))
    exchange.upstream.method = 'PUT'
    expect(new Set([before, path, query, cacheKey(exchange, PLAIN, Buffer.from(CHAT))]).size).toBe(
      4,
    )
  })

  test('the credential of an unknown caller, even when it goes no further than the gateway', () => {
    const keys = ['one', 'two'].map((token) => {
      const exchange = givenExchange({
        ...BASE,
        consumer: null,
        service: { provider: 'openai' },
        headers: { Authorization: `Bearer ${token}` },
      })
      exchange.upstream.headers.set('Authorization', 'Bearer provider')
      return cacheKey(exchange, PLAIN, Buffer.from(CHAT))
    })
    expect(keys[0]).not.toBe(keys[1])
  })

  test('a credential among the arguments, although vary_query_params lists others', () => {
    const options = { varyQuery: ['q'] }
    expect(ours({ target: '/?q=1&api_key=one' }, '', options)).not.toBe(
      ours({ target: '/?q=1&api_key=two' }, '', options),
    )
    expect(ours({ target: '/?q=1&page=one' }, '', options)).toBe(
      ours({ target: '/?q=1&page=two' }, '', options),
    )
  })

  test('no two different requests share a key, however their parts are cut', () => {
    const part = fc.string({ maxLength: 6 })
    const request = fc.record({ a: part, b: part, cookie: part, auth: part, body: part })
    const keyOf = (of: { a: string; b: string; cookie: string; auth: string; body: string }) =>
      ours(
        {
          consumer: null,
          target: `/?a=${encodeURIComponent(of.a)}&b=${encodeURIComponent(of.b)}`,
          headers: {
            Cookie: encodeURIComponent(of.cookie),
            Authorization: encodeURIComponent(of.auth),
          },
        },
        of.body,
      )
    fc.assert(
      fc.property(request, request, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two)
        expect(keyOf(one) === keyOf(two)).toBe(same)
      }),
    )
  })
})

describe('our key is the same when nothing that matters differs', () => {
  const same: Record<string, ExchangeGiven> = {
    'arguments of other names in another order': { target: '/v1/chat/completions?b=2&a=1' },
    'another user agent, trace and request id': {
      headers: {
        ...NEGOTIATION,
        'User-Agent': 'other',
        traceparent: '00-1',
        'X-Request-Id': 'r',
        'Idempotency-Key': 'i',
      },
    },
    'fields in another order': {
      headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
    },
    'another HTTP version': { httpVersion: '1.0', host: 'api.test' },
    'another client address': { peerIp: '192.0.2.99' },
  }
  for (const [name, given] of Object.entries(same)) {
    test(name, () => expect(ours(given)).toBe(ours({})))
  }

  test('the consumer stands for what authentication added, so that ids of credentials may change', () => {
    const keys = ['credential-1', 'credential-2'].map((id) =>
      ours({ headers: { ...NEGOTIATION, 'X-Credential-Identifier': id } }),
    )
    expect(keys[0]).toBe(keys[1])
  })

  test("a provider's rotating key changes nothing", () => {
    const keys = ['k1', 'k2'].map((key) => {
      const exchange = givenExchange({ ...BASE, service: { provider: 'openai' } })
      exchange.upstream.headers.set('Authorization', `Bearer ${key}`)
      return cacheKey(exchange, PLAIN, Buffer.from(CHAT))
    })
    expect(keys[0]).toBe(keys[1])
  })

  test('paths in another case, with ignore_uri_case', () => {
    const keys = ['/A/b', '/a/B'].map((path) => {
      const exchange = givenExchange({ ...BASE, target: path })
      exchange.upstream.headers.set('X-Forwarded-Path', path)
      return cacheKey(exchange, { ...PLAIN, ignorePathCase: true }, Buffer.alloc(0))
    })
    expect(keys[0]).toBe(keys[1])
  })
})
