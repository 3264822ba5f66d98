import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ExchangeGiven,
  type RunOptions,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { cors } from './plugin.ts'

describePlugin(cors, {
  validConfig: { origins: ['https://.*\\.example\\.com', 'example.org'], credentials: true },
  defaults: {
    methods: 'GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT',
    allowedHeaders: undefined,
    exposedHeaders: undefined,
    maxAgeSeconds: undefined,
    preflightContinue: false,
    privateNetwork: false,
  },
  invalidConfigs: [
    { config: { origins: ['(('] }, message: "'((' is not a valid regex", path: 'origins.0' },
    {
      config: { methods: ['FETCH'] },
      message: 'expected one of: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT',
      path: 'methods.0',
    },
    { config: { max_age: '60' }, message: 'expected a number', path: 'max_age' },
    { config: { credentials: 'yes' }, message: 'expected a boolean', path: 'credentials' },
  ],
})

const run = (
  raw: Readonly<Record<string, unknown>>,
  exchange: ExchangeGiven,
  response?: RunOptions['response'],
) => {
  const plugin = cors.create(parseConfig(cors, raw), givenContext())
  return runExchange(plugin, givenExchange(exchange), response === undefined ? {} : { response })
}

const preflight = (raw: Readonly<Record<string, unknown>>, headers: Record<string, string> = {}) =>
  run(raw, {
    method: 'OPTIONS',
    headers: { Origin: 'https://app.test', 'Access-Control-Request-Method': 'PUT', ...headers },
  })

const simple = async (
  raw: Readonly<Record<string, unknown>>,
  origin?: string,
  response: RunOptions['response'] = {},
) =>
  (
    await run(raw, { headers: origin === undefined ? {} : { Origin: origin } }, response)
  ).headers.toObject()

describe('kong.md §3.9 preflight', () => {
  test('is answered 200 with an empty body and without the service', async () => {
    const result = await preflight({})
    expect(result).toMatchObject({ status: 200, body: '', proxied: false })
    expect(result.headers.toObject()).toEqual({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT',
    })
  })

  test('allows the headers asked for, or the ones configured', async () => {
    const asked = { 'Access-Control-Request-Headers': 'x-a, x-b' }
    const echoed = await preflight({}, asked)
    expect(echoed.headers.get('access-control-allow-headers')).toBe('x-a, x-b')
    const configured = await preflight({ headers: ['X-C', 'X-D'] }, asked)
    expect(configured.headers.get('access-control-allow-headers')).toBe('X-C,X-D')
  })

  test('tells methods, age, credentials and the permission for private networks as configured', async () => {
    const raw = {
      origins: ['https://app.test'],
      methods: ['GET', 'PUT'],
      max_age: 3600,
      credentials: true,
      private_network: true,
    }
    const result = await preflight(raw, { 'Access-Control-Request-Private-Network': 'true' })
    expect(result.headers.toObject()).toEqual({
      'access-control-allow-origin': 'https://app.test',
      vary: 'Origin',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-max-age': '3600',
      'access-control-allow-private-network': 'true',
    })
    const unasked = await preflight(raw)
    expect(unasked.headers.has('access-control-allow-private-network')).toBe(false)
  })

  test('an origin that is not listed gets no permission', async () => {
    const result = await preflight({ origins: ['https://one.test', 'https://two.test'] })
    expect(result.status).toBe(200)
    expect(result.headers.has('access-control-allow-origin')).toBe(false)
    expect(result.headers.get('vary')).toBe('Origin')
  })

  test('goes to the service untouched with preflight_continue', async () => {
    const result = await preflight({ preflight_continue: true, exposed_headers: ['X-A'] })
    expect(result.proxied).toBe(true)
    expect(result.headers.toObject()).toEqual({})
  })

  test('is only what has method, origin and the method asked for', async () => {
    const complete = { Origin: 'https://a.test', 'Access-Control-Request-Method': 'GET' }
    for (const [method, headers] of [
      ['GET', complete],
      ['OPTIONS', { Origin: complete.Origin }],
      ['OPTIONS', { 'Access-Control-Request-Method': 'GET' }],
    ] as const) {
      expect((await run({}, { method, headers })).proxied).toBe(true)
    }
  })
})

