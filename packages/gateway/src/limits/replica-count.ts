import type { RedisConnection } from '../redis/index.ts'
import { HEARTBEAT } from './redis-scripts.ts'

const KEY = 'pratu:replicas'
const BEAT_MS = 1_000
/** A replica that is silent for so long counts as gone. */
const GONE_MS = 10_000

export interface ReplicaCountOptions {
  readonly connection: RedisConnection
  /** Equal for all workers of one process, different for every process. */
  readonly replicaId: string
  /** Monotonic. */
  readonly nowMs: () => number
}

/**
 * How many replicas share a Redis, by heartbeats through it. While Redis is away the last number stands; it never falls
 * at once, since after a restart Redis hears of one replica after the other.
 */
export class ReplicaCount {
  readonly #options: ReplicaCountOptions
  #readings: { readonly atMs: number; readonly replicas: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(options: ReplicaCountOptions) {
    this.#options = options
  }

  get replicas(): number {
    return this.#readings.reduce((most, { replicas }) => Math.max(most, replicas), 1)
  }

  /** Does nothing when it has been started. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => void this.#beat(), BEAT_MS)
    this.#timer.unref()
    this.#options.connection.onUp(() => void this.#beat())
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #beat(): Promise<void> {
    const { connection, replicaId, nowMs } = this.#options
    if (!connection.isUp) return
    try {
      const replicas = await connection.evaluate(HEARTBEAT, [KEY], [replicaId, GONE_MS])
      if (typeof replicas !== 'number') return
      const atMs = nowMs()
      this.#readings = this.#readings.filter((reading) => atMs - reading.atMs < GONE_MS)
      this.#readings.push({ atMs, replicas })
    } catch {
      // The connection tells the log that Redis is away; the next beat comes when it is back.
    }
  }
}
