import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  TestClock,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
  type TestContext,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { createCounterTable, createMemoryLedger } from '../../limits/index.ts'
import { rateLimitingSchema } from './config.ts'
import { rateLimiting } from './plugin.ts'

const AT_LEAST_ONE =
  "at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'"

describePlugin(rateLimiting, {
  validConfig: { minute: 5 },
  defaults: {
    limits: [{ period: 'minute', limit: 5 }],
    limitBy: 'consumer',
    headerName: undefined,
    path: undefined,
    policy: 'local',
    faultTolerant: true,
    hideClientHeaders: false,
    errorCode: 429,
    errorMessage: 'API rate limit exceeded',
    syncRateSeconds: undefined,
    redis: {
      host: undefined,
      port: 6379,
      timeoutMs: 2000,
      username: undefined,
      password: undefined,
      database: 0,
      ssl: false,
      sslVerify: false,
      serverName: undefined,
    },
  },
  invalidConfigs: [
    { config: {}, message: AT_LEAST_ONE, path: '@entity' },
    { config: { minute: 0 }, message: 'value must be greater than 0', path: 'minute' },
    { config: { minute: '5' }, message: 'expected a number', path: 'minute' },
    {
      config: { second: 10, minute: 5 },
      message: 'The limit for minute(5.0) cannot be lower than the limit for second(10.0)',
      path: '@entity',
    },
    {
      config: { minute: 10, year: 9.5 },
      message: 'The limit for year(9.5) cannot be lower than the limit for minute(10.0)',
      path: '@entity',
    },
    {
      config: { minute: 1, limit_by: 'nobody' },
      message: 'expected one of: consumer, credential, ip, service, header, path',
      path: 'limit_by',
    },
    {
      config: { minute: 1, limit_by: 'header' },
      message: 'required field missing',
      path: 'header_name',
    },
    { config: { minute: 1, limit_by: 'path' }, message: 'required field missing', path: 'path' },
    {
      config: { minute: 1, limit_by: 'path', path: 'x' },
      message: 'should start with: /',
      path: 'path',
    },
    {
      config: { minute: 1, policy: 'cluster' },
      message: 'expected one of: local, redis',
      path: 'policy',
    },
    {
      config: { minute: 1, policy: 'redis' },
      message: 'required field missing',
      path: 'redis.host',
    },
    {
      config: { minute: 1, sync_rate: 1 },
      message: 'sync_rate can only be used with the redis policy',
      path: '@entity',
    },
    {
      config: { minute: 1, policy: 'redis', redis: { host: 'r' }, sync_rate: 0.01 },
      message: 'sync_rate must be greater than 0.02, or -1 to disable',
      path: '@entity',
    },
    {
      config: { minute: 1, redis_host: 'a', redis: { host: 'b' } },
      message:
        'both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b',
      path: 'redis_host',
    },
    {
      config: { minute: 1, redis_password: 'one', redis: { password: 'two' } },
      message:
        'both deprecated and new field are used but their values mismatch: redis_password = [secret] vs redis.password = [secret]',
      path: 'redis_password',
    },
    {
      config: { minute: 1, redis: { port: 70_000 } },
      message: 'value should be between 0 and 65535',
      path: 'redis.port',
    },
    { config: { minute: 1, redis: { sentinel: 'x' } }, message: 'unknown field', path: 'redis' },
    {
      config: { minute: 1, error_code: 42 },
      message: 'value should be between 200 and 599',
      path: 'error_code',
    },
  ],
  refusals: [
    {
      name: 'the request above the limit',
      config: { minute: 2 },
      after: 2,
      exchange: { consumer: { username: 'alice' } },
      status: 429,
      code: 'rate_limit_exceeded',
      message: 'API rate limit exceeded',
    },
    {
      name: 'in the configured words',
      config: { hour: 1, error_code: 503, error_message: 'come back later' },
      after: 1,
      exchange: {},
      status: 503,
      code: 'rate_limit_exceeded',
      message: 'come back later',
    },
  ],
})

const NOON = Date.UTC(2026, 4, 12, 12, 0, 0)

interface Limited {
  readonly context: TestContext
  readonly request: (given?: ExchangeGiven) => Promise<ExchangeResult>
}

