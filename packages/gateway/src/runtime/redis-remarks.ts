import { getCACertificates } from 'node:tls'
import type { RedisSettings } from '@pratu/plugin-kit'
import type { Entities, NodeSettings, PluginEntity, Problem } from '../config/index.ts'
import { connectionKey, describeRedis, inspectRedis } from '../redis/index.ts'

/** For all of them together: who checks a file does not wait for a network. */
const LOOK_MS = 2_000

export interface RedisRemarksOptions {
  readonly entities: Entities
  readonly settings: NodeSettings
  /** Where an entity is written. */
  readonly pathOf: (entityId: string) => Problem['path'] | undefined
  readonly timeoutMs?: number
}

/**
 * Looks at every Redis that limits count in, as far as it can be reached from here, as a gateway does when it connects.
 *
 * @returns warnings, at the first plugin that uses it.
 */
export async function remarkOnRedis(options: RedisRemarksOptions): Promise<readonly Problem[]> {
  const { entities, settings, pathOf, timeoutMs = LOOK_MS } = options
  const { caBundle } = settings.upstream
  const ca = caBundle === undefined ? undefined : [...getCACertificates('default'), caBundle]
  const servers = new Map<
    string,
    { readonly plugin: PluginEntity; readonly redis: RedisSettings }
  >()
  for (const plugin of entities.plugins) {
    const redis = plugin.enabled ? redisOf(plugin.config) : undefined
    if (redis === undefined) continue
    const key = connectionKey(redis)
    if (!servers.has(key)) servers.set(key, { plugin, redis })
  }
  const remarks = await Promise.all(
    [...servers.values()].map(async ({ plugin, redis }) => {
      const findings = await inspectRedis(redis, { ca, timeoutMs })
      return findings.map(({ code, message, detail }): Problem => ({
        severity: 'warning',
        code: `redis-${code}`,
        path: [...(pathOf(plugin.id) ?? []), 'config'],
        message: `${describeRedis(redis)}: ${message}${detailText(detail)}`,
      }))
    }),
  )
  return remarks.flat()
}

function detailText(detail: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(detail).map(([name, value]) => `${name} ${String(value)}`)
  return members.length === 0 ? '' : ` (${members.join(', ')})`
}

/** What the schemas of plugins that limit make of their `redis`, while their policy asks for it. */
function redisOf(config: unknown): RedisSettings | undefined {
  if (typeof config !== 'object' || config === null) return undefined
  if (!('policy' in config) || config.policy !== 'redis' || !('redis' in config)) return undefined
  return isRedisSettings(config.redis) ? config.redis : undefined
}

function isRedisSettings(value: unknown): value is RedisSettings {
  return (
    typeof value === 'object' &&
    value !== null &&
    'topology' in value &&
    'nodes' in value &&
    Array.isArray(value.nodes) &&
    value.nodes.length > 0 &&
    'timeoutMs' in value
  )
}
