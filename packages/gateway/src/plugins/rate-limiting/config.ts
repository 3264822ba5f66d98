import type { RedisSettings } from '@pratu/plugin-kit'
import type * as z from 'zod'
import { Secret, field } from '../../config/index.ts'
import { PERIODS } from '../../limits/index.ts'

/** Kong's "as soon as possible". */
const NO_SYNC = -1
const LEAST_SYNC_SECONDS = 0.02

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

/** Kong's fields and defaults (kong.md §3.3), the deprecated flat names of the redis fields included. */
export const rateLimitingSchema = field
  .record({
    second: field.optional(field.number({ gt: 0 })),
    minute: field.optional(field.number({ gt: 0 })),
    hour: field.optional(field.number({ gt: 0 })),
    day: field.optional(field.number({ gt: 0 })),
    month: field.optional(field.number({ gt: 0 })),
    year: field.optional(field.number({ gt: 0 })),
    limit_by: field.enumeration(
      ['consumer', 'credential', 'ip', 'service', 'header', 'path'],
      'consumer',
    ),
    header_name: field.optional(field.headerName()),
    path: field.optional(field.path()),
    policy: field.enumeration(['local', 'redis'], 'local'),
    fault_tolerant: field.boolean(true),
    // Ours.
    on_store_failure: field.optional(field.enumeration(['allow', 'deny', 'local'])),
    hide_client_headers: field.boolean(false),
    // Kong takes any number above 0; only a status can be sent.
    error_code: field.defaulted(field.integer({ between: [200, 599] }), 429),
    error_message: field.defaulted(field.string(), 'API rate limit exceeded'),
    sync_rate: field.defaulted(field.number(), NO_SYNC),
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
  })
  .check(
    field.atLeastOneOf(...PERIODS),
    field.entityRule(judgeOrder),
    field.entityRule(judgeSyncRate),
    field.recordRules(judgeRequired),
    field.recordRules(judgeAliases),
    judgeRedisServers,
  )
  .transform((config) => ({
    /** The configured periods, the shortest first; limits as written, so perhaps with a fraction. */
    limits: PERIODS.flatMap((period) => {
      const limit = config[period]
      return limit === undefined ? [] : [{ period, limit }]
    }),
    limitBy: config.limit_by,
    headerName: config.header_name?.toLowerCase(),
    path: config.path,
    policy: config.policy,
    /** What happens while Redis is away. */
    onStoreFailure: config.on_store_failure ?? (config.fault_tolerant ? 'allow' : 'deny'),
    hideClientHeaders: config.hide_client_headers,
    errorCode: config.error_code,
    errorMessage: config.error_message,
    /** Seconds; `undefined`: every decision asks the store. */
    syncRateSeconds: config.sync_rate === NO_SYNC ? undefined : config.sync_rate,
    /** Where `policy: redis` counts; without servers when the policy is another. */
    redis: {
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
    } satisfies RedisSettings,
  }))

export type RateLimitingConfig = ReturnType<(typeof rateLimitingSchema)['parse']>

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

/** A longer period may not have the lower limit. */
function judgeOrder(config: Members): string | undefined {
  for (const [i, lower] of PERIODS.entries()) {
    const least = config[lower]
    if (typeof least !== 'number') continue
    for (const upper of PERIODS.slice(i + 1)) {
      const limit = config[upper]
      if (typeof limit === 'number' && limit < least) {
        return `The limit for ${upper}(${limit.toFixed(1)}) cannot be lower than the limit for ${lower}(${least.toFixed(1)})`
      }
    }
  }
  return undefined
}

function judgeSyncRate({ policy, sync_rate: rate }: Members): string | undefined {
  if (typeof rate !== 'number' || rate === NO_SYNC) return undefined
  if (policy !== 'redis') return 'sync_rate can only be used with the redis policy'
  if (rate >= LEAST_SYNC_SECONDS) return undefined
  return `sync_rate must be greater than ${LEAST_SYNC_SECONDS}, or -1 to disable`
}

const MISSING = 'required field missing'

type Report = (name: string, message: string) => void

function judgeRequired(config: Members, report: Report): void {
  if (config['limit_by'] === 'header' && config['header_name'] === undefined) {
    report('header_name', MISSING)
  }
  if (config['limit_by'] === 'path' && config['path'] === undefined) report('path', MISSING)
}

/** `policy: redis` needs servers of exactly one kind; a missing host is told where Kong tells it. */
function judgeRedisServers(payload: z.core.ParsePayload<Members>): void {
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
function judgeAliases(config: Members, report: Report): void {
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
