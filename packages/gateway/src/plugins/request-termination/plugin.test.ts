import {
  describePlugin,
  givenBody,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ExchangeGiven,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { requestTermination } from './plugin.ts'

describePlugin(requestTermination, {
  validConfig: { echo: true },
  defaults: { status: 503, message: undefined, trigger: undefined },
  invalidConfigs: [
    {
      config: { status_code: 99 },
      message: 'value should be between 100 and 599',
      path: 'status_code',
    },
    { config: { status_code: 600 }, message: 'value should be between 100 and 599' },
    {
      config: { message: 'm', body: 'b' },
      message: 'message cannot be used with content_type or body',
    },
    {
      config: { message: 'm', content_type: 'a/b' },
      message: 'message cannot be used with content_type or body',
    },
    { config: { content_type: 'a/b' }, message: 'content_type requires a body' },
    {
      config: { echo: true, body: 'b' },
      message: 'echo cannot be used with content_type and body',
    },
    {
      config: { trigger: 'a b' },
      message: "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
      path: 'trigger',
    },
  ],
})

const run = (raw: Readonly<Record<string, unknown>>, exchange: ExchangeGiven = {}) =>
  runExchange(
    requestTermination.create(parseConfig(requestTermination, raw), givenContext()),
    givenExchange(exchange),
  )

describe('kong.md §3.15 what is answered', () => {
  test('503 with Kong’s text, compact and without a request id', async () => {
    const result = await run({})
    expect(result).toMatchObject({
      status: 503,
      body: '{"message":"Service unavailable"}',
      proxied: false,
    })
    expect(result.headers.toObject()).toEqual({ 'content-type': 'application/json; charset=utf-8' })
  })

  test('the texts of other statuses, and nothing where Kong has none', async () => {
    for (const [status_code, body] of [
      [401, '{"message":"Unauthorized"}'],
      [404, '{"message":"Not found"}'],
      [405, '{"message":"Method not allowed"}'],
      [500, '{"message":"An unexpected error occurred"}'],
      [502, '{"message":"Bad Gateway"}'],
      [418, ''],
      [200, ''],
    ] as const) {
      expect(await run({ status_code })).toMatchObject({ status: status_code, body })
    }
  })

  test('a message, or a body with its type', async () => {
    expect((await run({ status_code: 403, message: 'So "long"' })).body).toBe(
      '{"message":"So \\"long\\""}',
    )
    const typed = await run({ status_code: 200, content_type: 'text/html', body: '<p>ü</p>' })
    expect([typed.body, typed.headers.get('content-type')]).toEqual(['<p>ü</p>', 'text/html'])
    const untyped = await run({ body: '{}' })
    expect(untyped.headers.get('content-type')).toBe('application/json; charset=utf-8')
  })
})

describe('kong.md §3.15 trigger', () => {
  test('only requests with that header or that argument are answered here', async () => {
    const raw = { trigger: 'X-Stop', status_code: 200 }
    expect((await run(raw)).proxied).toBe(true)
    expect((await run(raw, { target: '/?x-stop=1' })).proxied).toBe(true)
    expect((await run(raw, { target: '/?X-Stop' })).proxied).toBe(false)
    expect((await run(raw, { headers: { 'x-stop': '' } })).proxied).toBe(false)
  })
})

describe('kong.md §3.15 echo', () => {
  const POST: ExchangeGiven = {
    method: 'POST',
    target: '/a%20b?x=1&x=2&flag',
    host: 'api.test',
    headers: { 'X-Two': ['1', '2'], Accept: '*/*' },
    body: 'raw',
    route: { id: 'r-id', name: 'r' },
    service: { id: 's-id', name: 's', host: 'internal.example' },
    uriCaptures: { numbered: ['/a b', undefined], named: { n: 'v' } },
  }

  test('shows the request, the route and the service', async () => {
    const result = await run({ echo: true, status_code: 200, message: 'hi' }, POST)
    expect(JSON.parse(result.body)).toEqual({
      message: 'hi',
      request: {
        scheme: 'http',
        host: 'api.test',
        port: 8000,
        method: 'POST',
        path: '/a%20b',
        headers: { 'x-two': ['1', '2'], accept: '*/*', host: 'api.test' },
        query: { x: ['1', '2'], flag: true },
        raw_body: 'raw',
        uri_captures: { named: { n: 'v' }, unnamed: ['/a b', null] },
      },
      matched_route: { id: 'r-id', name: 'r', tags: [] },
      matched_service: { id: 's-id', name: 's', tags: [] },
    })
  })

  test('never shows credentials, nor where the service is', async () => {
    const { body } = await run(
      { echo: true },
      {
        ...POST,
        target: '/?apikey=canary&access_token=canary&q=1',
        headers: {
          Authorization: 'Bearer canary',
          Cookie: 'sid=canary',
          'X-Api-Key': 'canary',
          apikey: ['canary', 'canary'],
        },
      },
    )
    expect(body).toContain('[not shown]')
    expect(body).not.toContain('canary')
    expect(body).not.toContain('internal.example')
  })

  test('shows a body that arrives late, and none that is too large', async () => {
    const echoed = async (given: ExchangeGiven['body']) => {
      const { body } = await run({ echo: true }, { ...POST, ...(given && { body: given }) })
      return /"raw_body":"(.{0,4})/.exec(body)?.[1]
    }
    expect(await echoed(givenBody('late', { pending: true, chunked: true }))).toBe('late')
    const large = 'x'.repeat(64 * 1024 + 1)
    expect(await echoed(large)).toBeUndefined()
    expect(await echoed(givenBody(large, { chunked: true }))).toBeUndefined()
    expect(await echoed(givenBody(large, { pending: true, chunked: true }))).toBeUndefined()
    const arrived = { ...givenBody(large, { chunked: true }), buffer: () => 'complete' as const }
    expect(await echoed(arrived)).toBeUndefined()
  })
})