/** A plugin over the real memory ledger. */
function start(
  raw: Readonly<Record<string, unknown>>,
  given: ContextGiven & { readonly startMs?: number } = {},
): Limited {
  const clock = new TestClock(given.startMs ?? NOON)
  const ledger =
    given.ledger ??
    createMemoryLedger({
      clock,
      table: createCounterTable({ slots: 64 }),
      machineMs: () => clock.monotonic(),
      uptimeMs: () => clock.monotonic(),
    })
  const context = givenContext({ clock, ledger, ...given })
  const plugin = rateLimiting.create(parseConfig(rateLimiting, raw), context)
  return {
    context,
    request: async (exchange) => {
      const result = await runExchange(plugin, givenExchange(exchange), { ledger: context.ledger })
      result.reservation?.close()
      return result
    },
  }
}

/** The rate-limit headers of a response, lower-case. */
function limitHeaders({ headers }: ExchangeResult): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers.toObject()).filter(
      ([name]) => name.includes('ratelimit') || name === 'retry-after',
    ),
  )
}

async function statuses(
  { request }: Limited,
  ...given: readonly ExchangeGiven[]
): Promise<number[]> {
  const found: number[] = []
  for (const exchange of given) found.push((await request(exchange)).status)
  return found
}

describe('kong.md §3.3 response headers', () => {
  test('a proxied request shows what is left after it, and until when', async () => {
    const limited = start({ second: 5, minute: 100, hour: 1000 }, { startMs: NOON + 20_500 })
    expect(limitHeaders(await limited.request())).toEqual({
      'x-ratelimit-limit-second': '5',
      'x-ratelimit-remaining-second': '4',
      'x-ratelimit-limit-minute': '100',
      'x-ratelimit-remaining-minute': '99',
      'x-ratelimit-limit-hour': '1000',
      'x-ratelimit-remaining-hour': '999',
      'ratelimit-limit': '5',
      'ratelimit-remaining': '4',
      'ratelimit-reset': '1',
    })
  })

  test('their names are spelt as Kong spells them', async () => {
    const { headers } = await start({ minute: 1 }).request()
    expect(headers.entries().map(([name]) => name)).toEqual([
      'X-RateLimit-Limit-Minute',
      'X-RateLimit-Remaining-Minute',
      'RateLimit-Limit',
      'RateLimit-Remaining',
      'RateLimit-Reset',
    ])
  })

  test('a refused request shows the same and when to come back; the other periods are not consumed', async () => {
    const limited = start({ minute: 1, hour: 10 }, { startMs: NOON + 20_500 })
    await limited.request()
    const refused = await limited.request()
    expect(refused.status).toBe(429)
    expect(limitHeaders(refused)).toEqual({
      'x-ratelimit-limit-minute': '1',
      'x-ratelimit-remaining-minute': '0',
      'x-ratelimit-limit-hour': '10',
      'x-ratelimit-remaining-hour': '9',
      'ratelimit-limit': '1',
      'ratelimit-remaining': '0',
      'ratelimit-reset': '40',
      'retry-after': '40',
    })
  })

  test('of periods with equally little left the longest is told', async () => {
    const headers = limitHeaders(await start({ second: 3, minute: 3, hour: 9 }).request())
    expect(headers).toMatchObject({
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': '60',
    })
  })

  test('hide_client_headers hides all of them, Retry-After included', async () => {
    const limited = start({ minute: 1, hide_client_headers: true })
    expect(limitHeaders(await limited.request())).toEqual({})
    const refused = await limited.request()
    expect(refused.status).toBe(429)
    expect(limitHeaders(refused)).toEqual({})
  })

  test.each([
    ['second', 1_000 - 1, '1'],
    ['minute', 0, '60'],
    ['minute', 59_999, '1'],
    ['hour', 1_000, '3599'],
    ['day', 12 * 3_600_000, '86400'],
    ['month', 0, String(30 * 86_400 - 11 * 86_400 - 12 * 3_600)],
    ['year', 0, String(365 * 86_400 - 131 * 86_400 - 12 * 3_600)],
  ])(
    'a %s that has run for %i ms more since noon of 12 May ends in %s s',
    async (period, afterNoonMs, reset) => {
      const limited = start({ [period]: 5 }, { startMs: NOON + afterNoonMs })
      expect(limitHeaders(await limited.request())['ratelimit-reset']).toBe(reset)
    },
  )

  test('a month counts 30 days: on the 31st the reset shows 1', async () => {
    const limited = start({ month: 5 }, { startMs: Date.UTC(2026, 4, 31, 6) })
    expect(limitHeaders(await limited.request())['ratelimit-reset']).toBe('1')
  })

  test('a limit with a fraction admits the next whole number and is shown as written', async () => {
    const limited = start({ minute: 1.5 })
    expect(limitHeaders(await limited.request())).toMatchObject({
      'x-ratelimit-limit-minute': '1.5',
      'x-ratelimit-remaining-minute': '0.5',
    })
    expect(await statuses(limited, {}, {})).toEqual([200, 429])
  })

  test('a request that was refused before it was counted shows none', async () => {
    const context = givenContext()
    const plugin = rateLimiting.create(parseConfig(rateLimiting, { minute: 1 }), context)
    const refuseFirst = {
      access: () => ({ kind: 'refusal', status: 403, code: 'no', message: 'no' }) as const,
    }
    const result = await runExchange([refuseFirst, plugin], givenExchange(), {
      ledger: context.ledger,
    })
    expect([result.status, limitHeaders(result)]).toEqual([403, {}])
  })
})

