import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  at,
  BOTH,
  configure,
  givenKong,
  givenUpstream,
  refusals,
  type Answered,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(() => upstream[Symbol.asyncDispose]())

/** Limits of a year: no test may depend on where in a shorter window it runs. */
const limited = (config: object, scope: object = {}) => ({
  name: 'rate-limiting',
  ...scope,
  config,
})

const configuration = (plugins: readonly object[]) => ({
  services: [
    {
      name: 's',
      url: upstream.url,
      routes: [
        { name: 'r', paths: ['/r'] },
        { name: 'q', paths: ['/q'] },
      ],
    },
    { name: 't', url: upstream.url, routes: [{ name: 'other', paths: ['/t'] }] },
  ],
  consumers: [
    { username: 'ann', keyauth_credentials: [{ key: 'ann-1' }, { key: 'ann-2' }] },
    { username: 'bob', keyauth_credentials: [{ key: 'bob-1' }] },
  ],
  plugins,
})

/** The statuses of these requests, one after the other. */
async function statuses(given: GivenGateway, requests: readonly Asked[]): Promise<number[]> {
  const found: number[] = []
  for (const request of requests) found.push((await ask(given.port, request)).status)
  return found
}

const R: Asked = { path: '/r' }
const keyed = (apikey: string, path = '/r'): Asked => ({ path, headers: { apikey } })

describe('kong.md §3.3 fields', () => {
  let given: GivenGateway
  beforeAll(async () => {
    given = await givenKong({})
  })
  afterAll(() => given[Symbol.asyncDispose]())

  test('defaults', async () => {
    await configure(given, { plugins: [limited({ minute: 5 })] })
    const response = await fetch(`${given.adminUrl}/plugins`)
    expect(at(await response.json(), 'data', 0, 'config')).toMatchObject({
      second: null,
      minute: 5,
      hour: null,
      day: null,
      month: null,
      year: null,
      limit_by: 'consumer',
      header_name: null,
      path: null,
      policy: 'local',
      fault_tolerant: true,
      hide_client_headers: false,
      error_code: 429,
      error_message: 'API rate limit exceeded',
      sync_rate: -1,
      redis: {
        host: null,
        port: 6379,
        timeout: 2000,
        database: 0,
        username: null,
        password: null,
        ssl: false,
        ssl_verify: false,
        server_name: null,
      },
    })
  })

  test.each([
    [{ minute: 0 }, 'minute: value must be greater than 0'],
    [
      { second: 10, minute: 5 },
      '@entity: The limit for minute(5.0) cannot be lower than the limit for second(10.0)',
    ],
    [{ minute: 5, limit_by: 'header' }, 'header_name: required field missing'],
    [{ minute: 5, limit_by: 'path' }, 'path: required field missing'],
    [
      { minute: 5, limit_by: 'x' },
      'limit_by: expected one of: consumer, credential, ip, service, header, path',
    ],
    [{ minute: 5, policy: 'cluster' }, 'policy: expected one of: local, redis'],
    [{ minute: 5, policy: 'redis' }, 'redis.host: required field missing'],
    [{ minute: 5, sync_rate: 1 }, '@entity: sync_rate can only be used with the redis policy'],
    [
      { minute: 5, policy: 'redis', redis_host: 'a', sync_rate: 0.01 },
      '@entity: sync_rate must be greater than 0.02, or -1 to disable',
    ],
    [
      { minute: 5, policy: 'redis', redis_host: 'a', redis: { host: 'b' } },
      'redis_host: both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b',
    ],
  ])('%j is refused', async (config, error) => {
    expect(await refusals(given, { plugins: [limited(config)] })).toEqual([
      `plugins.1.config.${error}`,
    ])
  })

  test('the deprecated names alone, or equal to the new ones, are accepted', async () => {
    for (const config of [
      { minute: 5, policy: 'redis', redis_host: 'a', redis_port: 1, redis_password: '' },
      { minute: 5, policy: 'redis', redis_host: 'a', redis: { host: 'a' } },
    ])
      expect((await configure(given, { plugins: [limited(config)] })).status).toBe(201)
  })
})

