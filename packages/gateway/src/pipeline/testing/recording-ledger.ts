import type { Decision, Hold, Ledger, Meter, Remaining } from '@pratu/plugin-kit'

/** One call of `reserve`, and what became of it. */
export interface Reserved {
  readonly holds: readonly Hold[]
  readonly admitted: boolean
  /** The amounts given to each call of `close`; `undefined` = as reserved. */
  readonly closings: (readonly number[] | undefined)[]
}

/** A ledger that admits what it is told to and counts how often reservations are closed. */
export class RecordingLedger implements Ledger {
  readonly reserved: Reserved[] = []
  /** Index of the hold that refuses; -1 = none. */
  refusing = -1
  /** Answers in a promise, as a remote store does; resolve it with `answer`. */
  remote = false
  #answer: (() => void) | undefined

  meter(definition: Meter['definition']): Meter {
    return { definition }
  }

  reserve(holds: readonly Hold[]): Decision | Promise<Decision> {
    if (!this.remote) return this.#decide(holds)
    return new Promise((resolve) => {
      this.#answer = () => resolve(this.#decide(holds))
    })
  }

  peek({ definition: { limit } }: Meter): Remaining {
    return { limit, remaining: limit, used: 0, resetMs: 1_000 }
  }

  reset(): void {
    throw new Error('nothing is reset on the way of a request')
  }

  record(): void {
    throw new Error('nothing is recorded on the way of a request')
  }

  answer(): void {
    this.#answer?.()
  }

  /** All closings of all reservations. */
  get closings(): readonly (readonly number[] | undefined)[] {
    return this.reserved.flatMap((one) => one.closings)
  }

  #decide(holds: readonly Hold[]): Decision {
    const meters: readonly Remaining[] = holds.map(({ meter, amount }) => ({
      limit: meter.definition.limit,
      remaining: meter.definition.limit - amount,
      used: amount,
      resetMs: 1_000,
    }))
    const admitted = this.refusing < 0
    const reserved: Reserved = { holds, admitted, closings: [] }
    this.reserved.push(reserved)
    if (!admitted) {
      return { admitted, hold: this.refusing, retryAfterMs: 1_000, permanent: false, meters }
    }
    return {
      admitted,
      degraded: false,
      meters,
      reservation: {
        get closed() {
          return reserved.closings.length > 0
        },
        used: () => 'within',
        grow: () => true,
        close: (actual) => reserved.closings.push(actual),
      },
    }
  }
}
