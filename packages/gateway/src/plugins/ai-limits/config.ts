import type { MeterWindow, Period, Quantity } from '@pratu/plugin-kit'
import * as z from 'zod'
import { field } from '../../config/index.ts'
import {
  judgeAliases,
  judgeRedisServers,
  redisMembers,
  redisSettingsOf,
} from '../rate-limiting/redis-members.ts'
import { parseDollars, parseDuration } from './amounts.ts'

/** What a crashed process held is free again after this (F70). */
const LEASE_MS = 30_000

/** A window is at least this long, and at most some 400 days. */
const SHORTEST_MS = 1000
const LONGEST_MS = 400 * 86_400_000

/** What the model is expected to write when a request sets no bound and nothing is known of it yet. */
const RESERVE_OUTPUT = 1000

/** Nine million dollars: sums stay whole numbers. */
const MOST_NANO_DOLLARS = 9e15

const PERIODS = [
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'year',
] as const satisfies readonly Period[]

const QUANTITIES = [
  'requests',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'cost',
  'concurrent_requests',
] as const

const SCOPES = [
  'consumer',
  'credential',
  'ip',
  'header',
  'path',
  'route',
  'service',
  'model',
  'tag',
  'everything',
] as const

export type ScopeKind = (typeof SCOPES)[number]

const LIMIT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const names = () => field.optional(field.array(field.string(), { min: 1 }))

const amount = z.union([z.string(), z.number()], {
  error: ({ input }) =>
    input === undefined || input === null
      ? 'required field missing'
      : 'expected a number, or for cost text such as "25.00"',
})

/** One scope or several, which then are counted in combination. */
const scopes = z
  .union([field.enumeration(SCOPES), field.set(field.enumeration(SCOPES), { min: 1 })], {
    error: `expected one or several of: ${SCOPES.join(', ')}`,
  })
  .transform((value) => (typeof value === 'string' ? [value] : value))

const limit = field
  .record({
    name: field.optional(
      field.text((name) =>
        LIMIT_NAME.test(name)
          ? undefined
          : 'a name is up to 64 letters, digits, dots, hyphens and underscores',
      ),
    ),
    quantity: field.enumeration(QUANTITIES),
    limit: amount,
    window: field.optional(field.text(judgeWindow)),
    time_zone: field.optional(field.text(judgeTimeZone)),
    burst: field.optional(amount),
    by: field.defaulted(scopes, ['consumer']),
    header_name: field.optional(field.headerName()),
    tag_prefix: field.optional(field.string()),
    models: names(),
    consumers: names(),
    groups: names(),
    tags: names(),
    mode: field.enumeration(['enforce', 'report'], 'enforce'),
    warn_at: field.defaulted(field.set(field.number({ between: [0.01, 1] })), []),
    on_exhausted: field.enumeration(['cut', 'finish'], 'cut'),
    unpriced: field.enumeration(['allow', 'refuse'], 'allow'),
    reserve_output: field.defaulted(field.integer({ between: [1, 1_000_000] }), RESERVE_OUTPUT),
  })
  .check(field.recordRules(judgeAmounts), field.recordRules(judgeMembers))

/** Ours; the redis members are those of rate-limiting. */
export const aiLimitsSchema = field
  .record({
    limits: field.array(limit, { min: 1 }),
    hide_client_headers: field.boolean(false),
    policy: field.enumeration(['local', 'redis'], 'local'),
    on_store_failure: field.enumeration(['allow', 'deny', 'local'], 'local'),
    ...redisMembers,
  })
  .check(field.recordRules(judgeNames), field.recordRules(judgeAliases), judgeRedisServers)
  .transform((config) => ({
    limits: config.limits.map((written): LimitConfig => toLimit(written)),
    hideClientHeaders: config.hide_client_headers,
    policy: config.policy,
    /** What happens while Redis is away. */
    onStoreFailure: config.on_store_failure,
    /** Where `policy: redis` counts; without servers when the policy is another. */
    redis: redisSettingsOf(config),
  }))

export type AiLimitsConfig = ReturnType<(typeof aiLimitsSchema)['parse']>

export interface LimitConfig {
  readonly name: string
  readonly quantity: Quantity
  /** In the quantity's unit; money in whole nano-dollars. */
  readonly limit: number
  readonly window: MeterWindow
  readonly by: readonly ScopeKind[]
  /** Lower case. */
  readonly headerName: string | undefined
  readonly tagPrefix: string | undefined
  readonly models: readonly string[] | undefined
  readonly consumers: readonly string[] | undefined
  readonly groups: readonly string[] | undefined
  readonly tags: readonly string[] | undefined
  readonly mode: 'enforce' | 'report'
  /** Shares of the limit, ascending. */
  readonly warnAt: readonly number[]
  readonly onExhausted: 'cut' | 'finish'
  readonly unpriced: 'allow' | 'refuse'
  /** Tokens. */
  readonly reserveOutput: number
}

type WrittenLimit = z.output<typeof limit>