describe('kong.md §3.3 windows', () => {
  test('are fixed and end with the UTC calendar', async () => {
    const limited = start({ minute: 2 }, { startMs: NOON + 59_000 })
    expect(await statuses(limited, {}, {}, {})).toEqual([200, 200, 429])
    limited.context.clock.advance(1_000)
    expect(await statuses(limited, {}, {}, {})).toEqual([200, 200, 429])
  })

  test('every configured period has to admit; a refused request counts in none', async () => {
    const limited = start({ second: 1, minute: 3 })
    const admitted: number[] = []
    for (let i = 0; i < 10; i++) {
      admitted.push(...(await statuses(limited, {}, {})))
      limited.context.clock.advance(1_000)
    }
    expect(admitted.filter((status) => status === 200)).toHaveLength(3)
    expect(admitted.slice(0, 6)).toEqual([200, 429, 200, 429, 200, 429])
  })

  test('F68 a thousand requests at once: exactly the limit is admitted, the rest is told when to come back', async () => {
    const limited = start({ minute: 100 })
    const results = await Promise.all(Array.from({ length: 1_000 }, () => limited.request()))
    const refused = results.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(900)
    expect(refused.every((result) => Number(result.headers.get('retry-after')) >= 1)).toBe(true)
    expect(await statuses(limited, { consumer: { id: 'victim' } })).toEqual([200])
  })

  test('F70 what an exchange gives back is admitted again', async () => {
    const context = givenContext()
    const plugin = rateLimiting.create(parseConfig(rateLimiting, { minute: 2, hour: 2 }), context)
    const request = () => runExchange(plugin, givenExchange(), { ledger: context.ledger })
    for (let i = 0; i < 6; i++) {
      const { status, reservation } = await request()
      expect(status).toBe(200)
      reservation?.close([0, 0])
    }
    expect([(await request()).status, (await request()).status, (await request()).status]).toEqual([
      200, 200, 429,
    ])
  })
})

describe('kong.md §3.3 limit_by', () => {
  const alice = { consumer: { id: 'alice' }, credential: { id: 'alice-1' } }
  const aliceToo = { consumer: { id: 'alice' }, credential: { id: 'alice-2' } }
  const bob = { consumer: { id: 'bob' }, credential: { id: 'bob-1' } }

  test('consumer: all of a consumer’s credentials together', async () => {
    expect(await statuses(start({ minute: 1 }), alice, aliceToo, bob)).toEqual([200, 429, 200])
  })

  test('consumer: without one the credential, without that the address', async () => {
    const credentialOnly = { credential: { id: 'c' } }
    const elsewhere = { clientIp: '198.51.100.1' }
    expect(
      await statuses(start({ minute: 1 }), credentialOnly, credentialOnly, {}, {}, elsewhere),
    ).toEqual([200, 429, 200, 429, 200])
  })

  test('credential: each on its own, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'credential' })
    expect(await statuses(limited, alice, aliceToo, alice, { consumer: { id: 'x' } }, {})).toEqual([
      200, 200, 429, 200, 429,
    ])
  })

  test('S34 ip: the address behind trusted proxies, whatever the client claims', async () => {
    const limited = start({ minute: 1, limit_by: 'ip' })
    const claims = (ip: string) => ({
      peerIp: '10.0.0.1',
      clientIp: '203.0.113.7',
      headers: { 'X-Forwarded-For': ip, 'X-Real-IP': ip, Forwarded: `for=${ip}` },
    })
    expect(await statuses(limited, claims('198.51.100.1'), claims('198.51.100.2'))).toEqual([
      200, 429,
    ])
    expect(await statuses(limited, { ...claims('x'), clientIp: '203.0.113.8' })).toEqual([200])
  })

  test('service: all callers of a service together, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'service' })
    const other = { service: { name: 'other' } }
    expect(
      await statuses(limited, alice, bob, other, { service: null }, { service: null }),
    ).toEqual([200, 429, 200, 200, 429])
  })

  test('header: its first value, in any case of its name, else the address', async () => {
    const limited = start({ minute: 1, limit_by: 'header', header_name: 'X-Team' })
    const team = (...names: string[]) => ({ headers: { 'x-TEAM': names } })
    expect(await statuses(limited, team('a'), team('a', 'b'), team('b'), {}, {})).toEqual([
      200, 429, 200, 200, 429,
    ])
  })

  test('path: all callers of that path together, everyone else by address', async () => {
    const limited = start({ minute: 1, limit_by: 'path', path: '/hot' })
    const at = (target: string, clientIp: string) => ({ target, clientIp })
    expect(
      await statuses(
        limited,
        at('/hot?x=1', '1.1.1.1'),
        at('/hot', '2.2.2.2'),
        at('/hot/er', '2.2.2.2'),
        at('/', '2.2.2.2'),
      ),
    ).toEqual([200, 429, 200, 429])
  })
})

