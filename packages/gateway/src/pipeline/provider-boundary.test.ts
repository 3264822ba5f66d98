import { describe, expect, test } from 'vitest'
import { givenPipeline, type GivenPipeline, type PluginGiven } from './testing/given-pipeline.ts'

const SECRET = 'caller-secret-0123456789'

function toProvider(plugins: readonly PluginGiven[] = [], keys = ['provider-key']): GivenPipeline {
  let turn = 0
  return givenPipeline({
    plugins,
    service: { provider: 'openai', aiFormat: 'openai-chat' },
    errorShape: 'kong+openai',
    ...(keys.length === 0
      ? {}
      : {
          credential: () => [['Authorization', `Bearer ${keys[turn++ % keys.length]}`] as const],
        }),
  })
}

const EVERYWHERE = {
  target: `/a?x=1&key=${SECRET}&api_key=${SECRET}&API-Key=${SECRET}&apikey=${SECRET}&access_token=${SECRET}`,
  headers: {
    Authorization: `Bearer ${SECRET}`,
    'x-api-key': SECRET,
    'API-KEY': SECRET,
    apikey: SECRET,
    'x-goog-api-key': SECRET,
    'Proxy-Authorization': `Basic ${SECRET}`,
    Cookie: `session=${SECRET}`,
  },
}

describe('S18 a provider that the gateway pays', () => {
  test('sees its own credential and none of the caller’s, wherever that stands', () => {
    const pipeline = toProvider()
    pipeline.request(EVERYWHERE)
    const { request, fields } = pipeline.upstream.call
    expect(JSON.stringify(request)).not.toContain(SECRET)
    expect(fields['authorization']).toBe('Bearer provider-key')
    expect(request.path).toBe('/?x=1')
  })

  test('without a key of its own it gets none at all', () => {
    const pipeline = toProvider([], [])
    pipeline.request(EVERYWHERE)
    expect(JSON.stringify(pipeline.upstream.call.request)).not.toContain(SECRET)
    expect(pipeline.upstream.call.fields).not.toHaveProperty('authorization')
  })

  test('is not told of addresses, hosts and proxies on this side', () => {
    const pipeline = toProvider()
    pipeline.request({
      headers: { Via: '1.1 inner-proxy', 'X-Forwarded-For': '10.1.1.1', 'X-Real-IP': '10.1.1.1' },
      peerIp: '10.2.2.2',
    })
    const { fields } = pipeline.upstream.call
    expect(Object.keys(fields).filter((name) => /forwarded|real-ip|kong/.test(name))).toEqual([])
    expect(fields['via']).toBe('1.1 pratu/test')
    expect(JSON.stringify(fields)).not.toMatch(/10\.|inner-proxy/)
  })

  test('a plugin cannot put another credential in its place', () => {
    const edits: PluginGiven = {
      access: ({ upstream }) => {
        upstream.headers.set('authorization', `x ${SECRET}`)
        return undefined
      },
    }
    const pipeline = toProvider([edits])
    pipeline.request()
    expect(pipeline.upstream.call.fields['authorization']).toBe('Bearer provider-key')
  })

  test('several keys take turns', () => {
    const pipeline = toProvider([], ['k1', 'k2'])
    for (let i = 0; i < 3; i++) pipeline.request()
    expect(pipeline.upstream.calls.map(({ fields }) => fields['authorization'])).toEqual([
      'Bearer k1',
      'Bearer k2',
      'Bearer k1',
    ])
  })

  test('F38 what client libraries say about retries passes on', () => {
    const pipeline = toProvider()
    pipeline.request({ headers: { 'Idempotency-Key': 'i-1', 'x-stainless-retry-count': '1' } })
    expect(pipeline.upstream.call.fields).toMatchObject({
      'idempotency-key': 'i-1',
      'x-stainless-retry-count': '1',
    })
  })
})

describe('a service without a provider', () => {
  test('passes the caller’s credentials on, as in Kong', () => {
    const pipeline = givenPipeline({ service: { aiFormat: 'openai-chat' } })
    pipeline.request(EVERYWHERE)
    const { request, fields } = pipeline.upstream.call
    expect(fields).toMatchObject({ authorization: `Bearer ${SECRET}`, cookie: `session=${SECRET}` })
    expect(request.path).toContain(`?x=1&key=${SECRET}`)
  })
})

const FROM_PROVIDER = [
  'Set-Cookie',
  '__cf_bm=1',
  'Strict-Transport-Security',
  'max-age=1',
  'Access-Control-Allow-Origin',
  '*',
  'Alt-Svc',
  'h3=":443"',
  'x-request-id',
  'req_1',
  'x-ratelimit-limit-requests',
  '100',
  'Retry-After',
  '2',
]

describe('S21 what a provider says about its own origin', () => {
  test('stays there; what is about the answer passes', () => {
    const pipeline = toProvider()
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, FROM_PROVIDER)
    const names = client.headers?.flat.filter((_field, i) => i % 2 === 0) ?? []
    expect(names.filter((name) => /cookie|strict|access-control|alt-svc/i.test(name))).toEqual([])
    expect(client.header('x-request-id')).toBe('req_1')
    expect(client.header('x-ratelimit-limit-requests')).toBe('100')
    expect(client.header('retry-after')).toBe('2')
  })

  test('passes on a service without a provider, as in Kong', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.answer(200, FROM_PROVIDER)
    expect(client.header('set-cookie')).toBe('__cf_bm=1')
    expect(client.header('access-control-allow-origin')).toBe('*')
  })
})

describe('S17 a redirect', () => {
  test.each([301, 302, 303, 307, 308])(
    '%i of a provider is neither followed nor shown',
    (status) => {
      const pipeline = toProvider()
      const client = pipeline.request()
      pipeline.upstream.call.head(status, ['Location', 'http://inner.test/'])
      expect(client.status).toBe(502)
      expect(client.header('location')).toBeUndefined()
      expect(client.body).toContain('"code":"upstream_redirect"')
      expect(client.body).not.toContain('inner.test')
      expect([pipeline.upstream.calls.length, pipeline.upstream.call.cancelled]).toEqual([1, true])
      expect(pipeline.settled[0]?.outcome).toBe('upstream_error')
    },
  )

  test('of a plain service is the client’s to follow, as in Kong', () => {
    const pipeline = givenPipeline()
    const client = pipeline.request()
    pipeline.upstream.call.answer(302, ['Location', 'http://elsewhere.test/'])
    expect([client.status, client.header('location')]).toEqual([302, 'http://elsewhere.test/'])
    expect(pipeline.upstream.calls).toHaveLength(1)
  })
})
