import { describePlugin, parseConfig } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { rateLimitingSchema } from './config.ts'
import { rateLimiting } from './plugin.ts'
import { start } from './testing/start.ts'

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
