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
import { freePort, startRedis, until } from '../limits/redis-server.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

const limits = (port: number, ...more: string[]): string =>
  limitedConfiguration([
    'minute: 100',
    'limit_by: header',
    'header_name: x-who',
    'policy: redis',
    `redis: {host: 127.0.0.1, port: ${port}}`,
    ...more,
  ])

async function degraded({ gateways }: Limited): Promise<number> {
  const { samples } = await scrape(gateways[0]?.adminUrl ?? '')
  return sumOf(samples, 'pratu_limits_degraded')
}

/** Requests one after the other. */
async function inTurn(limited: Limited, count: number, scope: string): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < count; i++) answers.push(...(await limited.burst(1, scope)))
  return answers
}

function median(answers: readonly Answer[]): number {
  const sorted = answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** The lines that tell of Redis coming or going. */
function changes({ gateways }: Limited): unknown[] {
  const told = ['Redis is connected', 'Redis is away', 'Redis cannot be reached', 'Redis is back']
  return (gateways[0]?.log ?? []).map(({ msg }) => msg).filter((msg) => told.includes(String(msg)))
}

describe('F62 T10 Redis frozen in mid-flight', () => {
  test('requests wait 100 ms at most and then not at all; it is back within 2 s; one line per change', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(1, limits(redis.port))
    await until('Redis is in use', async () => (await degraded(limited)) === 0)
    await inTurn(limited, 50, 'warm')
    const before = median(await inTurn(limited, 50, 'before'))

    redis.signal('SIGSTOP')
    const first = await inTurn(limited, 1, 'first')
    expect(first[0]?.status).toBe(200)
    // The rest is what a busy machine takes.
    expect(first[0]?.ms).toBeLessThan(250)
    await until('the breaker is open', async () => {
      await limited.burst(20, 'open')
      return (await degraded(limited)) === 1
    })
    const during = await inTurn(limited, 50, 'during')
    expect(statuses(during)).toEqual({ 200: 50 })
    expect(median(during) - before).toBeLessThan(2)
    expect(during[0]?.headers).not.toHaveProperty('x-ratelimit-limit-minute')
    const live = await get(`${limited.gateways[0]?.proxyUrl ?? ''}/health`)
    expect(live.status).toBe(200)

    redis.signal('SIGCONT')
    await until('Redis is in use again', async () => (await degraded(limited)) === 0, 2_000)
    expect((await inTurn(limited, 1, 'after'))[0]?.headers['x-ratelimit-remaining-minute']).toBe(
      '99',
    )
    await limited.gateways[0]?.waitForLog(isMessage('Redis is back'))
    expect(changes(limited)).toEqual(['Redis is connected', 'Redis is away', 'Redis is back'])
  })

  test('kong.md §3.3 fault_tolerant: false answers Kong’s 500', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(1, limits(redis.port, 'fault_tolerant: false'))
    await until('Redis is in use', async () => (await degraded(limited)) === 0)
    redis.signal('SIGSTOP')
    const answers = await limited.burst(10, 'denied')
    expect(statuses(answers)).toEqual({ 500: 10 })
    expect(answers[0]?.body).toContain('An unexpected error occurred')
    redis.signal('SIGCONT')
    await until('Redis is in use again', async () => (await degraded(limited)) === 0, 2_000)
    // Redis carried the questions out when it thawed; who was denied is not charged.
    await until('everything is given back', async () => {
      const [answer] = await inTurn(limited, 1, `denied`)
      return Number(answer?.headers['x-ratelimit-remaining-minute'] ?? 0) > 80
    })
  })

  test('T8 on_store_failure: local gives each of four replicas its quarter', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(4, limits(redis.port, 'on_store_failure: local'))
    await until(
      'all replicas are known',
      async () => (await redis.client.zcard('pratu:replicas')) === 4,
    )
    // Each hears of the others with its next heartbeat.
    const heard = performance.now() + 2_500
    await until('a heartbeat has passed', () => performance.now() > heard)
    redis.signal('SIGSTOP')
    for (const gateway of limited.gateways) {
      await until('the breaker is open', async () => {
        await limited.burst(40, 'open')
        const { samples } = await scrape(gateway.adminUrl)
        return sumOf(samples, 'pratu_limits_degraded') === 1
      })
    }
    await aMinuteWithRoomFor(5_000)
    const answers = await limited.burst(400, 'shared')
    expect(statuses(answers)).toEqual({ 200: 100, 429: 300 })
    redis.signal('SIGCONT')
  })
})