function toLimit(written: WrittenLimit): LimitConfig {
  return {
    name: nameOf(written),
    quantity: written.quantity === 'cost' ? 'nano_dollars' : written.quantity,
    limit: unitsOf(written.quantity, written.limit) ?? 1,
    window: windowOf(written),
    by: written.by,
    headerName: written.header_name?.toLowerCase(),
    tagPrefix: written.tag_prefix,
    models: written.models,
    consumers: written.consumers,
    groups: written.groups,
    tags: written.tags,
    mode: written.mode,
    warnAt: written.warn_at.toSorted((a, b) => a - b),
    onExhausted: written.on_exhausted,
    unpriced: written.unpriced,
    reserveOutput: written.reserve_output,
  }
}

function nameOf({
  name,
  quantity,
  window,
}: {
  readonly name?: string | undefined
  readonly quantity: string
  readonly window?: string | undefined
}): string {
  return name ?? (window === undefined ? quantity : `${quantity}-per-${window}`)
}

function unitsOf(quantity: string, written: string | number): number | undefined {
  if (quantity === 'cost') {
    const nanoDollars = parseDollars(written) ?? 0
    return nanoDollars >= 1 && nanoDollars <= MOST_NANO_DOLLARS ? nanoDollars : undefined
  }
  const count = typeof written === 'number' ? written : Number.NaN
  return Number.isSafeInteger(count) && count >= 1 ? count : undefined
}

function windowOf({ quantity, window = 'minute', time_zone, burst }: WrittenLimit): MeterWindow {
  if (quantity === 'concurrent_requests') return { kind: 'concurrency', leaseMs: LEASE_MS }
  if (isPeriod(window)) return { kind: 'calendar', period: window, timeZone: time_zone }
  const lengthMs = parseDuration(window) ?? SHORTEST_MS
  if (burst === undefined) return { kind: 'sliding', lengthMs }
  return { kind: 'gcra', lengthMs, burst: unitsOf(quantity, burst) ?? 1 }
}

function isPeriod(window: string): window is Period {
  return PERIODS.some((period) => period === window)
}

function judgeWindow(window: string): string | undefined {
  if (isPeriod(window)) return undefined
  const lengthMs = parseDuration(window)
  if (lengthMs === undefined) {
    return `expected one of ${PERIODS.join(', ')}, or a length such as 60s, 10m, 24h, 30d`
  }
  return lengthMs >= SHORTEST_MS && lengthMs <= LONGEST_MS
    ? undefined
    : 'a window is between 1s and 400d long'
}

function judgeTimeZone(zone: string): string | undefined {
  try {
    // Throws for a name that it does not know.
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone === ''
      ? 'unknown time zone'
      : undefined
  } catch {
    return `unknown time zone '${zone}', expected a name such as Europe/Berlin`
  }
}

/** What the rules below look at: members may still be of any type, since rules run beside other problems. */
type Members = Readonly<Record<string, unknown>>
type Report = (name: string, message: string) => void

function judgeAmounts({ quantity, limit: most, burst }: Members, report: Report): void {
  if (typeof quantity !== 'string') return
  for (const [name, value] of [
    ['limit', most],
    ['burst', burst],
  ] as const) {
    if (typeof value !== 'string' && typeof value !== 'number') continue
    const units = unitsOf(quantity, value)
    if (units !== undefined) continue
    report(
      name,
      quantity === 'cost'
        ? 'expected dollars from 0.000000001 to 9000000, with at most nine decimals'
        : 'expected a whole number from 1',
    )
  }
}

function judgeMembers(members: Members, report: Report): void {
  const { quantity, window, time_zone: zone, burst, by } = members
  const isHeld = quantity === 'concurrent_requests'
  if (isHeld && window !== undefined) report('window', 'what is held at once has no window')
  if (!isHeld && window === undefined) report('window', 'required field missing')
  const calendar = typeof window === 'string' && isPeriod(window)
  if (zone !== undefined && !calendar) report('time_zone', `is only for ${PERIODS.join(', ')}`)
  if (burst !== undefined && (calendar || isHeld)) {
    report('burst', 'is only for a window with a length, such as 60s')
  }
  const kinds = Array.isArray(by) ? by : [by]
  if (kinds.includes('header') !== (members['header_name'] !== undefined)) {
    report('header_name', 'goes together with `by: header`')
  }
  if (kinds.includes('tag') !== (members['tag_prefix'] !== undefined)) {
    report('tag_prefix', 'goes together with `by: tag`')
  }
  if (kinds.includes('everything') && kinds.length > 1) {
    report('by', 'everything stands alone')
  }
}

/** Counters and metrics go by the name. */
function judgeNames({ limits }: Members, report: Report): void {
  if (!Array.isArray(limits)) return
  const seen = new Set<string>()
  for (const written of limits) {
    const name = nameOf({
      name: textMember(written, 'name'),
      quantity: textMember(written, 'quantity') ?? '',
      window: textMember(written, 'window'),
    })
    if (seen.has(name)) report('limits', `two limits are called '${name}': give them a name`)
    seen.add(name)
  }
}

function textMember(record: unknown, name: string): string | undefined {
  if (typeof record !== 'object' || record === null) return undefined
  const value: unknown = Reflect.get(record, name)
  return typeof value === 'string' ? value : undefined
}
