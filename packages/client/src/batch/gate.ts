import type { AttemptGate } from '../caller.ts'
import type { Clock } from '../clock.ts'
import type { PratuError } from '../errors.ts'
import type { AdaptiveLimit } from './adaptive-limit.ts'

/**
 * Where every attempt of a batch passes: it holds their number, retries included, and learns from how they end. A request
 * that waits for its retry takes no place.
 */
export class BatchGate {
  readonly #limit: AdaptiveLimit
  readonly #clock: Clock
  readonly #waiting: { readonly pass: () => void; readonly refuse: (reason: unknown) => void }[] =
    []
  #inFlight = 0
  #cancelWake: (() => void) | undefined
  #ended: { readonly reason: unknown } | undefined
  rateLimited = 0
  retries = 0
  lastSuccessAt = Number.NEGATIVE_INFINITY

  constructor(limit: AdaptiveLimit, clock: Clock) {
    this.#limit = limit
    this.#clock = clock
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get limit(): number {
    return this.#limit.limit
  }

  /** The gate as one item sees it. */
  forItem(): AttemptGate {
    let sentAt = 0
    let attempts = 0
    return {
      enter: async () => {
        await this.#enter()
        sentAt = this.#clock.now()
        if (attempts++ > 0) this.retries++
      },
      leave: (error) => this.#leave(error, sentAt),
    }
  }

  /** Lets nobody pass any more: who waits, and who comes, gets `reason`. */
  end(reason: unknown): void {
    this.#ended ??= { reason }
    this.#cancelWake?.()
    for (const { refuse } of this.#waiting.splice(0)) refuse(reason)
  }

  #enter(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended.reason)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pass: resolve, refuse: reject })
      this.#admit()
    })
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#limit.limit) {
      const waitMs = this.#limit.notBefore - this.#clock.now()
      if (waitMs > 0) {
        this.#cancelWake?.()
        this.#cancelWake = this.#clock.after(waitMs, () => this.#admit())
        return
      }
      // Counted before it runs: two that are let in by one tick would both see the last place.
      this.#inFlight++
      this.#waiting.shift()?.pass()
    }
  }

  #leave(error: PratuError | undefined, sentAt: number): void {
    this.#inFlight--
    if (error === undefined) {
      this.lastSuccessAt = this.#clock.now()
      this.#limit.succeeded()
    } else if (error.kind === 'rate-limit') {
      this.rateLimited++
      this.#limit.refused(sentAt, this.#clock.now(), error.retryAfterMs)
    }
    this.#admit()
  }
}
