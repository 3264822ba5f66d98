import type { Clock, Decision, Remaining, Reservation } from '@pratu/plugin-kit'
import { RedisUnavailable, type RedisConnection } from '../redis/index.ts'
import { calendarWindow, PERIOD_SECONDS } from './calendar-window.ts'
import type { Amount } from './decision-batch.ts'
import { COUNT_AS_KONG, FORGET_AS_KONG } from './redis-scripts.ts'
import {
  checkAmount,
  isPermanent,
  type RemoteCounting,
  type RemoteHold,
  type RemoteMeter,
} from './remote-meter.ts'
import { unknownState, type StoreFailure } from './store-failure.ts'

/** Kong gives nothing back. */
const NOTHING_TO_GIVE_BACK: Reservation = {
  closed: true,
  used: () => 'within',
  grow: () => false,
  close: () => undefined,
}

export interface KongCountingOptions {
  readonly connection: RedisConnection
  readonly failure: StoreFailure
  readonly clock: Clock
}

/**
 * Kong's own counting in Redis (kong.md §3.3): every period's counter grows before the decision and by itself, so that
 * refused requests are counted, in the longer periods too; keys are Kong's, so that both can count together during a
 * migration. Windows are those of this machine's clock, as in Kong.
 */
export class KongCounting implements RemoteCounting {
  readonly #connection: RedisConnection
  readonly #failure: StoreFailure
  readonly #clock: Clock

  constructor({ connection, failure, clock }: KongCountingOptions) {
    this.#connection = connection
    this.#failure = failure
    this.#clock = clock
  }

  async reserve(holds: readonly RemoteHold[]): Promise<Decision> {
    for (const hold of holds) checkAmount(hold)
    const nowMs = this.#clock.now()
    try {
      return decide(holds, await this.add(holds), nowMs)
    } catch (error) {
      return this.#failure.decide(holds, error)
    }
  }

  async peek(meter: RemoteMeter, scope: string): Promise<Remaining> {
    try {
      const [used = 0] = await this.add([{ meter, scope, amount: 0 }])
      const { limit } = meter.definition
      const nowMs = this.#clock.now()
      const resetMs = calendarWindow(meter.period, nowMs).endMs - nowMs
      return { limit, remaining: Math.max(0, limit - used), used, resetMs }
    } catch (error) {
      if (error instanceof RedisUnavailable) return unknownState(meter)
      throw error
    }
  }

  /** @throws {RedisUnavailable} */
  async reset(meter: RemoteMeter, scope: string): Promise<void> {
    const key = keyOf(meter, scope, this.#clock.now())
    await this.#connection.evaluate(FORGET_AS_KONG, [key], [])
  }

  /** @throws {RedisUnavailable} */
  async record(meter: RemoteMeter, scope: string, amount: number, atMs: number): Promise<void> {
    const { startMs, endMs } = calendarWindow(meter.period, this.#clock.now())
    if (atMs < startMs || atMs >= endMs) return
    await this.add([{ meter, scope, amount }])
  }

  /**
   * Adds to the counters, whatever the limits. The commands leave together.
   *
   * @returns the totals, in order.
   * @throws {RedisUnavailable}
   */
  add(amounts: readonly Amount[]): Promise<number[]> {
    const nowMs = this.#clock.now()
    return Promise.all(
      amounts.map(async ({ meter, scope, amount }) => {
        const key = keyOf(meter, scope, nowMs)
        // A counter lives for its period from its first increment on.
        const values = [amount, PERIOD_SECONDS[meter.period]]
        return Number(await this.#connection.evaluate(COUNT_AS_KONG, [key], values))
      }),
    )
  }
}

/** Kong's own key. */
function keyOf({ period, definition }: RemoteMeter, scope: string, nowMs: number): string {
  const prefix = definition.id.slice(0, -(period.length + 1))
  return `${prefix}:${scope}:${calendarWindow(period, nowMs).startMs}:${period}`
}

/** Kong refuses when before this request nothing was left; what it shows of other periods then is not decremented. */
function decide(holds: readonly RemoteHold[], totals: readonly number[], nowMs: number): Decision {
  const left = holds.map(
    ({ meter, amount }, i) => meter.definition.limit - ((totals[i] ?? 0) - amount),
  )
  let refusing = -1
  let latestMs = 0
  const ends = holds.map(({ meter }) => calendarWindow(meter.period, nowMs).endMs)
  for (const [i, { amount }] of holds.entries()) {
    const endMs = ends[i] ?? 0
    if ((left[i] ?? 0) >= amount || endMs <= latestMs) continue
    refusing = i
    latestMs = endMs
  }
  const meters = holds.map(({ meter, amount }, i): Remaining => {
    const before = left[i] ?? 0
    const shown = refusing < 0 || before < amount ? before - amount : before
    return {
      limit: meter.definition.limit,
      remaining: Math.max(0, shown),
      used: Math.max(0, meter.definition.limit - shown),
      resetMs: (ends[i] ?? nowMs) - nowMs,
    }
  })
  if (refusing >= 0) {
    return {
      admitted: false,
      hold: refusing,
      retryAfterMs: Math.max(1, latestMs - nowMs),
      permanent: holds.some(isPermanent),
      meters,
    }
  }
  return { admitted: true, degraded: false, meters, reservation: NOTHING_TO_GIVE_BACK }
}
