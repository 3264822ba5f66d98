import type { Awaitable, Decision, Remaining, Reservation } from '@pratu/plugin-kit'
import type { RedisConnection } from '../redis/index.ts'
import { calendarWindow, type CalendarWindow } from './calendar-window.ts'
import { Corrections, type Correction } from './corrections.ts'
import { DecisionBatch } from './decision-batch.ts'
import { partition, reserveInTurn } from './in-turn.ts'
import {
  checkAmount,
  isRemote,
  scopeKey,
  type RemoteCounting,
  type RemoteHold,
} from './remote-meter.ts'
import type { StoreFailure } from './store-failure.ts'

/** Reservations in one script call: some ms of Redis's time at most, so that others are not kept waiting. */
const MAX_BATCH = 200

/** A reservation that waits for Redis. */
interface Asked {
  readonly holds: readonly RemoteHold[]
  readonly resolve: (decision: Decision) => void
  readonly reject: (error: unknown) => void
}

interface Lane {
  readonly batch: DecisionBatch
  readonly asked: Asked[]
}

/**
 * Counts in Redis, exactly, for all replicas: every decision is made inside Redis. What is asked in one turn of the
 * event loop travels together, in one round trip.
 */
export class ExactCounting implements RemoteCounting {
  readonly #connection: RedisConnection
  readonly #failure: StoreFailure
  readonly #corrections: Corrections
  /** By slot: the scope's key in a cluster, else one for all. */
  readonly #lanes = new Map<string, Lane>()
  #scheduled = false

  constructor(connection: RedisConnection, failure: StoreFailure) {
    this.#connection = connection
    this.#failure = failure
    this.#corrections = new Corrections(connection)
  }

  reserve(holds: readonly RemoteHold[]): Awaitable<Decision> {
    for (const hold of holds) checkAmount(hold)
    if (!this.#connection.isUp && !this.#connection.isConnecting) {
      return this.#failure.decide(holds, undefined)
    }
    if (!this.#connection.isCluster) return this.#ask('', holds)
    const first = holds[0]?.scope ?? ''
    if (holds.every(({ scope }) => scope === first)) return this.#ask(scopeKey(first), holds)
    const parts = [...partition(holds, ({ scope }) => scope)].map(([scope, part]) => ({
      ...part,
      reserve: () => this.#ask(scopeKey(scope), part.holds.filter(isRemote)),
    }))
    return reserveInTurn(parts, holds.length)
  }

  #ask(laneKey: string, holds: readonly RemoteHold[]): Promise<Decision> {
    let lane = this.#lanes.get(laneKey)
    if (lane === undefined) {
      this.#lanes.set(laneKey, (lane = { batch: new DecisionBatch(), asked: [] }))
    }
    lane.batch.add(holds)
    const { asked } = lane
    const decision = new Promise<Decision>((resolve, reject) => {
      asked.push({ holds, resolve, reject })
    })
    if (asked.length >= MAX_BATCH) {
      this.#lanes.delete(laneKey)
      void this.#send(lane)
    } else if (!this.#scheduled) {
      this.#scheduled = true
      // After all requests that have arrived in this turn of the event loop.
      setImmediate(() => this.#sendAll())
    }
    return decision
  }

  #sendAll(): void {
    this.#scheduled = false
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const lane of lanes) void this.#send(lane)
  }

  async #send({ batch, asked }: Lane): Promise<void> {
    try {
      const answer = await batch.send(this.#connection, (late) => this.#cameLate(late, asked))
      this.#distribute(answer, asked)
    } catch (error) {
      for (const { holds, resolve, reject } of asked) {
        try {
          resolve(this.#failure.decide(holds, error))
        } catch (denied) {
          reject(denied)
        }
      }
    }
  }

  #distribute(answer: readonly number[], asked: readonly Asked[]): void {
    const nowMs = answer[0] ?? 0
    const windows = new Map<string, CalendarWindow>()
    let at = 1
    for (const { holds, resolve } of asked) {
      const refusing = answer[at++] ?? -1
      const meters: Remaining[] = []
      for (const { meter } of holds) {
        let window = windows.get(meter.period)
        if (window === undefined) {
          windows.set(meter.period, (window = calendarWindow(meter.period, nowMs)))
        }
        const { limit } = meter.definition
        meters.push({ limit, remaining: answer[at++] ?? 0, resetMs: window.endMs - nowMs })
      }
      if (refusing >= 0) {
        const retryAfterMs = meters[refusing]?.resetMs ?? 0
        resolve({ admitted: false, hold: refusing, retryAfterMs, meters })
      } else {
        const reservation = new RemoteReservation(holds, nowMs, this.#corrections)
        resolve({ admitted: true, degraded: false, meters, reservation })
      }
    }
  }

  /** Who was denied because the answer took too long is not charged for it. */
  #cameLate(answer: readonly number[], asked: readonly Asked[]): void {
    const nowMs = answer[0] ?? 0
    let at = 1
    for (const { holds } of asked) {
      const admitted = answer[at] === -1
      at += 1 + holds.length
      if (!admitted || holds.every(({ meter }) => meter.store.onFailure !== 'deny')) continue
      new RemoteReservation(holds, nowMs, this.#corrections).close(holds.map(() => 0))
    }
  }
}

class RemoteReservation implements Reservation {
  closed = false
  readonly #holds: readonly RemoteHold[]
  readonly #takenAtMs: number
  readonly #corrections: Corrections

  constructor(holds: readonly RemoteHold[], takenAtMs: number, corrections: Corrections) {
    this.#holds = holds
    this.#takenAtMs = takenAtMs
    this.#corrections = corrections
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    if (actual === undefined) return
    for (const [i, { meter, scope, amount }] of this.#holds.entries()) {
      const difference = (actual[i] ?? amount) - amount
      if (difference === 0) continue
      const { ordinal } = calendarWindow(meter.period, this.#takenAtMs)
      const correction: Correction = {
        key: scopeKey(scope),
        field: meter.field,
        ordinal,
        difference,
      }
      this.#corrections.add(correction)
    }
  }
}
