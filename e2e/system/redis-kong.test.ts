import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startChaosProxy } from '../limits/chaos-proxy.ts'
import {
  get,
  isMessage,
  limitedConfiguration,
  startLimited,
  statuses,
  type Answer,
  type Limited,
} from '../limits/limited.ts'
import { startRedis, until, type RedisServer } from '../limits/redis-server.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

const BY_HEADER = ['limit_by: header', 'header_name: x-who']

async function inUse({ gateways }: Limited): Promise<void> {
  for (const { adminUrl } of gateways) {
    await until(
      'Redis is in use',
      async () => sumOf((await scrape(adminUrl)).samples, 'pratu_limits_degraded') === 0,
    )
  }
}

async function one(limited: Limited, scope: string): Promise<Answer> {
  const [answer] = await limited.burst(1, scope)
  if (answer === undefined) throw new Error('no answer')
  return answer
}

function limitHeaders({ headers }: Answer): Record<string, unknown> {
  const { 'ratelimit-reset': _reset, 'retry-after': _after, ...others } = headers
  return Object.fromEntries(Object.entries(others).filter(([name]) => name.includes('ratelimit')))
}

const redisOf = ({ port }: RedisServer): string =>
  `redis: {host: 127.0.0.1, port: ${port}, deadline: 5000}`

describe.each(['local', 'redis'])('kong.md §3.3 policy: %s', (policy) => {
  const lines = (redis: RedisServer): readonly string[] =>
    policy === 'redis' ? ['policy: redis', redisOf(redis)] : ['policy: local']

  test('headers of a proxied and of a refused request; nothing else is consumed by a refusal', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      1,
      limitedConfiguration(['minute: 2', 'hour: 10', ...BY_HEADER, ...lines(redis)]),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(5_000)
    const limitsOf = { 'x-ratelimit-limit-minute': '2', 'x-ratelimit-limit-hour': '10' }
    expect(limitHeaders(await one(limited, 'a'))).toEqual({
      ...limitsOf,
      'x-ratelimit-remaining-minute': '1',
      'x-ratelimit-remaining-hour': '9',
      'ratelimit-limit': '2',
      'ratelimit-remaining': '1',
    })
    await one(limited, 'a')
    for (let i = 0; i < 3; i++) {
      const refused = await one(limited, 'a')
      expect(refused.status).toBe(429)
      expect(JSON.parse(refused.body)).toMatchObject({ message: 'API rate limit exceeded' })
      expect(refused.headers['retry-after']).toBe(refused.headers['ratelimit-reset'])
      expect(limitHeaders(refused)).toEqual({
        ...limitsOf,
        'x-ratelimit-remaining-minute': '0',
        'x-ratelimit-remaining-hour': '8',
        'ratelimit-limit': '2',
        'ratelimit-remaining': '0',
      })
    }
    expect((await one(limited, 'b')).status).toBe(200)
  })

  test.each(['second', 'minute', 'hour', 'day', 'month', 'year'])(
    'limits per %s',
    async (period) => {
      await using redis = await startRedis()
      await using limited = await startLimited(
        1,
        limitedConfiguration([`${period}: 3`, ...BY_HEADER, ...lines(redis)]),
      )
      await inUse(limited)
      if (period !== 'second') await aMinuteWithRoomFor(5_000)
      // Seconds may end in the middle: then the burst meets two windows, on a busy machine three.
      await until('one window took the whole burst', async () => {
        const answers = await limited.burst(9, `s${performance.now()}`)
        const admitted = statuses(answers)[200] ?? 0
        expect(admitted).toBeGreaterThanOrEqual(3)
        if (period !== 'second') expect(admitted).toBe(3)
        return admitted === 3
      })
      const [answer] = await limited.burst(1, 'fresh')
      const reset = Number(answer?.headers['ratelimit-reset'])
      const lengths: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86_400 }
      expect(reset).toBeGreaterThanOrEqual(1)
      expect(reset).toBeLessThanOrEqual(
        lengths[period] ?? (period === 'month' ? 2_592_000 : 31_536_000),
      )
    },
  )

  test('hide_client_headers, error_code and error_message', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      1,
      limitedConfiguration([
        'minute: 1',
        'hide_client_headers: true',
        'error_code: 503',
        'error_message: come back later',
        ...BY_HEADER,
        ...lines(redis),
      ]),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(5_000)
    expect(limitHeaders(await one(limited, 'a'))).toEqual({})
    const refused = await one(limited, 'a')
    expect(refused.status).toBe(503)
    expect(JSON.parse(refused.body)).toMatchObject({ message: 'come back later' })
    expect(refused.headers).not.toHaveProperty('retry-after')
  })
})

