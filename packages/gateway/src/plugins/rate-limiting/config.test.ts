import type { Ledger, MeterDefinition } from '@pratu/plugin-kit'
import {
  TestClock,
  createReferenceLedger,
  describePlugin,
  givenContext,
  parseConfig,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
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
    onStoreFailure: 'allow',
    hideClientHeaders: false,
    errorCode: 429,
    errorMessage: 'API rate limit exceeded',
    syncRateSeconds: undefined,
    redis: {
      topology: 'single',
      nodes: [],
      masterName: undefined,
      username: undefined,
      password: undefined,
      sentinelUsername: undefined,
      sentinelPassword: undefined,
      database: 0,
      tls: undefined,
      timeoutMs: 100,
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
    expect(rateLimitingSchema.parse({ ...flat, redis: nested.redis }).redis.nodes).toEqual([
      { host: 'redis', port: 6380 },
    ])
  })

  test('every period is a meter whose counters are in Redis, until the plugin is disposed of', async () => {
    const definitions: MeterDefinition[] = []
    let released = 0
    const inner = createReferenceLedger(new TestClock())
    const ledger: Ledger = {
      meter(definition) {
        definitions.push(definition)
        return {
          definition,
          release: () => {
            released += 1
          },
        }
      },
      reserve: (holds) => inner.reserve(holds),
      peek: (meter, scope) => inner.peek(meter, scope),
      reset: (meter, scope) => inner.reset(meter, scope),
      record: (meter, scope, amount, atMs) => inner.record(meter, scope, amount, atMs),
    }
    const plugin = rateLimiting.create(
      parseConfig(rateLimiting, { ...flat, fault_tolerant: false, sync_rate: 0.5 }),
      givenContext({ ledger, compatibility: 'kong' }),
    )
    expect(definitions.map(({ store }) => store)).toEqual([
      expect.objectContaining({ onFailure: 'deny', counting: 'kong', syncSeconds: 0.5 }),
      expect.objectContaining({ onFailure: 'deny', counting: 'kong', syncSeconds: 0.5 }),
    ])
    await plugin.dispose?.()
    expect(released).toBe(2)
  })

  test.each([
    [{}, 'allow'],
    [{ fault_tolerant: false }, 'deny'],
    [{ on_store_failure: 'local' }, 'local'],
    [{ fault_tolerant: false, on_store_failure: 'allow' }, 'allow'],
  ])('with %o, while Redis is away: %s', (given, policy) => {
    expect(rateLimitingSchema.parse({ ...flat, ...given }).onStoreFailure).toBe(policy)
  })

  test('F62 no request waits for Redis longer than 100 ms, unless our own field says so', () => {
    const deadline = (timeout: number | undefined): number =>
      rateLimitingSchema.parse({ ...flat, redis_timeout: timeout }).redis.timeoutMs
    expect([undefined, 0, 2000, 50].map(deadline)).toEqual([100, 100, 100, 50])
    const far = { ...flat, redis: { deadline: 300 } }
    expect(rateLimitingSchema.parse(far).redis.timeoutMs).toBe(300)
  })

  test('Sentinel and Cluster in Kong Enterprise’s spelling', () => {
    const redisOf = (redis: object) =>
      rateLimitingSchema.parse({ minute: 1, policy: 'redis', redis }).redis
    expect(
      redisOf({ sentinel_master: 'm', sentinel_nodes: [{ host: 's1' }, { port: 26380 }] }),
    ).toMatchObject({
      topology: 'sentinel',
      masterName: 'm',
      nodes: [
        { host: 's1', port: 6379 },
        { host: '127.0.0.1', port: 26380 },
      ],
    })
    expect(redisOf({ cluster_nodes: [{ ip: '10.0.0.1', port: 7000 }] })).toMatchObject({
      topology: 'cluster',
      nodes: [{ host: '10.0.0.1', port: 7000 }],
    })
  })

  test.each([
    [{ sentinel_nodes: [{}] }, 'redis.sentinel_master', 'required field missing'],
    [
      { sentinel_master: 'm', sentinel_nodes: [{}], cluster_nodes: [{}] },
      'redis.cluster_nodes',
      'give either sentinel_nodes or cluster_nodes',
    ],
    [{ cluster_nodes: [{}], database: 1 }, 'redis.database', 'a Redis cluster has only 0'],
    [{}, 'redis.host', 'required field missing'],
  ])('%o is refused at %s: %s', (redis, path, message) => {
    const parsed = rateLimitingSchema.safeParse({ minute: 1, policy: 'redis', redis })
    expect(parsed.error?.issues.map((issue) => [issue.path.join('.'), issue.message])).toEqual([
      [path, message],
    ])
  })

  test('S22 the password is in no text that the configuration is printed as', () => {
    expect(JSON.stringify(rateLimitingSchema.parse(flat))).not.toContain('s3cret')
  })
})