describe('kong.md §3.3 counters', () => {
  const on = (routeId: string | undefined, serviceId: string | undefined): ContextGiven => ({
    instance: { routeId, serviceId, consumerId: undefined },
  })

  test('belong to the scope of the plugin: a global one counts all services together', async () => {
    const limited = start({ minute: 2 }, on(undefined, undefined))
    const at = (name: string) => ({ service: { name }, route: { name } })
    expect(await statuses(limited, at('a'), at('b'), at('c'))).toEqual([200, 200, 429])
  })

  test('outlive a reload, and are apart for another route or service', async () => {
    const { context, request } = start({ minute: 2 }, on('r', 's'))
    await request()
    const { ledger, clock } = context
    const again = (given: ContextGiven): Limited => {
      const plugin = rateLimiting.create(
        parseConfig(rateLimiting, { minute: 2 }),
        givenContext({ clock, ledger, ...given }),
      )
      return {
        context,
        request: (exchange) => runExchange(plugin, givenExchange(exchange), { ledger }),
      }
    }
    expect(await statuses(again(on('r', 's')), {}, {})).toEqual([200, 429])
    expect(await statuses(again(on('r2', 's')), {})).toEqual([200])
    expect(await statuses(again(on('r', 's2')), {})).toEqual([200])
  })

  test('each counted request adds period ÷ limit to the article’s metric, a refused one nothing', async () => {
    const limited = start({ minute: 1, hour: 1200 })
    await limited.request({ service: { name: 'ai' }, route: { name: 'chat' } })
    await limited.request({ service: { name: 'ai' }, route: { name: 'chat' } })
    expect(limited.context.counted).toEqual([
      { metric: 'kong_rate_limiting_count_total', labels: ['ai', 'chat', 'minute'], amount: 60 },
      { metric: 'kong_rate_limiting_count_total', labels: ['ai', 'chat', 'hour'], amount: 3 },
    ])
  })
})

describe('policy: redis', () => {
  const flat = {
    minute: 100,
    hour: 1000,
    policy: 'redis',
    redis_host: 'redis',
    redis_port: 6380,
    redis_password: 's3cret',
    fault_tolerant: true,
  }

  test('the deprecated flat names mean the same as the nested ones', () => {
    const nested = {
      minute: 100,
      hour: 1000,
      policy: 'redis',
      redis: { host: 'redis', port: 6380, password: 's3cret' },
    }
    const [one, two] = [rateLimitingSchema.parse(flat), rateLimitingSchema.parse(nested)]
    expect(one.redis.password?.reveal()).toBe('s3cret')
    expect(two.redis.password?.reveal()).toBe('s3cret')
    expect({ ...one.redis, password: 0 }).toEqual({ ...two.redis, password: 0 })
    expect(rateLimitingSchema.parse({ ...flat, redis: nested.redis }).redis.port).toBe(6380)
  })

  test('counts in this process until Redis is served, and says so once', async () => {
    const limited = start(flat)
    rateLimiting.create(parseConfig(rateLimiting, flat), limited.context)
    expect(limited.context.logged).toHaveLength(1)
    expect(limited.context.logged[0]?.message).toContain('counted per process')
    expect((await limited.request()).headers.get('x-ratelimit-remaining-minute')).toBe('99')
    expect(start(flat, { node: { worker: 1 } }).context.logged).toEqual([])
    expect(start({ minute: 1 }).context.logged).toEqual([])
  })

  test('S22 the password is in no text that the configuration is printed as', () => {
    expect(JSON.stringify(rateLimitingSchema.parse(flat))).not.toContain('s3cret')
  })
})