describe('kong.md §3.3 policy: redis', () => {
  test('compatibility: kong counts as Kong: its keys, its lifetimes, and refused requests too', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      1,
      limitedConfiguration(
        ['minute: 2', 'hour: 10', ...BY_HEADER, 'policy: redis', redisOf(redis)],
        'compatibility: kong',
      ),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(5_000)
    const minute = Math.floor(Date.now() / 60_000) * 60_000
    expect(statuses(await limited.burst(5, 'alice'))).toEqual({ 200: 2, 429: 3 })
    const keys = (await redis.client.keys('ratelimit:*')).toSorted()
    expect(keys).toHaveLength(2)
    const [ofHour = '', ofMinute = ''] = keys.toSorted(
      (a, b) => Number(b.endsWith('hour')) - Number(a.endsWith('hour')),
    )
    const zero = '00000000-0000-0000-0000-000000000000'
    expect(ofMinute).toMatch(new RegExp(`^ratelimit:[0-9a-f-]{36}:${zero}:alice:${minute}:minute$`))
    expect([await redis.client.get(ofMinute), await redis.client.get(ofHour)]).toEqual(['5', '5'])
    expect(await redis.client.ttl(ofMinute)).toBeLessThanOrEqual(60)
    expect(await redis.client.ttl(ofHour)).toBeGreaterThan(3_500)
    // The hour is shown as it was before the refused request: Kong decrements only what was exceeded.
    const refused = await one(limited, 'alice')
    expect(refused.headers).toMatchObject({
      'x-ratelimit-remaining-minute': '0',
      'x-ratelimit-remaining-hour': '5',
    })
  })

  test('sync_rate: two gateways share a limit through an exchange every 100 ms', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      2,
      limitedConfiguration([
        'hour: 50',
        ...BY_HEADER,
        'policy: redis',
        'sync_rate: 0.1',
        redisOf(redis),
      ]),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(15_000)
    let admitted = 0
    // A trickle: what passes between two exchanges is a few requests.
    for (let i = 0; i < 60; i++) {
      admitted += statuses(await limited.burst(2, 'synced'))[200] ?? 0
      const next = performance.now() + 20
      await until('the next two', () => performance.now() > next)
    }
    expect(admitted).toBeGreaterThanOrEqual(50)
    expect(admitted).toBeLessThanOrEqual(50 + 20)
    await until('Redis knows all of them', async () => {
      const [field] = await redis.client.hvals('pratu:limits:{synced}')
      return field?.endsWith(`:${admitted}`) === true
    })
  })

  test('the article’s trouble 3, unmodified: a password that its Redis does not have is told, and limits hold', async () => {
    await using redis = await startRedis({
      args: ['--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru'],
    })
    await using limited = await startLimited(
      2,
      `_format_version: "3.0"
routes:
- name: limited
  paths: [/limited]
  plugins:
  - name: request-termination
    config: {status_code: 200, message: "in"}
plugins:
- name: rate-limiting
  config:
    minute: 100
    hour: 1000
    policy: redis
    redis_host: 127.0.0.1
    redis_port: ${redis.port}
    redis_password: $(REDIS_PASSWORD)
    fault_tolerant: true
`,
      () => ({ environment: { REDIS_PASSWORD: 'canary-9c1e' } }),
    )
    await inUse(limited)
    const [gateway] = limited.gateways
    await gateway?.waitForLog(({ msg }) => String(msg).startsWith('a password is configured'))
    await gateway?.waitForLog((line) => line['maxmemory_policy'] === 'allkeys-lru')
    await aMinuteWithRoomFor(5_000)
    expect(statuses(await limited.burst(300, 'anyone'))).toEqual({ 200: 100, 429: 200 })
    expect(gateway?.output.join('\n')).not.toContain('canary-9c1e')
  })

  test('an ACL user that may only what is needed, and a database of its own', async () => {
    await using redis = await startRedis()
    await redis.client.call(
      'ACL',
      'SETUSER',
      'pratu',
      'on',
      '>p4ss',
      '~pratu:*',
      ...'+hello +select +client|setname +info +ping +set +evalsha +eval +time +hget +hset +pttl +pexpire +zadd +zremrangebyscore +zcard'.split(
        ' ',
      ),
    )
    await using limited = await startLimited(
      1,
      limitedConfiguration([
        'minute: 5',
        ...BY_HEADER,
        'policy: redis',
        'on_store_failure: local',
        `redis: {host: 127.0.0.1, port: ${redis.port}, username: pratu, password: p4ss, database: 3}`,
      ]),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(5_000)
    expect(statuses(await limited.burst(20, 'a'))).toEqual({ 200: 5, 429: 15 })
    await redis.client.select(3)
    expect(await redis.client.exists('pratu:limits:{a}', 'pratu:replicas')).toBe(2)
    expect(limited.gateways[0]?.log.filter(({ level }) => level === 'warn')).toEqual([])
  })

  test('a wrong password is told as what it is, and requests pass as fault_tolerant says', async () => {
    await using redis = await startRedis({ args: ['--requirepass', 'right'], password: 'right' })
    await using limited = await startLimited(
      1,
      limitedConfiguration([
        'minute: 5',
        ...BY_HEADER,
        'policy: redis',
        `redis: {host: 127.0.0.1, port: ${redis.port}, password: wrong}`,
      ]),
    )
    const line = await limited.gateways[0]?.waitForLog(isMessage('Redis cannot be reached'))
    expect(String(line?.['reason'])).toContain('WRONGPASS')
    expect(statuses(await limited.burst(20, 'a'))).toEqual({ 200: 20 })
  })

  test('several masters behind one name are told', async () => {
    await using one = await startRedis()
    await using other = await startRedis()
    await using name = await startChaosProxy([one.port, other.port])
    await using limited = await startLimited(
      1,
      limitedConfiguration([
        'minute: 5',
        ...BY_HEADER,
        'policy: redis',
        `redis: {host: 127.0.0.1, port: ${name.port}}`,
      ]),
    )
    const line = await limited.gateways[0]?.waitForLog(({ msg }) =>
      String(msg).startsWith('several independent Redis masters'),
    )
    expect(line).toMatchObject({ level: 'warn', masters: 2 })
  })

  test('a reload keeps the connection and the counts', async () => {
    await using redis = await startRedis()
    const configuration = limitedConfiguration([
      'minute: 5',
      ...BY_HEADER,
      'policy: redis',
      redisOf(redis),
    ])
    await using limited = await startLimited(1, configuration)
    await inUse(limited)
    await aMinuteWithRoomFor(10_000)
    const [gateway] = limited.gateways
    expect(statuses(await limited.burst(3, 'a'))).toEqual({ 200: 3 })
    writeFileSync(gateway?.configurationPath ?? '', configuration.replaceAll('"in"', '"still in"'))
    await until('the new configuration serves', async () =>
      (await get(`${gateway?.proxyUrl ?? ''}/free`)).body.includes('still in'),
    )
    expect(statuses(await limited.burst(5, 'a'))).toEqual({ 200: 2, 429: 3 })
    expect(gateway?.log.filter(isMessage('Redis is connected'))).toHaveLength(1)
  })
})
