import { field } from '../../config/index.ts'
import { PERIODS } from '../../limits/index.ts'
import { judgeAliases, judgeRedisServers, redisMembers, redisSettingsOf } from './redis-members.ts'

/** Kong's "as soon as possible". */
const NO_SYNC = -1
const LEAST_SYNC_SECONDS = 0.02

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
    ...redisMembers,
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
    redis: redisSettingsOf(config),
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
