/**
 * How many requests may be under way, learned from the answers: a 429 halves it, every success adds a little, one in all
 * for as many successes as fit (additive increase, multiplicative decrease: what TCP does on a lost packet).
 */
export class AdaptiveLimit {
  readonly #most: number
  readonly #isAdaptive: boolean
  #limit: number
  #loweredAt = Number.NEGATIVE_INFINITY
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(most: number, isAdaptive: boolean) {
    this.#most = most
    this.#isAdaptive = isAdaptive
    this.#limit = most
  }

  /** Whole requests, at least 1. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** Nothing new is to be sent before this time. */
  get notBefore(): number {
    return this.#notBefore
  }

  succeeded(): void {
    this.#limit = Math.min(this.#most, this.#limit + 1 / this.#limit)
  }

  /**
   * @param sentAt when the refused request had been sent: one that was on its way when the limit was last lowered says
   *   nothing about the lower one.
   */
  refused(sentAt: number, now: number, retryAfterMs: number | undefined): void {
    if (!this.#isAdaptive) return
    if (retryAfterMs !== undefined) this.#notBefore = Math.max(this.#notBefore, now + retryAfterMs)
    if (sentAt < this.#loweredAt) return
    this.#limit = Math.max(1, this.#limit / 2)
    this.#loweredAt = now
  }
}
