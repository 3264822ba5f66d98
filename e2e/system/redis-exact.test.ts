import { describe, expect, test } from 'vitest'
import {
  get,
  limitedConfiguration,
  startLimited,
  statuses,
  type Limited,
} from '../limits/limited.ts'
import { startCluster, startRedis, until } from '../limits/redis-server.ts'
import { scrape } from '../metrics-text.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

/** A long deadline: what is tested is exactness, not how fast this machine lets Redis answer. */
const BY_HEADER = ['limit_by: header', 'header_name: x-who', 'policy: redis']

async function connected({ gateways }: Limited): Promise<void> {
  for (const { adminUrl } of gateways) {
    await until('Redis is in use', async () => {
      const { samples } = await scrape(adminUrl)
      return samples.some(({ name, value }) => name === 'pratu_limits_degraded' && value === 0)
    })
  }
}

describe('F68 T8 one limit for four gateways', () => {
  test('100 of 1,000 requests at once are admitted, 50 runs in a row', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      4,
      limitedConfiguration([
        'minute: 100',
        'hour: 1000',
        ...BY_HEADER,
        `redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}`,
      ]),
    )
    await connected(limited)
    for (let run = 0; run < 50; run++) {
      await aMinuteWithRoomFor(5_000)
      const answers = await limited.burst(1_000, `run-${run}`)
      expect(statuses(answers), `run ${run}`).toEqual({ 200: 100, 429: 900 })
      if (run > 0) continue
      for (const { status, headers } of answers) {
        if (status === 200) continue
        expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1)
        expect(headers).toMatchObject({
          'x-ratelimit-limit-minute': '100',
          'x-ratelimit-remaining-minute': '0',
          // What was refused took nothing from the hour.
          'x-ratelimit-remaining-hour': '900',
        })
      }
      const victim = await get(`${limited.gateways[0]?.proxyUrl ?? ''}/limited`, { 'x-who': 'v' })
      expect(victim.headers['x-ratelimit-remaining-minute']).toBe('99')
    }
  })

  test('the same on a Redis Cluster of six, also where two limits lie in different slots', async () => {
    await using cluster = await startCluster()
    const nodes = cluster.nodes.map(({ port }) => `{ip: 127.0.0.1, port: ${port}}`).join(', ')
    const redis = `redis: {cluster_nodes: [${nodes}], deadline: 5000}`
    const everyone = `plugins:
- name: rate-limiting
  config:
    hour: 100000
    limit_by: ip
    policy: redis
    ${redis}
`
    await using limited = await startLimited(
      4,
      limitedConfiguration(['minute: 100', ...BY_HEADER, redis], everyone),
    )
    await connected(limited)
    for (let run = 0; run < 50; run++) {
      await aMinuteWithRoomFor(5_000)
      const answers = await limited.burst(1_000, `run-${run}`)
      expect(statuses(answers), `run ${run}`).toEqual({ 200: 100, 429: 900 })
    }
  })
})

test('F60 replicas whose clocks are five minutes apart count in the same window', async () => {
  await using redis = await startRedis()
  const offsets = ['-5m', '+5m']
  await using limited = await startLimited(
    2,
    limitedConfiguration([
      'minute: 20',
      ...BY_HEADER,
      `redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}`,
    ]),
    (i) => ({ wrapper: ['faketime', '-f', offsets[i] ?? '+0'], startMs: 20_000 }),
  )
  await connected(limited)
  await aMinuteWithRoomFor(5_000)
  expect(statuses(await limited.burst(100, 'skewed'))).toEqual({ 200: 20, 429: 80 })
})

test('F59 a wall clock that jumps an hour ahead on one replica opens no window', async () => {
  await using redis = await startRedis()
  await using limited = await startLimited(
    1,
    limitedConfiguration([
      'hour: 20',
      ...BY_HEADER,
      `redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}`,
    ]),
  )
  await using ahead = await startLimited(
    1,
    limitedConfiguration([
      'hour: 20',
      ...BY_HEADER,
      `redis: {host: 127.0.0.1, port: ${redis.port}, deadline: 5000}`,
    ]),
    () => ({ wrapper: ['faketime', '-f', '+1h'], startMs: 20_000 }),
  )
  await connected(limited)
  await connected(ahead)
  expect(statuses(await limited.burst(30, 'jump'))).toEqual({ 200: 20, 429: 10 })
  expect(statuses(await ahead.burst(10, 'jump'))).toEqual({ 429: 10 })
})
