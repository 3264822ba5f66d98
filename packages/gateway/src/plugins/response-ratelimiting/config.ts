import { field } from '../../config/index.ts'
import {
  judgeAliases,
  judgeRedisServers,
  redisMembers,
  redisSettingsOf,
} from '../rate-limiting/redis-members.ts'

/** Kong's periods, the shortest first. */
export const KONG_PERIODS = ['second', 'minute', 'hour', 'day', 'month', 'year'] as const

const amount = () => field.optional(field.number({ gt: 0 }))

const periodLimits = field
  .record({
    second: amount(),
    minute: amount(),
    hour: amount(),
    day: amount(),
    month: amount(),
    year: amount(),
  })
  .check(field.atLeastOneOf(...KONG_PERIODS), field.entityRule(judgeOrder))

/** A limit's name becomes part of the names of header fields. */
const limitName = (name: string): string | undefined =>
  /^[A-Za-z0-9_-]+$/.test(name)
    ? undefined
    : `bad name '${name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`

/** Kong's fields and defaults (kong.md §3.19). */
export const responseRateLimitingSchema = field
  .record({
    limits: field.map(periodLimits, limitName),
    header_name: field.defaulted(field.headerName(), 'x-kong-limit'),
    limit_by: field.enumeration(['consumer', 'credential', 'ip'], 'consumer'),
    policy: field.enumeration(['local', 'redis'], 'local'),
    fault_tolerant: field.boolean(true),
    // Ours.
    on_store_failure: field.optional(field.enumeration(['allow', 'deny', 'local'])),
    block_on_first_violation: field.boolean(false),
    hide_client_headers: field.boolean(false),
    ...redisMembers,
  })
  .check(field.recordRules(judgeLimits), field.recordRules(judgeAliases), judgeRedisServers)
  .transform((config) => ({
    limits: Object.entries(config.limits).flatMap(([name, periods]) =>
      KONG_PERIODS.flatMap((period) => {
        const limit = periods[period]
        return limit === undefined ? [] : [{ name, period, limit }]
      }),
    ),
    headerName: config.header_name.toLowerCase(),
    limitBy: config.limit_by,
    policy: config.policy,
    /** What happens while Redis is away. */
    onStoreFailure: config.on_store_failure ?? (config.fault_tolerant ? 'allow' : 'deny'),
    blockOnFirstViolation: config.block_on_first_violation,
    hideClientHeaders: config.hide_client_headers,
    /** Where `policy: redis` counts; without servers when the policy is another. */
    redis: redisSettingsOf(config),
  }))

export type ResponseRateLimitingConfig = ReturnType<(typeof responseRateLimitingSchema)['parse']>

/** What the rules below look at: members may still be of any type, since rules run beside other problems. */
type Members = Readonly<Record<string, unknown>>

function judgeLimits(config: Members, report: (name: string, message: string) => void): void {
  const { limits } = config
  if (typeof limits !== 'object' || limits === null) return
  if (Object.keys(limits).length === 0) report('limits', 'length must be at least 1')
}

/** A longer period may not have the lower limit. */
function judgeOrder(limits: Members): string | undefined {
  for (const [i, lower] of KONG_PERIODS.entries()) {
    const least = limits[lower]
    if (typeof least !== 'number') continue
    for (const upper of KONG_PERIODS.slice(i + 1)) {
      const limit = limits[upper]
      if (typeof limit === 'number' && limit < least) {
        return `the limit for ${upper}(${limit.toFixed(1)}) cannot be lower than the limit for ${lower}(${least.toFixed(1)})`
      }
    }
  }
  return undefined
}
