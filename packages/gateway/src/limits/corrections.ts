import type { RedisConnection } from '../redis/index.ts'
import { CORRECT } from './redis-scripts.ts'

/** What is to be added to a counter (or, negative, given back), if its window is still the one it was taken from. */
export interface Correction {
  readonly key: string
  readonly field: string
  readonly ordinal: number
  readonly difference: number
}

const MAX_BATCH = 500

/** Corrects counters after the fact, off every request's path, many at a time. */
export class Corrections {
  readonly #connection: RedisConnection
  #waiting: Correction[] = []
  #scheduled = false

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  add(correction: Correction): void {
    this.#waiting.push(correction)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#send())
  }

  #send(): void {
    this.#scheduled = false
    const waiting = this.#waiting
    this.#waiting = []
    const batches = this.#connection.isCluster
      ? Map.groupBy(waiting, ({ key }) => key).values()
      : chunks(waiting)
    for (const batch of batches) void this.#sendBatch(batch)
  }

  async #sendBatch(batch: readonly Correction[]): Promise<void> {
    const keys = [...new Set(batch.map(({ key }) => key))]
    const indexes = new Map(keys.map((key, i) => [key, i + 1]))
    const corrections = batch.map(({ key, field, ordinal, difference }) => [
      indexes.get(key),
      field,
      ordinal,
      difference,
    ])
    try {
      await this.#connection.evaluate(CORRECT, keys, [JSON.stringify(corrections)])
    } catch {
      // Redis went away in between, which the connection has told the log. What is not given back stays counted until
      // its window ends: a client may be refused early, and no limit is exceeded.
    }
  }
}

function* chunks(all: readonly Correction[]): Generator<readonly Correction[]> {
  for (let at = 0; at < all.length; at += MAX_BATCH) yield all.slice(at, at + MAX_BATCH)
}
