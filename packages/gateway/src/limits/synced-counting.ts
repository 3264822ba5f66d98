import type { Awaitable, Decision, Remaining, Reservation } from '@pratu/plugin-kit'
import type { Amount } from './decision-batch.ts'
import {
  checkAmount,
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
      const shared = meter.definition.limit - told.remaining
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
    const fits = counter.shared + counter.own + amount <= meter.definition.limit
    if (fits || counter.endsAtMs <= latestMs) continue
    refusing = i
    latestMs = counter.endsAtMs
  }
  if (refusing < 0) {
    for (const [i, counter] of counters.entries()) counter.own += holds[i]?.amount ?? 0
  }
  const meters = counters.map(({ meter, shared, own, endsAtMs }): Remaining => {
    const { limit } = meter.definition
    return { limit, remaining: Math.max(0, limit - shared - own), resetMs: endsAtMs - nowMs }
  })
  return refusing < 0
    ? {
        admitted: true,
        degraded: false,
        meters,
        reservation: new KnownReservation(holds, counters),
      }
    : { admitted: false, hold: refusing, retryAfterMs: latestMs - nowMs, meters }
}

class KnownReservation implements Reservation {
  closed = false
  readonly #holds: readonly RemoteHold[]
  readonly #counters: readonly Known[]

  constructor(holds: readonly RemoteHold[], counters: readonly Known[]) {
    this.#holds = holds
    this.#counters = counters
  }

  /** What is given back after an exchange makes `own` negative, and the next exchange tells Redis. */
  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    if (actual === undefined) return
    for (const [i, counter] of this.#counters.entries()) {
      const held = this.#holds[i]?.amount ?? 0
      counter.own += (actual[i] ?? held) - held
    }
  }
}
