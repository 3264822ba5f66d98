import { randomBytes } from 'node:crypto'
import type { Clock, Meter, MeterDefinition, RedisLimitStore } from '@pratu/plugin-kit'
import type { RedisConnection } from '../redis/index.ts'
import { Corrections } from './corrections.ts'
import { addUnlimited } from './decision-batch.ts'
import { ExactCounting } from './exact-counting.ts'
import { KongCounting } from './kong-counting.ts'
import { Leases } from './leases.ts'
import type { MemoryLedger } from './memory-ledger.ts'
import { RedisTime } from './redis-time.ts'
import { RemoteMeter, type RemoteCounting } from './remote-meter.ts'
import { ReplicaCount } from './replica-count.ts'
import { StoreBirth, type BornStore } from './store-birth.ts'
import { StoreFailure } from './store-failure.ts'
import { SyncedCounting } from './synced-counting.ts'

/** Of a name that no other process and worker has, and none has had. */
const NAME_BYTES = 9

export interface RedisStoreOptions {
  readonly connection: RedisConnection
  /** Counts while Redis is away. */
  readonly memory: MemoryLedger
  readonly clock: Clock
  /** Equal for all workers of one process, different for every process. */
  readonly replicaId: string
  /** Whether somebody counts again what Redis has forgotten, see `LimitLedger.onBirth`. */
  readonly isReplayed: boolean
}

/** Everything that one worker counts over one connection. */
export class RedisStore {
  readonly corrections: Corrections
  readonly leases: Leases
  readonly #options: RedisStoreOptions
  readonly #time: RedisTime
  readonly #birth: StoreBirth
  readonly #replicas: ReplicaCount
  readonly #failure: StoreFailure
  readonly #countings = new Map<string, RemoteCounting>()

  constructor(options: RedisStoreOptions) {
    this.#options = options
    const { connection, memory, clock, replicaId, isReplayed } = options
    const nowMs = (): number => clock.monotonic()
    const name = randomBytes(NAME_BYTES).toString('base64url')
    this.#time = new RedisTime(clock.now(), nowMs)
    this.#replicas = new ReplicaCount({ connection, replicaId, nowMs })
    this.#failure = new StoreFailure({ memory, replicas: this.#replicas })
    this.corrections = new Corrections({
      connection,
      sender: name,
      time: this.#time,
      isReplayed: () => isReplayed || this.#birth.isHeard,
    })
    this.#birth = new StoreBirth({
      connection,
      onReborn: () => this.corrections.reborn(),
      onFound: () => this.corrections.resume(),
    })
    this.leases = new Leases({ connection, holder: name, nowMs })
  }

  /** @throws {RangeError} when the store cannot count such a window. */
  countingFor(definition: MeterDefinition, store: RedisLimitStore): RemoteCounting {
    if (store.onFailure === 'local') this.#replicas.start()
    const { window } = definition
    const isUtc = window.kind === 'calendar' && window.timeZone === undefined
    if (store.counting === 'kong' && !isUtc) {
      throw new RangeError(`meter ${definition.id}: Kong counts windows of the UTC calendar only`)
    }
    // What lasts as long as a stream, or is forgotten bit by bit, has no total that could be exchanged.
    const syncSeconds = window.kind === 'calendar' ? store.syncSeconds : undefined
    const key = `${store.counting} ${syncSeconds ?? ''}`
    let counting = this.#countings.get(key)
    if (counting === undefined) {
      counting = this.#create(store.counting, syncSeconds)
      this.#countings.set(key, counting)
    }
    return counting
  }

  onBirth(listener: (store: BornStore) => void): void {
    this.#birth.onBirth((bornAtMs) => {
      listener({
        bornAtMs,
        counts: (meter) => this.#counts(meter),
        claim: (source) => this.#birth.claim(bornAtMs, source),
      })
    })
  }

  #counts(meter: Meter): boolean {
    if (!(meter instanceof RemoteMeter)) return false
    return [...this.#countings.values()].includes(meter.counting)
  }

  /** Whether Redis has been told of everything that was closed, or is away. */
  get settled(): boolean {
    if (!this.#options.connection.isUp) return true
    return this.corrections.settled && this.leases.settled
  }

  stop(): void {
    this.#replicas.stop()
    this.#birth.stop()
    this.corrections.stop()
    this.leases.stop()
    for (const counting of this.#countings.values()) {
      if (counting instanceof SyncedCounting) counting.stop()
    }
  }

  #create(how: RedisLimitStore['counting'], syncSeconds: number | undefined): RemoteCounting {
    const { connection, clock } = this.#options
    const failure = this.#failure
    const { corrections, leases } = this
    const time = this.#time
    const birth = this.#birth
    const kong = how === 'kong' ? new KongCounting({ connection, failure, clock }) : undefined
    const exact =
      kong ?? new ExactCounting({ connection, failure, corrections, leases, time, birth })
    if (syncSeconds === undefined) return exact
    return new SyncedCounting({
      exact,
      add: async (amounts) =>
        kong?.add(amounts) ??
        (await addUnlimited({ connection, time }, amounts)).map(({ used }) => used),
      syncSeconds,
      nowMs: () => clock.monotonic(),
    })
  }
}
