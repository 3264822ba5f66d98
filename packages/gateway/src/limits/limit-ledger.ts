import { setTimeout as sleep } from 'node:timers/promises'
import type { Awaitable, Clock, Decision, Hold, Ledger } from '@pratu/plugin-kit'
import type { RedisConnection, RedisConnections } from '../redis/index.ts'
import { checkLimit } from './check-definition.ts'
import { partition, reserveInTurn, type Part } from './in-turn.ts'
import type { LedgerUsage, MemoryLedger } from './memory-ledger.ts'
import { RedisStore } from './redis-store.ts'
import { RemoteMeter, isRemote } from './remote-meter.ts'
import type { BornStore } from './store-birth.ts'

export interface LimitLedgerOptions {
  readonly memory: MemoryLedger
  readonly connections: RedisConnections
  readonly clock: Clock
  /** Equal for all workers of one process, different for every process. */
  readonly replicaId: string
  /**
   * Whether somebody else counts again what a store has forgotten, such as another thread. Who listens with `onBirth` does
   * so in any case.
   */
  readonly isReplayed?: boolean
}

/** What shared stores have not been told yet. */
export interface CorrectionUsage {
  readonly waitingBytes: number
  /** Given up since the start: too many waited, or the store refused them. */
  readonly lost: number
}

/** The ledger of a worker: every meter counts where its definition says. */
export interface LimitLedger extends Ledger {
  /** What is counted in this process. */
  usage(): LedgerUsage
  corrections(): CorrectionUsage
  /** Whether a store that is in use is away, so that its meters' policies decide. */
  readonly degraded: boolean
  /**
   * Told of every shared store once it is there, and again whenever it has lost its memory. The listener is to count again
   * what was spent before the birth, what was spent while the store was away included: that is not told to it by itself.
   */
  onBirth(listener: (store: BornStore) => void): void
  /** Resolves when the shared stores that are there know of everything that was closed, or after that long. */
  settle(timeoutMs: number): Promise<void>
  close(): void
}

const SETTLE_LOOK_MS = 2

/** Meters in memory answer synchronously and at the memory ledger's own speed, whatever else there is. */
export function createLimitLedger(options: LimitLedgerOptions): LimitLedger {
  const { memory, connections, clock, replicaId, isReplayed = false } = options
  const stores = new Map<RedisConnection, RedisStore>()
  const birthListeners: ((store: BornStore) => void)[] = []
  let lostBefore = 0

  function storeOf(connection: RedisConnection): RedisStore {
    let store = stores.get(connection)
    if (store === undefined) {
      store = new RedisStore({ connection, memory, clock, replicaId, isReplayed })
      for (const listener of birthListeners) store.onBirth(listener)
      stores.set(connection, store)
    }
    return store
  }

  function forget(connection: RedisConnection): void {
    const store = stores.get(connection)
    if (store === undefined) return
    stores.delete(connection)
    store.stop()
    lostBefore += store.corrections.lost
  }

  function reserveElsewhere(holds: readonly Hold[]): Awaitable<Decision> {
    const parts: Part[] = []
    for (const [counting, part] of partition(holds, (hold) =>
      isRemote(hold) ? hold.meter.counting : undefined,
    )) {
      if (counting === undefined) {
        // First: it costs no question, and most refusals are made here.
        parts.unshift({ ...part, reserve: () => memory.reserve(part.holds) })
      } else {
        parts.push({ ...part, reserve: () => counting.reserve(part.holds.filter(isRemote)) })
      }
    }
    const [only] = parts
    if (parts.length === 1 && only !== undefined) return only.reserve()
    return reserveInTurn(parts, holds.length)
  }

  return {
    meter(definition) {
      const { store } = definition
      if (store === undefined) return memory.meter(definition)
      checkLimit(definition)
      const connection = connections.acquire(store.redis)
      const release = (): void => connections.release(connection, () => forget(connection))
      try {
        const counting = storeOf(connection).countingFor(definition, store)
        return new RemoteMeter(definition, store, counting, release)
      } catch (error) {
        release()
        throw error
      }
    },

    reserve(holds) {
      for (const hold of holds) if (isRemote(hold)) return reserveElsewhere(holds)
      return memory.reserve(holds)
    },

    peek: (meter, scope) =>
      meter instanceof RemoteMeter ? meter.counting.peek(meter, scope) : memory.peek(meter, scope),

    reset: (meter, scope) =>
      meter instanceof RemoteMeter
        ? meter.counting.reset(meter, scope)
        : memory.reset(meter, scope),

    record: (meter, scope, amount, atMs) =>
      meter instanceof RemoteMeter
        ? meter.counting.record(meter, scope, amount, atMs)
        : memory.record(meter, scope, amount, atMs),

    usage: () => memory.usage(),

    corrections() {
      let waitingBytes = 0
      let lost = lostBefore
      for (const { corrections } of stores.values()) {
        waitingBytes += corrections.waitingBytes
        lost += corrections.lost
      }
      return { waitingBytes, lost }
    },

    get degraded() {
      return connections.degraded
    },

    onBirth(listener) {
      birthListeners.push(listener)
      for (const store of stores.values()) store.onBirth(listener)
    },

    async settle(timeoutMs) {
      const untilMs = clock.monotonic() + timeoutMs
      while ([...stores.values()].some(({ settled }) => !settled)) {
        if (clock.monotonic() >= untilMs) return
        await sleep(SETTLE_LOOK_MS)
      }
    },

    close() {
      for (const connection of stores.keys()) forget(connection)
      connections.close()
    },
  }
}
