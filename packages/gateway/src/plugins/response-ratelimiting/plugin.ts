import {
  createNoteKey,
  definePlugin,
  refuse,
  type Awaitable,
  type BodyFilter,
  type Exchange,
  type Meter,
  type Plugin,
  type RedisLimitStore,
  type Remaining,
  type Reply,
  type ResponseHead,
} from '@pratu/plugin-kit'
import { responseRateLimitingSchema, type ResponseRateLimitingConfig } from './config.ts'
import { readDeclaredUse } from './declared-use.ts'

/** Kong's id of what a plugin is not attached to. */
const NOWHERE = '00000000-0000-0000-0000-000000000000'

/** One period of one limit. */
interface Limit {
  readonly name: string
  readonly meter: Meter
  /** As configured; may have a fraction, while the meter's limit is rounded up. */
  readonly shown: string
  /** What the meter's limit has more than the configured one. */
  readonly rounding: number
  readonly limitField: string
  readonly remainingField: string
}

/** What `access` found, for the response. */
interface Usage {
  readonly scope: string
  readonly states: readonly Remaining[]
}

const USAGE = createNoteKey<Usage>('response-ratelimiting')
const STOPPED = createNoteKey<true>('response-ratelimiting-stopped')

/** What a body filter does with a response that was stopped. */
const EMPTY_BODY: BodyFilter = { write: () => undefined, end: () => undefined }

/**
 * Limits what upstreams say that their responses used, in a field of the response (kong.md §3.19). A response that uses
 * more of a limit that is used up is replaced by an empty 429; the upstream was called by then, unless
 * `block_on_first_violation` refuses the next request before.
 */
export const responseRateLimiting = definePlugin<ResponseRateLimitingConfig>({
  name: 'response-ratelimiting',
  priority: 900,
  schema: responseRateLimitingSchema,

  create(config, { clock, instance, ledger, log }): Plugin {
    const place = `${instance.routeId ?? NOWHERE}:${instance.serviceId ?? NOWHERE}`
    const store = storeOf(config)
    const limits = config.limits.map(({ name, period, limit }): Limit => {
      const admitted = Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(limit))
      return {
        name,
        meter: ledger.meter({
          id: `response-ratelimit:${place}:${name}:${period}`,
          quantity: 'requests',
          window: { kind: 'calendar', period },
          limit: admitted,
          store,
        }),
        shown: String(limit),
        rounding: admitted - limit,
        limitField: `X-RateLimit-Limit-${name}-${period}`,
        remainingField: `X-RateLimit-Remaining-${name}-${period}`,
      }
    })
    const names = new Set(limits.map(({ name }) => name))
    const refusals = new Map(
      [...names].map((name) => [
        name,
        refuse(429, 'rate_limit_exceeded', `API rate limit exceeded for '${name}'`),
      ]),
    )
    const scopeOf = createScope(config.limitBy)

    /** Tells the upstream what is left, or refuses. */
    function decide(exchange: Exchange, usage: Usage): Reply | undefined {
      // Kong goes on without counting and without fields while Redis is away.
      if (usage.states.some(({ unknown }) => unknown === true)) return undefined
      exchange.setNote(USAGE, usage)
      const least = new Map<string, number>()
      for (const [i, { name, rounding }] of limits.entries()) {
        const left = leftOf(usage.states[i], rounding)
        if (config.blockOnFirstViolation && left <= 0) return refusals.get(name)
        least.set(name, Math.min(left, least.get(name) ?? Number.POSITIVE_INFINITY))
      }
      for (const [name, left] of least) {
        exchange.upstream.headers.set(`X-RateLimit-Remaining-${name}`, String(left))
      }
      return undefined
    }

    let failing = false

    /** The response is on its way already: a store that is away costs the count, not the answer. */
    function record(meter: Meter, scope: string, used: number): void {
      const fail = (error: unknown): void => {
        if (!failing) log.warn('what responses use is not counted', { error: String(error) })
        failing = true
      }
      try {
        const counted = ledger.record(meter, scope, used, clock.now())
        if (!(counted instanceof Promise)) return
        counted.then(() => {
          failing = false
        }, fail)
      } catch (error) {
        fail(error)
      }
    }

    /** Counts what was declared. @returns whether some of it was beyond a limit. */
    function count(head: ResponseHead, { scope, states }: Usage): boolean {
      const use = readDeclaredUse(head.headers.all(config.headerName), names)
      let stop = false
      for (const [
        i,
        { name, meter, shown, rounding, limitField, remainingField },
      ] of limits.entries()) {
        const left = leftOf(states[i], rounding)
        const used = use.get(name) ?? 0
        if (used > 0) {
          if (left <= 0) stop = true
          record(meter, scope, used)
        }
        if (config.hideClientHeaders) continue
        head.headers.set(limitField, shown)
        head.headers.set(remainingField, String(Math.max(0, left - used)))
      }
      return stop
    }

    return {
      access(exchange) {
        const scope = scopeOf(exchange)
        const states = together(limits.map(({ meter }) => ledger.peek(meter, scope)))
        return states instanceof Promise
          ? states.then((late) => decide(exchange, { scope, states: late }))
          : decide(exchange, { scope, states })
      },

      responseHeaders(exchange, head) {
        const usage = exchange.note(USAGE)
        if (usage === undefined) return
        const stop = count(head, usage)
        head.headers.delete(config.headerName)
        if (!stop) return
        exchange.setNote(STOPPED, true)
        head.status = 429
        for (const name of BODY_FIELDS) head.headers.delete(name)
      },

      responseBody(exchange) {
        return exchange.note(STOPPED) === true ? EMPTY_BODY : undefined
      },

      dispose() {
        for (const { meter } of limits) meter.release?.()
      },
    }
  },
})

/** Fields that speak of a body that is not sent. */
const BODY_FIELDS = ['content-type', 'content-encoding', 'content-length', 'etag', 'last-modified']

function leftOf(state: Remaining | undefined, rounding: number): number {
  return Math.max(0, (state?.remaining ?? 0) - rounding)
}

/** A state per meter; without a promise where none answered with one. */
function together(states: readonly Awaitable<Remaining>[]): Awaitable<readonly Remaining[]> {
  const known: Remaining[] = []
  for (const state of states) {
    if (state instanceof Promise) return Promise.all(states.map(async (one) => one))
    known.push(state)
  }
  return known
}

/** Whom use is counted for; without such a thing on the request, its client's address. */
function createScope(
  limitBy: ResponseRateLimitingConfig['limitBy'],
): (exchange: Exchange) => string {
  switch (limitBy) {
    case 'consumer':
      return ({ consumer, credential, request }) =>
        consumer?.id ?? credential?.id ?? request.clientIp
    case 'credential':
      return ({ credential, request }) => credential?.id ?? request.clientIp
    case 'ip':
      return ({ request }) => request.clientIp
  }
}

function storeOf(config: ResponseRateLimitingConfig): RedisLimitStore | undefined {
  if (config.policy === 'local') return undefined
  return {
    kind: 'redis',
    redis: config.redis,
    onFailure: config.onStoreFailure,
    counting: 'admitted',
    syncSeconds: undefined,
  }
}