describe.each(BOTH)('kong.md §3.3 headers (%s)', (_mode, givenMode) => {
  const names = (answer: Answered): string[] =>
    [...answer.headers.keys()].filter((name) => /ratelimit|retry-after$/.test(name))

  test('of a request that passes: every period, the tightest, and when it ends', async () => {
    await using given = await givenMode(configuration([limited({ month: 3, year: 7 })]))
    const answer = await ask(given.port, R)
    expect(answer.status).toBe(200)
    const shown = Object.fromEntries(answer.headers)
    expect(shown).toMatchObject({
      'x-ratelimit-limit-month': '3',
      'x-ratelimit-remaining-month': '2',
      'x-ratelimit-limit-year': '7',
      'x-ratelimit-remaining-year': '6',
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
    })
    expect(answer.head).toContain('X-RateLimit-Limit-Month: 3')
    expect(answer.head).toContain('RateLimit-Reset: ')
    expect(answer.headers.has('retry-after')).toBe(false)
  })

  test('RateLimit-Reset counts a month as 30 days and a year as 365, from their calendar start', async () => {
    await using given = await givenMode(
      configuration([limited({ month: 3 }, { route: 'r' }), limited({ year: 3 }, { route: 'q' })]),
    )
    const now = new Date()
    const monthStart = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
    const yearStart = Date.UTC(now.getUTCFullYear(), 0, 1)
    const expected = (seconds: number, start: number): number =>
      Math.max(1, seconds - Math.floor((now.getTime() - start) / 1000))
    const month = Number((await ask(given.port, R)).headers.get('ratelimit-reset'))
    const year = Number((await ask(given.port, { path: '/q' })).headers.get('ratelimit-reset'))
    expect(Math.abs(month - expected(2_592_000, monthStart))).toBeLessThanOrEqual(5)
    expect(Math.abs(year - expected(31_536_000, yearStart))).toBeLessThanOrEqual(5)
  })

  test('of periods with equally little left the longest is told', async () => {
    await using given = await givenMode(configuration([limited({ month: 3, year: 3 })]))
    const reset = Number((await ask(given.port, R)).headers.get('ratelimit-reset'))
    const { headers } = await ask(given.port, R)
    expect(headers.get('ratelimit-limit')).toBe('3')
    // In December both end together; a month counts 30 days, a year 365, so they still differ.
    const now = new Date()
    const elapsed = Math.floor((now.getTime() - Date.UTC(now.getUTCFullYear(), 0, 1)) / 1000)
    expect(Math.abs(reset - Math.max(1, 31_536_000 - elapsed))).toBeLessThanOrEqual(5)
  })

  test('of a refused request: the same, Retry-After, and only the exceeded period taken', async () => {
    await using given = await givenMode(configuration([limited({ month: 1, year: 5 })]))
    await ask(given.port, R)
    const answer = await ask(given.port, R)
    expect(answer.status).toBe(429)
    expect(at(JSON.parse(answer.text), 'message')).toBe('API rate limit exceeded')
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-ratelimit-limit-month': '1',
      'x-ratelimit-remaining-month': '0',
      'x-ratelimit-remaining-year': '4',
      'ratelimit-limit': '1',
      'ratelimit-remaining': '0',
    })
    expect(answer.headers.get('retry-after')).toBe(answer.headers.get('ratelimit-reset'))
  })

  test('hide_client_headers: none of them, refused or not', async () => {
    await using given = await givenMode(
      configuration([limited({ year: 1, hide_client_headers: true })]),
    )
    for (const status of [200, 429]) {
      const answer = await ask(given.port, R)
      expect(answer.status).toBe(status)
      expect(names(answer)).toEqual([])
    }
  })

  test('error_code and error_message', async () => {
    await using given = await givenMode(
      configuration([limited({ year: 1, error_code: 404, error_message: 'Not now' })]),
    )
    await ask(given.port, R)
    const answer = await ask(given.port, { ...R, headers: { Accept: 'text/plain' } })
    expect(answer.status).toBe(404)
    expect(answer.text).toMatch(/^Not now\nrequest_id: /)
  })
})

describe('kong.md §3.3 counting', () => {
  test('the limit is exact, also for requests at the same time', async () => {
    await using given = await givenKong(configuration([limited({ year: 5 })]))
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(given.port, R)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15)
  })

  test('a refused request takes nothing of any period', async () => {
    await using given = await givenKong(configuration([limited({ month: 1, year: 3 })]))
    await statuses(given, [R, R, R, R])
    const { headers } = await ask(given.port, R)
    expect(headers.get('x-ratelimit-remaining-year')).toBe('2')
  })

  test('counters survive POST /config and a change of the limit', async () => {
    await using given = await givenKong(configuration([limited({ year: 3 })]))
    await statuses(given, [R, R])
    await configure(given, configuration([limited({ year: 10 })]))
    const { headers } = await ask(given.port, R)
    expect(headers.get('x-ratelimit-remaining-year')).toBe('7')
  })
})

