import type { RedisSettings } from '@pratu/plugin-kit'
import * as z from 'zod'
import { Secret, field } from '../../config/index.ts'

const timeout = () => field.integer({ between: [0, 2_147_483_646] })

/**
 * Longest that a request waits for Redis unless `redis.deadline` says otherwise: a frozen Redis must not be felt (F62),
 * and files that Kong exported all say `timeout: 2000`.
 */
const DEADLINE_MS = 100

/** Kong's, each with a deprecated flat twin `redis_<name>`. */
const redisFields = {
  host: field.optional(field.host()),
  port: field.optional(field.port().meta({ default: 6379 })),
  timeout: field.optional(timeout().meta({ default: 2000 })),
  username: field.optional(field.secret()),
  password: field.optional(field.secret({ min: 0 })),
  database: field.optional(field.integer().meta({ default: 0 })),
  ssl: field.optional(field.boolean().meta({ default: false })),
  ssl_verify: field.optional(field.boolean().meta({ default: false })),
  server_name: field.optional(field.host()),
}

/** Ours; for Sentinel and Cluster spelt as Kong Enterprise spells them. */
const ownRedisFields = {
  deadline: field.optional(field.timeoutMs()),
  sentinel_master: field.optional(field.string()),
  sentinel_nodes: field.optional(
    field.array(
      field.record({
        host: field.defaulted(field.host(), '127.0.0.1'),
        port: field.defaulted(field.port(), 6379),
      }),
      { min: 1 },
    ),
  ),
  sentinel_username: field.optional(field.secret()),
  sentinel_password: field.optional(field.secret()),
  cluster_nodes: field.optional(
    field.array(
      field.record({
        ip: field.defaulted(field.host(), '127.0.0.1'),
        port: field.defaulted(field.port(), 6379),
      }),
      { min: 1 },
    ),
  ),
}

/** Where `policy: redis` counts: the nested record and Kong's deprecated flat names, for every plugin that limits. */
export const redisMembers = {
  redis: field.filled(field.record({ ...redisFields, ...ownRedisFields })),
  redis_host: redisFields.host,
  redis_port: redisFields.port,
  redis_timeout: redisFields.timeout,
  redis_username: redisFields.username,
  redis_password: redisFields.password,
  redis_database: redisFields.database,
  redis_ssl: redisFields.ssl,
  redis_ssl_verify: redisFields.ssl_verify,
  redis_server_name: redisFields.server_name,
}

const members = z.object(redisMembers)

/** Without servers when the policy is another. */
export function redisSettingsOf(config: z.output<typeof members>): RedisSettings {
  return {
    topology: topologyOf(config.redis),
    nodes: nodesOf(
      config.redis,
      config.redis.host ?? config.redis_host,
      config.redis.port ?? config.redis_port ?? 6379,
    ),
    masterName: config.redis.sentinel_master,
    username: config.redis.username ?? config.redis_username,
    password: config.redis.password ?? config.redis_password,
    sentinelUsername: config.redis.sentinel_username,
    sentinelPassword: config.redis.sentinel_password,
    database: config.redis.database ?? config.redis_database ?? 0,
    tls:
      (config.redis.ssl ?? config.redis_ssl ?? false)
        ? {
            verify: config.redis.ssl_verify ?? config.redis_ssl_verify ?? false,
            serverName: config.redis.server_name ?? config.redis_server_name,
          }
        : undefined,
    timeoutMs: config.redis.deadline ?? deadlineOf(config.redis.timeout ?? config.redis_timeout),
  }
}

interface RedisServers {
  readonly sentinel_nodes?: readonly { readonly host: string; readonly port: number }[] | undefined
  readonly cluster_nodes?: readonly { readonly ip: string; readonly port: number }[] | undefined
}

function topologyOf(redis: RedisServers): RedisSettings['topology'] {
  if (redis.cluster_nodes !== undefined) return 'cluster'
  return redis.sentinel_nodes === undefined ? 'single' : 'sentinel'
}

function nodesOf(
  { cluster_nodes: cluster, sentinel_nodes: sentinels }: RedisServers,
  host: string | undefined,
  port: number,
): RedisSettings['nodes'] {
  if (cluster !== undefined) return cluster.map((node) => ({ host: node.ip, port: node.port }))
  return sentinels ?? (host === undefined ? [] : [{ host, port }])
}

function deadlineOf(timeoutMs = 0): number {
  return timeoutMs === 0 ? DEADLINE_MS : Math.min(timeoutMs, DEADLINE_MS)
}

/** What the rules below look at: members may still be of any type, since rules run beside other problems. */
type Members = Readonly<Record<string, unknown>>

const MISSING = 'required field missing'

type Report = (name: string, message: string) => void

/** `policy: redis` needs servers of exactly one kind; a missing host is told where Kong tells it. */
export function judgeRedisServers(payload: z.core.ParsePayload<Members>): void {
  const { value } = payload
  const report = (name: string, message: string): void => {
    payload.issues.push({ code: 'custom', message, path: ['redis', name], input: value })
  }
  const host = value['redis_host'] ?? redisMember(value, 'host')
  const sentinels = redisMember(value, 'sentinel_nodes')
  const cluster = redisMember(value, 'cluster_nodes')
  if (sentinels !== undefined && redisMember(value, 'sentinel_master') === undefined) {
    report('sentinel_master', MISSING)
  }
  if (sentinels !== undefined && cluster !== undefined) {
    report('cluster_nodes', 'give either sentinel_nodes or cluster_nodes')
  }
  const database = value['redis_database'] ?? redisMember(value, 'database') ?? 0
  if (cluster !== undefined && database !== 0) report('database', 'a Redis cluster has only 0')
  if (value['policy'] !== 'redis' || host !== undefined) return
  if (sentinels === undefined && cluster === undefined) report('host', MISSING)
}

/** Both spellings of a redis field may be given when they agree. */
export function judgeAliases(config: Members, report: Report): void {
  for (const name of Object.keys(redisFields)) {
    const alias = `redis_${name}`
    const old = config[alias]
    const current = redisMember(config, name)
    if (old === undefined || current === undefined || plain(old) === plain(current)) continue
    report(
      alias,
      `both deprecated and new field are used but their values mismatch: ${alias} = ${shown(old)} vs redis.${name} = ${shown(current)}`,
    )
  }
}

function redisMember({ redis }: Members, name: string): unknown {
  if (typeof redis !== 'object' || redis === null) return undefined
  return Object.entries(redis).find(([member]) => member === name)?.[1]
}

function shown(value: unknown): string {
  return value instanceof Secret ? String(value) : JSON.stringify(value).replaceAll('"', '')
}

function plain(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value
}
