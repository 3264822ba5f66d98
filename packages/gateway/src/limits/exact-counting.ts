import type { Awaitable, Decision, Remaining } from '@pratu/plugin-kit'
import { RedisUnavailable, type RedisConnection } from '../redis/index.ts'
import { DecisionBatch, addUnlimited, toldAt, type Told } from './decision-batch.ts'
import { partition, reserveInTurn } from './in-turn.ts'
import { RESET } from './redis-scripts.ts'
import {
  checkAmount,
  isRemote,
  scopeKey,
  type RemoteCounting,
  type RemoteHold,
  type RemoteMeter,
} from './remote-meter.ts'
import { RemoteReservation, type Settling } from './remote-reservation.ts'
import { unknownState, type StoreFailure } from './store-failure.ts'

/** Reservations in one script call: some ms of Redis's time at most, so that others are not kept waiting. */
const MAX_BATCH = 200

/** A reservation that waits for Redis. */
interface Asked {
  readonly holds: readonly RemoteHold[]
  readonly firstLease: number
  readonly resolve: (decision: Decision) => void
  readonly reject: (error: unknown) => void
  /** What was admitted without Redis, since it did not answer in time. */
  instead: RemoteReservation | undefined
}

interface Lane {
  readonly batch: DecisionBatch
  readonly asked: Asked[]
}

export interface ExactCountingOptions extends Omit<Settling, 'reserve'> {
  readonly connection: RedisConnection
  readonly failure: StoreFailure
}

/**
 * Counts in Redis, exactly, for all replicas: every decision is made inside Redis. What is asked in one turn of the
 * event loop travels together, in one round trip.
 */
export class ExactCounting implements RemoteCounting {
  readonly #connection: RedisConnection
  readonly #failure: StoreFailure
  readonly #settling: Settling
  /** By slot: the scope's key in a cluster, else one for all. */
  readonly #lanes = new Map<string, Lane>()
  #scheduled = false

  constructor({ connection, failure, ...settling }: ExactCountingOptions) {
    this.#connection = connection
    this.#failure = failure
    this.#settling = { ...settling, reserve: (holds) => this.reserve(holds) }
  }

  reserve(holds: readonly RemoteHold[]): Awaitable<Decision> {
    for (const hold of holds) checkAmount(hold)
    if (!this.#connection.isUp && !this.#connection.isConnecting) {
      return this.#decideWithout(holds, this.#numberLeases(holds), undefined).decision
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

  async peek(meter: RemoteMeter, scope: string): Promise<Remaining> {
    try {
      const asked = { connection: this.#connection, time: this.#settling.time }
      const [told] = await addUnlimited(asked, [{ meter, scope, amount: 0 }])
      return told === undefined ? unknownState(meter) : stateOf(meter, told)
    } catch (error) {
      if (error instanceof RedisUnavailable) return unknownState(meter)
      throw error
    }
  }

  /** @throws {RedisUnavailable} */
  async reset(meter: RemoteMeter, scope: string): Promise<void> {
    if (meter.isLeased) return
    await this.#connection.evaluate(RESET, [meter.keyOf(scope)], [meter.field])
  }

  /** Resolves when Redis has it, however long it is away. @throws {RedisUnavailable} when too much waits for it. */
  async record(meter: RemoteMeter, scope: string, amount: number, atMs: number): Promise<void> {
    checkAmount({ meter, scope, amount })
    if (!meter.isLeased) await this.#settling.corrections.record(meter, scope, amount, atMs)
  }

  #ask(laneKey: string, holds: readonly RemoteHold[]): Promise<Decision> {
    let lane = this.#lanes.get(laneKey)
    if (lane === undefined) {
      const { leases, time } = this.#settling
      const batch = new DecisionBatch({ connection: this.#connection, time, holder: leases.holder })
      this.#lanes.set(laneKey, (lane = { batch, asked: [] }))
    }
    const firstLease = this.#numberLeases(holds)
    lane.batch.add(holds, firstLease)
    const { asked } = lane
    const decision = new Promise<Decision>((resolve, reject) => {
      asked.push({ holds, firstLease, resolve, reject, instead: undefined })
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

  /** @returns the number of the first lease that is asked for, 0 for none. */
  #numberLeases(holds: readonly RemoteHold[]): number {
    let count = 0
    for (const { meter, amount } of holds) if (meter.isLeased) count += amount
    return count === 0 ? 0 : this.#settling.leases.number(count)
  }

  #sendAll(): void {
    this.#scheduled = false
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const lane of lanes) void this.#send(lane)
  }

  async #send({ batch, asked }: Lane): Promise<void> {
    try {
      const answer = await batch.send((late) => this.#cameLate(late, asked))
      this.#distribute(answer, asked)
    } catch (error) {
      for (const one of asked) {
        try {
          const { decision, reservation } = this.#decideWithout(one.holds, one.firstLease, error)
          one.instead = reservation
          one.resolve(decision)
        } catch (denied) {
          one.reject(denied)
        }
      }
    }
  }

  /** @throws what the policy `deny` throws. */
  #decideWithout(
    holds: readonly RemoteHold[],
    firstLease: number,
    cause: unknown,
  ): { readonly decision: Decision; readonly reservation: RemoteReservation | undefined } {
    const decision = this.#failure.decide(holds, cause)
    if (!decision.admitted) return { decision, reservation: undefined }
    const reservation = new RemoteReservation({
      holds,
      firstLease,
      marks: undefined,
      local: decision.reservation,
      settling: this.#settling,
    })
    return { decision: { ...decision, reservation }, reservation }
  }

  #distribute(answer: readonly number[], asked: readonly Asked[]): void {
    let at = 1
    for (const { holds, firstLease, resolve } of asked) {
      const refusing = answer[at] ?? -1
      const waitMs = answer[at + 1] ?? 0
      at += 2
      const meters: Remaining[] = []
      const marks: number[] = []
      for (const { meter } of holds) {
        const told = toldAt(answer, at)
        meters.push(stateOf(meter, told))
        marks.push(told.mark)
        at += 3
      }
      if (refusing >= 0) {
        const permanent = waitMs < 0
        const retryAfterMs = Math.max(1, permanent ? (meters[refusing]?.resetMs ?? 1) : waitMs)
        resolve({ admitted: false, hold: refusing, retryAfterMs, permanent, meters })
      } else {
        const settling = this.#settling
        const reservation = new RemoteReservation({ holds, firstLease, marks, settling })
        resolve({ admitted: true, degraded: false, meters, reservation })
      }
    }
  }

  /** Who was denied because the answer took too long is not charged for it. */
  #cameLate(answer: readonly number[], asked: readonly Asked[]): void {
    let at = 1
    for (const { holds, firstLease, instead } of asked) {
      const admitted = answer[at] === -1
      at += 2
      const marks = holds.map((_, i) => toldAt(answer, at + 3 * i).mark)
      at += 3 * holds.length
      if (!admitted) continue
      if (instead !== undefined) instead.counted(marks)
      else {
        const settling = this.#settling
        const taken = new RemoteReservation({ holds, firstLease, marks, settling })
        taken.close(holds.map(() => 0))
      }
    }
  }
}

function stateOf({ definition }: RemoteMeter, { used, resetMs }: Told): Remaining {
  const { limit, window } = definition
  // Of GCRA no more than its burst is admitted at once.
  const most = window.kind === 'gcra' ? window.burst : limit
  return { limit, remaining: Math.max(0, most - used), used, resetMs }
}
