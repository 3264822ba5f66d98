import type { Problem } from '../diagnostics.ts'
import type { PluginEntity } from '../entities.ts'
import { LIMITERS, type Subject } from './subject.ts'

/** Counters in a Redis that may throw them away. */
export function sharedRedis(subject: Subject): readonly Problem[] {
  const users = subject.plugins.flatMap((plugin) => {
    const address = redisAddress(subject, plugin)
    return address === undefined ? [] : [{ plugin, address }]
  })
  const limiter = users.find(({ plugin }) => LIMITERS.has(plugin.name))
  if (limiter === undefined) return []
  const cache = users.find(
    ({ plugin, address }) => plugin.name.includes('cache') && address === limiter.address,
  )
  return [
    {
      severity: cache === undefined ? 'advice' : 'warning',
      code: 'shared-redis',
      path: subject.place(limiter.plugin, 'config'),
      message:
        cache === undefined
          ? `${limiter.plugin.name} counts in the Redis at ${limiter.address}: if that Redis evicts keys when its memory is full, counters vanish and limits start again`
          : `${limiter.plugin.name} counts in the Redis at ${limiter.address}, which ${cache.plugin.name} fills: when its memory is full, an evicting Redis throws counters away and limits start again`,
      hint: 'check with `redis-cli CONFIG GET maxmemory-policy`: allkeys-lru, allkeys-lfu and allkeys-random evict counters. Give the counters a Redis of their own that does not evict',
      fix: [
        '# arguments of the Redis that holds the counters',
        'args:',
        '- --maxmemory-policy',
        '- noeviction',
      ].join('\n'),
    },
  ]
}

/** `host:port` of the Redis that the entry uses, in Kong's present or older spelling. */
function redisAddress(subject: Subject, plugin: PluginEntity): string | undefined {
  const config = (...member: string[]): unknown => subject.writtenAs(plugin, 'config', ...member)
  if (config('policy') !== 'redis' && config('strategy') !== 'redis') return undefined
  const host = config('redis', 'host') ?? config('redis_host') ?? '127.0.0.1'
  const port = config('redis', 'port') ?? config('redis_port') ?? 6379
  const isAddress = typeof host === 'string' && typeof port === 'number'
  return isAddress ? `${host}:${port}` : undefined
}
