import type { Awaitable, Clock, Decision, Hold, Ledger, RedisLimitStore } from '@pratu/plugin-kit'
import type { RedisConnection, RedisConnections } from '../redis/index.ts'
import { addUnlimited } from './decision-batch.ts'
import { ExactCounting } from './exact-counting.ts'
import { partition, reserveInTurn, type Part } from './in-turn.ts'
import { KongCounting } from './kong-counting.ts'
import { checkLimit, type LedgerUsage, type MemoryLedger } from './memory-ledger.ts'
import { RemoteMeter, isRemote, type RemoteCounting } from './remote-meter.ts'
import { ReplicaCount } from './replica-count.ts'
import { StoreFailure } from './store-failure.ts'
import { SyncedCounting } from './synced-counting.ts'

export interface LimitLedgerOptions {
  readonly memory: MemoryLedger
  readonly connections: RedisConnections
  readonly clock: Clock
  /** Equal for all workers of one process, different for every process. */
  readonly replicaId: string
}

/** The ledger of a worker: every meter counts where its definition says. */
export interface LimitLedger extends Ledger {
  /** What is counted in this process. */
  usage(): LedgerUsage
  /** Whether a store that is in use is away, so that its meters' policies decide. */
  readonly degraded: boolean
  close(): void
}

/** Everything that counts over one connection. */
interface Store {
  readonly failure: StoreFailure
  readonly replicas: ReplicaCount
  readonly countings: Map<string, RemoteCounting>
}

/** Meters in memory answer synchronously and at the memory ledger's own speed, whatever else there is. */
export function createLimitLedger(options: LimitLedgerOptions): LimitLedger {
  const { memory, connections, clock, replicaId } = options
  const nowMs = (): number => clock.monotonic()
  const stores = new Map<RedisConnection, Store>()

  function storeOf(connection: RedisConnection): Store {
    let store = stores.get(connection)
    if (store === undefined) {
      const replicas = new ReplicaCount({ connection, replicaId, nowMs })
      store = { replicas, failure: new StoreFailure(memory, replicas), countings: new Map() }
      stores.set(connection, store)
    }
    return store
  }

  function countingOf(connection: RedisConnection, definition: RedisLimitStore): RemoteCounting {
    const { failure, replicas, countings } = storeOf(connection)
    if (definition.onFailure === 'local') replicas.start()
    const { counting, syncSeconds } = definition
    const key = `${counting} ${syncSeconds ?? ''}`
    let known = countings.get(key)
    if (known !== undefined) return known
    const kong = counting === 'kong' ? new KongCounting({ connection, failure, clock }) : undefined
    const exact = kong ?? new ExactCounting(connection, failure)
    if (syncSeconds === undefined) known = exact
    else {
      known = new SyncedCounting({
        exact,
        add: (amounts) => kong?.add(amounts) ?? addUnlimited(connection, amounts),
        syncSeconds,
        nowMs,
      })
    }
    countings.set(key, known)
    return known
  }

  function forget(connection: RedisConnection): void {
    const store = stores.get(connection)
    stores.delete(connection)
    store?.replicas.stop()
    for (const counting of store?.countings.values() ?? []) {
      if (counting instanceof SyncedCounting) counting.stop()
    }
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
      return new RemoteMeter(definition, store, countingOf(connection, store), () =>
        connections.release(connection, () => forget(connection)),
      )
    },

    reserve(holds) {
      for (const hold of holds) if (isRemote(hold)) return reserveElsewhere(holds)
      return memory.reserve(holds)
    },

    usage: () => memory.usage(),

    get degraded() {
      return connections.degraded
    },

    close() {
      for (const connection of stores.keys()) forget(connection)
      connections.close()
    },
  }
}
