import { describe, expect, test } from 'vitest'
import { limitedConfiguration, startLimited, statuses, type Limited } from '../limits/limited.ts'
import { startCluster, startRedis, startSentinel, until } from '../limits/redis-server.ts'
import { scrape, sumOf } from '../metrics-text.ts'
import { aMinuteWithRoomFor } from '../minute.ts'

const limits = (redis: string): string =>
  limitedConfiguration([
    'minute: 100',
    'limit_by: header',
    'header_name: x-who',
    'policy: redis',
    `redis: {${redis}}`,
  ])

async function inUse({ gateways }: Limited, timeoutMs?: number): Promise<void> {
  for (const { adminUrl } of gateways) {
    await until(
      'Redis is in use',
      async () => sumOf((await scrape(adminUrl)).samples, 'pratu_limits_degraded') === 0,
      timeoutMs,
    )
  }
}

/** Until requests are counted again, on every gateway. */
async function counting(limited: Limited, timeoutMs: number): Promise<void> {
  let round = 0
  await until(
    'requests are limited',
    async () => {
      round += 1
      const answers = await limited.burst(limited.gateways.length * 2, `probe-${round}`)
      return answers.every(({ headers }) => headers['x-ratelimit-limit-minute'] === '100')
    },
    timeoutMs,
  )
}

describe('F65 failover', () => {
  test('a master that becomes a replica is left, and used again when it is a master again', async () => {
    await using other = await startRedis()
    await using redis = await startRedis()
    await using limited = await startLimited(2, limits(`host: 127.0.0.1, port: ${redis.port}`))
    await inUse(limited)
    await redis.client.call('REPLICAOF', '127.0.0.1', String(other.port))
    await until('the gateway has noticed', async () => {
      const answers = await limited.burst(20, 'read-only')
      return answers.every(({ headers }) => headers['x-ratelimit-limit-minute'] === undefined)
    })
    expect(statuses(await limited.burst(20, 'read-only'))).toEqual({ 200: 20 })
    await redis.client.call('REPLICAOF', 'NO', 'ONE')
    await counting(limited, 5_000)
    await aMinuteWithRoomFor(5_000)
    expect(statuses(await limited.burst(200, 'after'))).toEqual({ 200: 100, 429: 100 })
  })

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'Sentinel: the master gets %s, the new one counts within 5 s of its election',
    async (signal) => {
      await using master = await startRedis()
      await using replica = await startRedis({
        args: ['--replicaof', '127.0.0.1', String(master.port)],
      })
      await using sentinel = await startSentinel('limits', master.port)
      await using limited = await startLimited(
        2,
        limits(
          `sentinel_master: limits, sentinel_nodes: [{host: 127.0.0.1, port: ${sentinel.port}}]`,
        ),
      )
      await inUse(limited)
      await aMinuteWithRoomFor(20_000)
      expect(statuses(await limited.burst(60, 'kept'))).toEqual({ 200: 60 })
      await until('the replica has it', async () => {
        const fields = await replica.client.hvals('pratu:limits:{kept}')
        return fields[0]?.endsWith(':60') === true
      })
      master.signal(signal)
      await until('a new master is elected', async () =>
        (await replica.client.info('replication')).includes('role:master'),
      )
      await counting(limited, 5_000)
      // What was replicated is still counted.
      expect(statuses(await limited.burst(60, 'kept'))).toEqual({ 200: 40, 429: 20 })
      master.signal('SIGCONT')
    },
  )

  test('Cluster: a master is killed; the others count on, and its replica takes over', async () => {
    await using cluster = await startCluster()
    const nodes = cluster.nodes.map(({ port }) => `{ip: 127.0.0.1, port: ${port}}`).join(', ')
    await using limited = await startLimited(2, limits(`cluster_nodes: [${nodes}], deadline: 1000`))
    await inUse(limited)
    await cluster.nodes[0]?.kill()
    await until(
      'a replica has taken over',
      async () => {
        const infos = await Promise.all(
          cluster.nodes.slice(3).map(({ client }) => client.info('replication')),
        )
        return infos.some((info) => info.includes('role:master'))
      },
      20_000,
    )
    // 24 scopes a round: the slots of the new master are among them.
    let round = 0
    await until('every slot is counted', async () => {
      round += 1
      const bursts = Array.from({ length: 24 }, (_, i) => limited.burst(2, `probe-${round}-${i}`))
      const answers = (await Promise.all(bursts)).flat()
      return answers.every(({ headers }) => headers['x-ratelimit-limit-minute'] === '100')
    })
    await aMinuteWithRoomFor(5_000)
    for (const scope of ['a', 'b', 'c', 'd', 'e', 'f']) {
      expect(statuses(await limited.burst(120, scope)), scope).toEqual({ 200: 100, 429: 20 })
    }
  })
})

describe('F66 a Redis that forgets', () => {
  test('SCRIPT FLUSH in mid-run costs nothing', async () => {
    await using redis = await startRedis()
    await using limited = await startLimited(
      2,
      limits(`host: 127.0.0.1, port: ${redis.port}, deadline: 5000`),
    )
    await inUse(limited)
    await aMinuteWithRoomFor(5_000)
    const bursts: Promise<readonly { readonly status: number }[]>[] = []
    for (let i = 0; i < 10; i++) {
      bursts.push(limited.burst(50, 'flushed'))
      await redis.client.script('FLUSH')
    }
    const answers = (await Promise.all(bursts)).flat()
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(400)
  })

  test('one that evicts is warned about, once', async () => {
    await using redis = await startRedis({
      args: ['--maxmemory', '8mb', '--maxmemory-policy', 'allkeys-lru'],
    })
    await using limited = await startLimited(1, limits(`host: 127.0.0.1, port: ${redis.port}`))
    const isWarning = (line: Readonly<Record<string, unknown>>): boolean =>
      line['maxmemory_policy'] === 'allkeys-lru'
    const line = await limited.gateways[0]?.waitForLog(isWarning)
    expect(line).toMatchObject({ level: 'warn', redis: `127.0.0.1:${redis.port}/0` })
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await limited.gateways[0]?.waitForLog(({ msg }) => msg === 'Redis is back')
    await inUse(limited)
    expect(limited.gateways[0]?.log.filter(isWarning)).toHaveLength(1)
  })

  test('one that is full and does not evict is told as away, and never falls back in silence', async () => {
    await using redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] })
    await using limited = await startLimited(1, limits(`host: 127.0.0.1, port: ${redis.port}`))
    await inUse(limited)
    await redis.client.config('SET', 'maxmemory', '1mb')
    await redis.client.set('ballast', 'x'.repeat(2_000_000)).catch(() => undefined)
    await until('it is told', async () => {
      await limited.burst(5, 'full')
      const { samples } = await scrape(limited.gateways[0]?.adminUrl ?? '')
      return sumOf(samples, 'pratu_limits_degraded') === 1
    })
    const line = await limited.gateways[0]?.waitForLog(({ msg }) => msg === 'Redis is away')
    expect(String(line?.['reason'])).toContain('OOM')
    await redis.client.config('SET', 'maxmemory', '0')
    await inUse(limited, 3_000)
  })
})