test('F63 Redis down at boot: it starts, serves, and limits as soon as Redis is there', async () => {
  const port = await freePort()
  await using limited = await startLimited(1, limits(port))
  expect(statuses(await limited.burst(200, 'early'))).toEqual({ 200: 200 })
  expect(await degraded(limited)).toBe(1)
  await using redis = await startRedis({ port })
  await until('Redis is in use', async () => (await degraded(limited)) === 0, 3_000)
  await aMinuteWithRoomFor(5_000)
  expect(statuses(await limited.burst(200, 'late'))).toEqual({ 200: 100, 429: 100 })
  await limited.gateways[0]?.waitForLog(isMessage('Redis is back'))
  expect(changes(limited)).toEqual(['Redis cannot be reached', 'Redis is back'])
  expect(redis.port).toBe(port)
})

describe('F62 readiness is a policy', () => {
  const ready = async ({ gateways }: Limited): Promise<readonly number[]> => {
    const [gateway] = gateways
    const urls = [`${gateway?.proxyUrl}/readyz`, `${gateway?.adminUrl}/readyz`]
    const answers = await Promise.all(
      [...urls, `${gateway?.adminUrl}/status/ready`].map((url) => get(url)),
    )
    return answers.map(({ status }) => status)
  }

  test.each([1, 2])(
    'PRATU_READY_WITHOUT_REDIS=off with %i workers: not ready while Redis is away, and alive',
    async (workers) => {
      await using redis = await startRedis()
      const environment = { PRATU_READY_WITHOUT_REDIS: 'off', PRATU_WORKERS: String(workers) }
      await using limited = await startLimited(1, limits(redis.port), () => ({ environment }))
      await until('it is ready', async () =>
        (await ready(limited)).every((status) => status === 200),
      )
      await redis.kill()
      await until('it is not', async () => (await ready(limited)).every((status) => status === 503))
      const { status } = await get(`${limited.gateways[0]?.proxyUrl ?? ''}/health`)
      expect(status).toBe(200)
      await redis.restart()
      await until('it is again', async () => (await ready(limited)).every((one) => one === 200))
    },
  )

  test('by default it is ready all the time', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(1, limits(redis.port))
    await until('Redis is in use', async () => (await degraded(limited)) === 0)
    await redis.kill()
    await until('it is away', async () => (await degraded(limited)) === 1)
    expect(await ready(limited)).toEqual([200, 200, 200])
  })
})

test('F64 Redis killed and back empty: at most one more window’s limit passes', async () => {
  await using redis = await startRedis()
  await using limited = await startLimited(1, limits(redis.port))
  await until('Redis is in use', async () => (await degraded(limited)) === 0)
  await aMinuteWithRoomFor(15_000)
  expect(statuses(await limited.burst(150, 'kept'))).toEqual({ 200: 100, 429: 50 })
  await redis.restart()
  await limited.gateways[0]?.waitForLog(isMessage('Redis is back'))
  expect(statuses(await limited.burst(150, 'kept'))).toEqual({ 200: 100, 429: 50 })
})

describe('F67 slow Redis', () => {
  test('200 ± 200 ms: no flapping, and no request waits longer than its deadline', async () => {
    await using redis = await startRedis()
    await using proxy = await startChaosProxy([redis.port])
    await using limited = await startLimited(1, limits(proxy.port))
    await until('Redis is in use', async () => (await degraded(limited)) === 0)
    proxy.delay = () => Math.random() * 400
    const endMs = performance.now() + 8_000
    const answers: Answer[] = []
    while (performance.now() < endMs) answers.push(...(await limited.burst(1, 'slow')))
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(300)
    expect(changes(limited).length).toBeLessThanOrEqual(4)
  })

  test('a blip of less than a second does not keep it away', async () => {
    await using redis = await startRedis()
    await using proxy = await startChaosProxy([redis.port])
    await using limited = await startLimited(1, limits(proxy.port))
    await until('Redis is in use', async () => (await degraded(limited)) === 0)
    proxy.delay = () => 800
    await limited.burst(20, 'blip')
    proxy.delay = () => 0
    // What the proxy holds back comes first.
    await until(
      'requests are limited again',
      async () => {
        const [answer] = await inTurn(limited, 1, 'after the blip')
        return answer?.headers['x-ratelimit-limit-minute'] === '100'
      },
      3_000,
    )
    expect(await degraded(limited)).toBe(0)
  })
})
