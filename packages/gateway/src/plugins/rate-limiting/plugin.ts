import {
  createNoteKey,
  definePlugin,
  refuse,
  type Exchange,
  type Hold,
  type Plugin,
  type PluginCounter,
  type RedisLimitStore,
  type Remaining,
} from '@pratu/plugin-kit'
import { rateLimitShare, seriesLabels } from '../../observe/index.ts'
import { rateLimitingSchema, type RateLimitingConfig } from './config.ts'
import { setRateLimitHeaders, showLimit } from './headers.ts'
import { createScope } from './scope.ts'

/** Kong's id of what a plugin is not attached to. */
const NOWHERE = '00000000-0000-0000-0000-000000000000'

interface Verdict {
  readonly meters: readonly Remaining[]
  readonly refused: boolean
}

const VERDICT = createNoteKey<Verdict>('rate-limiting')

/**
 * Admits so many requests per calendar second … year (kong.md §3.3). A request that is refused is counted in no period;
 * counters belong to the scope of the plugin, not of the request. They are exact for the whole process, and with
 * `policy: redis` for all replicas (F68).
 */
export const rateLimiting = definePlugin<RateLimitingConfig>({
  name: 'rate-limiting',
  priority: 910,
  schema: rateLimitingSchema,

  create(config, context): Plugin {
    const { clock, compatibility, instance, ledger, metrics } = context
    const scopeOf = createScope(config)
    const refusal = refuse(config.errorCode, 'rate_limit_exceeded', config.errorMessage)
    const place = `${instance.routeId ?? NOWHERE}:${instance.serviceId ?? NOWHERE}`
    const limits = config.limits.map(({ period, limit }) => showLimit(period, limit))
    const store = storeOf(config, compatibility)
    const meters = limits.map(({ period, admitted }) =>
      ledger.meter({
        id: `ratelimit:${place}:${period}`,
        quantity: 'requests',
        window: { kind: 'calendar', period },
        limit: admitted,
        store,
      }),
    )
    const shares = limits.map(({ period, limit }) => rateLimitShare(period, limit))
    /** A counter per period, by route: as many as the configuration has routes. */
    const countersByRoute = new Map<string, readonly PluginCounter[]>()

    function countersOf({ route, service }: Exchange): readonly PluginCounter[] {
      const key = route?.id ?? ''
      let counters = countersByRoute.get(key)
      if (counters === undefined) {
        const series =
          route === undefined ? { service: '', route: '' } : seriesLabels(route, service)
        counters = limits.map(({ period }) =>
          metrics.counter('kong_rate_limiting_count_total', [series.service, series.route, period]),
        )
        countersByRoute.set(key, counters)
      }
      return counters
    }

    return {
      holds(exchange) {
        const scope = scopeOf(exchange)
        const holds: Hold[] = []
        for (const meter of meters) holds.push({ meter, scope, amount: 1 })
        return holds
      },

      admitted(exchange, remaining) {
        // Kong sends no headers either when Redis is away and nobody counts.
        if (remaining.some(({ unknown }) => unknown === true)) return
        exchange.setNote(VERDICT, { meters: remaining, refused: false })
        const counters = countersOf(exchange)
        for (let i = 0; i < shares.length; i++) counters[i]?.add(shares[i] ?? 0)
      },

      refused(exchange, { meters: remaining }) {
        exchange.setNote(VERDICT, { meters: remaining, refused: true })
        return refusal
      },

      responseHeaders(exchange, head) {
        if (config.hideClientHeaders) return
        const verdict = exchange.note(VERDICT)
        if (verdict === undefined) return
        const { meters: states, refused } = verdict
        const isAi = exchange.errorShape !== 'kong'
        setRateLimitHeaders(head.headers, limits, states, refused, clock.now(), isAi)
      },

      dispose() {
        for (const meter of meters) meter.release?.()
      },
    }
  },
})

function storeOf(
  config: RateLimitingConfig,
  compatibility: 'pratu' | 'kong',
): RedisLimitStore | undefined {
  if (config.policy === 'local') return undefined
  return {
    kind: 'redis',
    redis: config.redis,
    onFailure: config.onStoreFailure,
    counting: compatibility === 'kong' ? 'kong' : 'admitted',
    syncSeconds: config.syncRateSeconds,
  }
}
