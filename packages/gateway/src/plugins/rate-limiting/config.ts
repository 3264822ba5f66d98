import type { Period } from '@pratu/plugin-kit'
import type * as z from 'zod'
import { Secret, field } from '../../config/index.ts'

/** From the shortest to the longest. */
const PERIODS = [
  'second',
  'minute',
  'hour',
  'day',
  'month',
  'year',
] as const satisfies readonly Period[]

/** Kong's "as soon as possible". */
const NO_SYNC = -1
const LEAST_SYNC_SECONDS = 0.02

const timeout = () => field.integer({ between: [0, 2_147_483_646] })

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
    hide_client_headers: field.boolean(false),
    // Kong takes any number above 0; only a status can be sent.
    error_code: field.defaulted(field.integer({ between: [200, 599] }), 429),
    error_message: field.defaulted(field.string(), 'API rate limit exceeded'),
    sync_rate: field.defaulted(field.number(), NO_SYNC),
    redis: field.filled(field.record(redisFields)),
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
    requireRedisHost,
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
    faultTolerant: config.fault_tolerant,
    hideClientHeaders: config.hide_client_headers,
    errorCode: config.error_code,
    errorMessage: config.error_message,
    /** Seconds; `undefined`: every decision asks the store. */
    syncRateSeconds: config.sync_rate === NO_SYNC ? undefined : config.sync_rate,
    redis: {
      host: config.redis.host ?? config.redis_host,
      port: config.redis.port ?? config.redis_port ?? 6379,
      timeoutMs: config.redis.timeout ?? config.redis_timeout ?? 2000,
      username: config.redis.username ?? config.redis_username,
      password: config.redis.password ?? config.redis_password,
      database: config.redis.database ?? config.redis_database ?? 0,
      ssl: config.redis.ssl ?? config.redis_ssl ?? false,
      sslVerify: config.redis.ssl_verify ?? config.redis_ssl_verify ?? false,
      serverName: config.redis.server_name ?? config.redis_server_name,
    },
  }))

export type RateLimitingConfig = ReturnType<(typeof rateLimitingSchema)['parse']>

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

/** `policy: redis` needs a host under either name; the problem is told where Kong tells it. */
function requireRedisHost(payload: z.core.ParsePayload<Members>): void {
  const { value } = payload
  if (value['policy'] !== 'redis' || value['redis_host'] !== undefined) return
  if (redisMember(value, 'host') !== undefined) return
  payload.issues.push({ code: 'custom', message: MISSING, path: ['redis', 'host'], input: value })
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