describe('kong.md §3.9 answers', () => {
  test('without origins, or with `*`, everybody may read', async () => {
    for (const raw of [{}, { origins: [] }, { origins: ['*'] }]) {
      expect(await simple(raw, 'https://a.test')).toEqual({ 'access-control-allow-origin': '*' })
      expect(await simple(raw)).toEqual({ 'access-control-allow-origin': '*' })
    }
  })

  test('`*` with credentials names the asking origin', async () => {
    const raw = { origins: ['*'], credentials: true }
    expect(await simple(raw, 'https://a.test')).toEqual({
      'access-control-allow-origin': 'https://a.test',
      'access-control-allow-credentials': 'true',
      vary: 'Origin',
    })
    expect(await simple(raw)).toEqual({ 'access-control-allow-origin': '*' })
  })

  test('one literal origin is always told', async () => {
    for (const origin of ['https://a.test', 'https://evil.test', undefined]) {
      expect(await simple({ origins: ['https://a.test'] }, origin)).toEqual({
        'access-control-allow-origin': 'https://a.test',
        vary: 'Origin',
      })
    }
  })

  test('of several, the one that matches is told, and nothing when none does', async () => {
    const allowed = async (origins: string[], origin: string) =>
      (await simple({ origins }, origin))['access-control-allow-origin']
    const cases: [entry: string, origin: string, allowed: boolean][] = [
      ['https://a.test', 'https://a.test', true],
      ['https://a.test:443', 'https://a.test', true],
      ['https://a.test', 'https://a.test:443', true],
      ['https://a.test', 'http://a.test', false],
      ['https://a.test', 'https://a.test:8443', false],
      ['a.test', 'http://a.test:8080', true],
      ['a.test', 'https://A.test', true],
      ['a.test', 'https://b.a.test', false],
      ['.*\\.a\\.test', 'https://x.a.test', true],
      ['.*\\.a\\.test', 'https://a.test.evil.test', false],
      ['.*\\.a\\.test', 'https://x.a.test.evil.test', false],
      ['^https://(.*\\.)?a\\.test$', 'https://b.a.test', true],
      ['^https://(.*\\.)?a\\.test$', 'https://evila.test', false],
      ['https?://a\\.test|https://b\\.test', 'https://a.test.evil.test', false],
      ['*', 'https://anything.test', true],
      ['https://a.test', 'null', false],
      ['https://a.test', '', false],
    ]
    for (const [entry, origin, expected] of cases) {
      const told = await allowed(['https://first.test', entry], origin)
      expect([entry, origin, told]).toEqual([entry, origin, expected ? origin : undefined])
    }
  })

  test('what the service says about origins is replaced or removed, its Vary is kept', async () => {
    const raw = { origins: ['https://a.test', 'https://b.test'] }
    const headers = { 'Access-Control-Allow-Origin': 'https://other.test', Vary: 'Accept' }
    expect(await simple(raw, 'https://b.test', { headers })).toEqual({
      'access-control-allow-origin': 'https://b.test',
      vary: 'Accept, Origin',
    })
    expect(await simple(raw, 'https://c.test', { headers })).toEqual({ vary: 'Accept, Origin' })
    expect(await simple(raw, 'https://c.test', { headers: { Vary: 'accept, ORIGIN' } })).toEqual({
      vary: 'accept, ORIGIN',
    })
    expect(await simple(raw, 'https://c.test', { headers: { Vary: '*' } })).toEqual({ vary: '*' })
  })

  test('exposed_headers are told on answers, refusals included', async () => {
    expect(
      await simple({ exposed_headers: ['X-A', 'X-B'] }, 'https://a.test', { status: 500 }),
    ).toEqual({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'X-A,X-B',
    })
  })

  test('S28 a pattern that would make another engine work for ages judges a long origin at once', async () => {
    const started = performance.now()
    const origin = `https://${'a'.repeat(5_000)}!`
    expect(await simple({ origins: ['(a+)+\\.test'] }, origin)).toEqual({ vary: 'Origin' })
    expect(performance.now() - started).toBeLessThan(500)
  })
})
