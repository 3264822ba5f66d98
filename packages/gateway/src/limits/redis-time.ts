/**
 * What Redis's clock shows, from its last answer on. Boundaries of time zones are computed here and compared there, so
 * that a gateway whose own clock is wrong asks once too often at most.
 */
export class RedisTime {
  readonly #monotonicMs: () => number
  #offsetMs: number

  /** @param wallMs epoch ms of this machine, until Redis is heard. */
  constructor(wallMs: number, monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
    this.#offsetMs = wallMs - monotonicMs()
  }

  /** Epoch ms. */
  now(): number {
    return this.#monotonicMs() + this.#offsetMs
  }

  heard(redisMs: number): void {
    this.#offsetMs = redisMs - this.#monotonicMs()
  }
}
