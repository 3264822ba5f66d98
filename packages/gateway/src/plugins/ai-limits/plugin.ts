import {
  createNoteKey,
  definePlugin,
  type Exchange,
  type ModelCall,
  type Plugin,
  type RedisLimitStore,
} from '@pratu/plugin-kit'
import { aiLimitsSchema, type AiLimitsConfig } from './config.ts'
import { Limit } from './limit.ts'
import { LimitSeries } from './limit-series.ts'
import { LimitSpending } from './limit-spending.ts'
import { Observer, type LimitTaken } from './observer.ts'
import { unpricedRefusal } from './refusal.ts'
import { UsualOutput } from './usual-output.ts'
import { Warnings } from './warnings.ts'

/** What was asked at admission, in the order of its holds. */
const TAKEN = createNoteKey<readonly LimitTaken[]>('ai-limits-taken')

/** A limit and where it is told. */
type Told = Pick<LimitTaken, 'limit' | 'series'>

/**
 * Limits requests, tokens, money and concurrency, for consumers, models, tags and more. What headers tell is taken with
 * every other limit at admission, the rest right before the upstream call, and settled at what the call really used.
 */
export const aiLimits = definePlugin<AiLimitsConfig>({
  name: 'ai-limits',
  priority: 905,
  schema: aiLimitsSchema,

  create(config, context): Plugin {
    const { clock, instance, ledger, log, metrics } = context
    const usual = context.keep('usual-output', () => new UsualOutput())
    const warnings = context.keep('warnings', () => new Warnings())
    const reserved = context.keep('reserved', () => new Map<string, number>())
    const observer = new Observer(clock, log, warnings)
    const deps = { ledger, instanceId: instance.id, store: storeOf(config), usual }
    const limits = config.limits.map((limit): Told => ({
      limit: new Limit(limit, deps),
      series: new LimitSeries(metrics, limit, reserved),
    }))
    const early = limits.filter(({ limit }) => limit.atAdmission)
    const late = limits.filter(({ limit }) => !limit.atAdmission)
    const needPrice = late.filter(({ limit }) => limit.config.unpriced === 'refuse')

    const admission: Pick<Plugin, 'holds' | 'admitted' | 'refused'> = {
      holds(exchange) {
        const taken = take(early, exchange, undefined)
        exchange.setNote(TAKEN, taken)
        return taken.map(({ hold }) => hold)
      },

      admitted(exchange, remaining) {
        for (const [i, taken] of (exchange.note(TAKEN) ?? []).entries()) {
          const state = remaining[i]
          if (state === undefined) continue
          taken.series.used(exchange, taken.hold.amount)
          observer.admitted(exchange, taken, state)
        }
      },

      refused: (exchange, refusal) =>
        observer.refused(exchange, exchange.note(TAKEN) ?? [], refusal),
    }

    const spending: Pick<Plugin, 'spends'> = {
      spends(exchange, call) {
        const taken = take(late, exchange, call)
        if (taken.length === 0) return undefined
        if (call !== undefined && needPrice.length > 0 && lacksPrice(taken, call)) {
          return unpricedRefusal()
        }
        return new LimitSpending(exchange, call, taken, observer, usual)
      },
    }

    return {
      // Only what there is a limit for: the phases of a plan cost each request.
      ...(early.length > 0 ? admission : {}),
      ...(late.length > 0 ? spending : {}),

      responseHeaders(exchange, head) {
        if (!config.hideClientHeaders) observer.setHeaders(exchange, head)
      },

      dispose() {
        for (const { limit } of limits) limit.meter.release?.()
      },
    }
  },
})

function take(
  limits: readonly Told[],
  exchange: Exchange,
  call: ModelCall | undefined,
): readonly LimitTaken[] {
  const taken: LimitTaken[] = []
  for (const { limit, series } of limits) {
    const hold = limit.hold(exchange, call)
    if (hold !== undefined) taken.push({ limit, series, hold })
  }
  return taken
}

function lacksPrice(taken: readonly LimitTaken[], call: ModelCall): boolean {
  return taken.some(({ limit }) => limit.refusesUnpriced(call))
}

function storeOf(config: AiLimitsConfig): RedisLimitStore | undefined {
  if (config.policy === 'local') return undefined
  return {
    kind: 'redis',
    redis: config.redis,
    onFailure: config.onStoreFailure,
    counting: 'admitted',
    syncSeconds: undefined,
  }
}