describe('kong.md §3.3 limit_by', () => {
  const keyAuth = { name: 'key-auth' }

  test('consumer: all credentials of one together, each consumer apart', async () => {
    await using given = await givenKong(configuration([keyAuth, limited({ year: 2 })]))
    const requests = ['ann-1', 'ann-2', 'ann-1', 'bob-1'].map((key) => keyed(key))
    expect(await statuses(given, requests)).toEqual([200, 200, 429, 200])
  })

  test('consumer without one: the address', async () => {
    await using given = await givenKong(configuration([limited({ year: 1 })]), TRUSTING)
    const from = (ip: string): Asked => ({ path: '/r', headers: { 'X-Real-IP': ip } })
    expect(
      await statuses(given, [from('203.0.113.1'), from('203.0.113.1'), from('203.0.113.2')]),
    ).toEqual([200, 429, 200])
  })

  test('credential: each on its own', async () => {
    await using given = await givenKong(
      configuration([keyAuth, limited({ year: 1, limit_by: 'credential' })]),
    )
    const requests = ['ann-1', 'ann-2', 'ann-1'].map((key) => keyed(key))
    expect(await statuses(given, requests)).toEqual([200, 200, 429])
  })

  const TRUSTING = { KONG_TRUSTED_IPS: '127.0.0.0/8', KONG_REAL_IP_HEADER: 'X-Real-IP' }

  test('ip: the address behind trusted proxies, whoever calls', async () => {
    await using given = await givenKong(
      configuration([keyAuth, limited({ year: 1, limit_by: 'ip' })]),
      TRUSTING,
    )
    const from = (ip: string, apikey: string): Asked => ({
      path: '/r',
      headers: { apikey, 'X-Real-IP': ip },
    })
    expect(
      await statuses(given, [
        from('203.0.113.1', 'ann-1'),
        from('203.0.113.1', 'bob-1'),
        from('203.0.113.2', 'ann-1'),
      ]),
    ).toEqual([200, 429, 200])
  })

  test('S34 ip: what a client claims does not count', async () => {
    await using given = await givenKong(configuration([limited({ year: 1, limit_by: 'ip' })]))
    const from = (ip: string): Asked => ({ path: '/r', headers: { 'X-Real-IP': ip } })
    expect(await statuses(given, [from('203.0.113.1'), from('203.0.113.2')])).toEqual([200, 429])
  })

  test('service: everybody who calls it, over all its routes', async () => {
    await using given = await givenKong(
      configuration([keyAuth, limited({ year: 2, limit_by: 'service' })]),
    )
    const requests = [keyed('ann-1'), keyed('bob-1', '/q'), keyed('ann-1'), keyed('ann-1', '/t')]
    expect(await statuses(given, requests)).toEqual([200, 200, 429, 200])
  })

  test('header: its value, else the address', async () => {
    await using given = await givenKong(
      configuration([limited({ year: 1, limit_by: 'header', header_name: 'X-Tenant' })]),
    )
    const of = (tenant: string): Asked => ({ path: '/r', headers: { 'x-tenant': tenant } })
    expect(await statuses(given, [of('a'), of('b'), of('a'), R, R])).toEqual([
      200, 200, 429, 200, 429,
    ])
  })

  test('path: requests of exactly that path together, the others by address', async () => {
    await using given = await givenKong(
      configuration([limited({ year: 1, limit_by: 'path', path: '/r/exact' })]),
    )
    const paths = ['/r/exact', '/r/exact?x=1', '/r/exact/more', '/r/other']
    expect(
      await statuses(
        given,
        paths.map((path) => ({ path })),
      ),
    ).toEqual([200, 429, 200, 429])
  })
})

describe('kong.md §3.3 counters belong to the scope of the plugin', () => {
  const paths = (...list: string[]): Asked[] => list.map((path) => ({ path }))

  test.each([
    ['global: all services together', {}, ['/r', '/q', '/t'], [200, 200, 429]],
    [
      'of a service: its routes together',
      { service: 's' },
      ['/r', '/q', '/r', '/t'],
      [200, 200, 429, 200],
    ],
    [
      'of a route: that route alone',
      { route: 'r' },
      ['/r', '/r', '/r', '/q'],
      [200, 200, 429, 200],
    ],
  ])('%s', async (_name, scope, requested, expected) => {
    await using given = await givenKong(configuration([limited({ year: 2 }, scope)]))
    expect(await statuses(given, paths(...requested))).toEqual(expected)
  })

  test('one for each of two services: apart', async () => {
    await using given = await givenKong(
      configuration([
        limited({ year: 1 }, { service: 's' }),
        limited({ year: 1 }, { service: 't' }),
      ]),
    )
    expect(await statuses(given, paths('/r', '/t', '/q', '/t'))).toEqual([200, 200, 429, 429])
  })

  test('of a consumer: counted with the ids of nowhere, as a global one is', async () => {
    await using given = await givenKong(
      configuration([
        { name: 'key-auth' },
        limited({ year: 9 }),
        limited({ year: 2 }, { consumer: 'ann' }),
      ]),
    )
    expect(
      await statuses(given, [keyed('ann-1', '/r'), keyed('ann-2', '/t'), keyed('ann-1', '/q')]),
    ).toEqual([200, 200, 429])
    expect(await statuses(given, [keyed('bob-1')])).toEqual([200])
  })
})
