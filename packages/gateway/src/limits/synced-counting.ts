import type { Awaitable, Decision, Remaining, Reservation } from '@pratu/plugin-kit'
import type { Amount } from './decision-batch.ts'
import {
  checkAmount,
  isPermanent,
  type RemoteCounting,
  type RemoteHold,
  type RemoteMeter,
} from './remote-meter.ts'

export interface SyncedCountingOptions {
  /** Decides on the first sight of a counter. */
  readonly exact: RemoteCounting
  /** Adds to the shared counters, whatever the limits. @returns their totals, in order; rejects when Redis is away. */
  readonly add: (amounts: readonly Amount[]) => Promise<readonly number[]>
  readonly syncSeconds: number
  /** Monotonic. */
  readonly nowMs: () => number
}

/** A shared counter as this worker knows it. */
interface Known {
  readonly meter: RemoteMeter
  readonly scope: string
  readonly endsAtMs: number
  /** What Redis said last. */
  shared: number
  /** What has been admitted here since, and Redis does not know yet. */
  own: number
  usedAtMs: number
}

/**
 * Counts in memory and exchanges with Redis every so often (Kong's `sync_rate`, kong.md §3.3): no decision waits for
 * Redis but the first about a counter. Each worker may admit what the others have taken since the last exchange.
 */
export class SyncedCounting implements RemoteCounting {
  readonly #options: SyncedCountingOptions
  readonly #known = new Map<string, Known>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: SyncedCountingOptions) {
    this.#options = options
  }

  reserve(holds: readonly RemoteHold[]): Awaitable<Decision> {
    const nowMs = this.#options.nowMs()
    const counters: Known[] = []
    for (const hold of holds) {
      checkAmount(hold)
      const counter = this.#known.get(keyOf(hold))
      if (counter === undefined || nowMs >= counter.endsAtMs) return this.#meet(holds)
      counters.push(counter)
    }
    return decide(holds, counters, nowMs)
  }

  /** What Redis knows, and what it has not been told yet. */
  async peek(meter: RemoteMeter, scope: string): Promise<Remaining> {
    const state = await this.#options.exact.peek(meter, scope)
    const own = this.#known.get(keyOf({ meter, scope }))?.own ?? 0
    if (state.unknown === true || own === 0) return state
    const used = Math.max(0, state.used + own)
    return { ...state, used, remaining: Math.max(0, state.limit - used) }
  }

  async reset(meter: RemoteMeter, scope: string): Promise<void> {
    this.#known.delete(keyOf({ meter, scope }))
    await this.#options.exact.reset(meter, scope)
  }

  record(meter: RemoteMeter, scope: string, amount: number, atMs: number): Awaitable<void> {
    return this.#options.exact.record(meter, scope, amount, atMs)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#known.clear()
  }

  async #meet(holds: readonly RemoteHold[]): Promise<Decision> {
    const decision = await this.#options.exact.reserve(holds)
    const nowMs = this.#options.nowMs()
    for (const [i, { meter, scope }] of holds.entries()) {
      const told = decision.meters[i]
      // While Redis is away nothing is known that could be gone by.
      if (told === undefined || told.unknown === true) continue
      if (told.limit !== meter.definition.limit || (decision.admitted && decision.degraded))
        continue
      const key = keyOf({ meter, scope })
      const before = this.#known.get(key)
      const endsAtMs = nowMs + told.resetMs
      const own = before !== undefined && nowMs < before.endsAtMs ? before.own : 0
      const shared = told.used
      this.#known.set(key, { meter, scope, endsAtMs, shared, own, usedAtMs: nowMs })
    }
    this.#timer ??= this.#start()
    return decision
  }

  #start(): NodeJS.Timeout {
    const timer = setInterval(() => void this.#sync(), this.#options.syncSeconds * 1_000)
    timer.unref()
    return timer
  }

  /** Tells Redis what was admitted here and learns what was elsewhere. Counters that nobody used are forgotten. */
  async #sync(): Promise<void> {
    const nowMs = this.#options.nowMs()
    const idleMs = this.#options.syncSeconds * 2_000
    const told: { readonly counter: Known; readonly amount: Amount }[] = []
    for (const [key, counter] of this.#known) {
      if (nowMs >= counter.endsAtMs || (counter.own === 0 && nowMs - counter.usedAtMs > idleMs)) {
        this.#known.delete(key)
      } else {
        const { meter, scope, own } = counter
        told.push({ counter, amount: { meter, scope, amount: own } })
        counter.shared += own
        counter.own = 0
      }
    }
    if (told.length === 0) return
    try {
      const totals = await this.#options.add(told.map(({ amount }) => amount))
      for (const [i, { counter }] of told.entries()) counter.shared = totals[i] ?? counter.shared
    } catch {
      // As in Kong, Redis never learns of what it was not told in time; here it stays counted until the window ends.
      // The connection has told the log that Redis is away.
    }
  }
}

function keyOf({ meter, scope }: Pick<RemoteHold, 'meter' | 'scope'>): string {
  return `${meter.field}${scope}`
}

function decide(holds: readonly RemoteHold[], counters: readonly Known[], nowMs: number): Decision {
  let refusing = -1
  let latestMs = 0
  for (const [i, { meter, amount }] of holds.entries()) {
    const counter = counters[i]
    if (counter === undefined) continue
    counter.usedAtMs = nowMs
    const { limit, mode } = meter.definition
    const fits = mode === 'report' || counter.shared + counter.own + amount <= limit
    if (fits || counter.endsAtMs <= latestMs) continue
    refusing = i
    latestMs = counter.endsAtMs
  }
  if (refusing < 0) {
    for (const [i, counter] of counters.entries()) counter.own += holds[i]?.amount ?? 0
  }
  const meters = counters.map(({ meter, shared, own, endsAtMs }): Remaining => {
    const { limit } = meter.definition
    const used = Math.max(0, shared + own)
    return { limit, remaining: Math.max(0, limit - used), used, resetMs: endsAtMs - nowMs }
  })
  return refusing < 0
    ? {
        admitted: true,
        degraded: false,
        meters,
        reservation: new KnownReservation(holds, counters),
      }
    : {
        admitted: false,
        hold: refusing,
        retryAfterMs: Math.max(1, latestMs - nowMs),
        permanent: holds.some(isPermanent),
        meters,
      }
}

class KnownReservation implements Reservation {
  closed = false
  readonly #counters: readonly Known[]
  readonly #held: number[]

  constructor(holds: readonly RemoteHold[], counters: readonly Known[]) {
    this.#counters = counters
    this.#held = holds.map(({ amount }) => amount)
  }

  used(hold: number, total: number): 'within' | 'short' {
    return total <= (this.#held[hold] ?? 0) ? 'within' : 'short'
  }

  grow(hold: number, amount: number): boolean {
    const counter = this.#counters[hold]
    const held = this.#held[hold]
    if (this.closed || counter === undefined || held === undefined) return false
    const { limit, mode } = counter.meter.definition
    if (mode !== 'report' && counter.shared + counter.own + amount > limit) return false
    counter.own += amount
    this.#held[hold] = held + amount
    return true
  }

  /** What is given back after an exchange makes `own` negative, and the next exchange tells Redis. */
  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    if (actual === undefined) return
    for (const [i, counter] of this.#counters.entries()) {
      const held = this.#held[i] ?? 0
      counter.own += (actual[i] ?? held) - held
    }
  }
}
