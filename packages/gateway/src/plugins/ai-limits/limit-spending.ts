import type {
  Exchange,
  Hold,
  ModelCall,
  ModelUse,
  Refusal,
  RefusalReply,
  Remaining,
  Spending,
} from '@pratu/plugin-kit'
import type { LimitTaken, Observer } from './observer.ts'
import type { UsualOutput } from './usual-output.ts'

/** A limit's share in one call. */
interface Share {
  readonly taken: LimitTaken
  /** What the hold and its growth come to. */
  reserved: number
  /** What the meter had left when it was last heard of. */
  left: number
  exhausted: boolean
}

/** What the limits of one plugin instance ask for one upstream call, and how they follow it. */
export class LimitSpending implements Spending {
  readonly kind = 'spending'
  readonly holds: readonly Hold[]
  readonly #exchange: Exchange
  readonly #call: ModelCall | undefined
  readonly #observer: Observer
  readonly #usual: UsualOutput
  readonly #shares: readonly Share[]

  /** @param taken not empty. */
  constructor(
    exchange: Exchange,
    call: ModelCall | undefined,
    taken: readonly LimitTaken[],
    observer: Observer,
    usual: UsualOutput,
  ) {
    this.#exchange = exchange
    this.#call = call
    this.#observer = observer
    this.#usual = usual
    this.holds = taken.map(({ hold }) => hold)
    this.#shares = taken.map((one) => ({
      taken: one,
      reserved: one.hold.amount,
      left: 0,
      exhausted: false,
    }))
  }

  granted(remaining: readonly Remaining[]): void {
    for (const [i, share] of this.#shares.entries()) {
      const state = remaining[i]
      if (state === undefined) continue
      share.left = state.unknown === true ? Number.POSITIVE_INFINITY : state.remaining
      share.taken.series.reserve(share.reserved)
      this.#observer.admitted(this.#exchange, share.taken, state)
    }
  }

  denied(refusal: Refusal): RefusalReply {
    return this.#observer.refused(
      this.#exchange,
      this.#shares.map(({ taken }) => taken),
      refusal,
    )
  }

  amount(hold: number, use: ModelUse): number {
    const share = this.#shares[hold]
    return share === undefined ? 0 : share.taken.limit.amount(use, share.reserved)
  }

  grew(hold: number, amount: number): void {
    const share = this.#shares[hold]
    if (share === undefined) return
    share.reserved += amount
    share.left = Math.max(0, share.left - amount)
    share.taken.series.reserve(amount)
  }

  exhausted(hold: number, denied: number): 'cut' | 'finish' {
    const share = this.#shares[hold]
    if (share === undefined) return 'finish'
    share.exhausted = true
    share.left = Math.min(share.left, denied - 1)
    return share.taken.limit.config.onExhausted
  }

  settled(amounts: readonly number[], use: ModelUse | undefined, cut: boolean): void {
    for (const [i, share] of this.#shares.entries()) {
      const amount = amounts[i] ?? 0
      const { limit, series } = share.taken
      const { quantity, mode, name, onExhausted } = limit.config
      series.reserve(-share.reserved)
      if (quantity !== 'concurrent_requests') series.used(this.#exchange, amount)
      const beyond = amount - share.reserved - share.left
      if (beyond > 0 && mode === 'enforce') series.overshot(beyond)
      if (!cut || !share.exhausted || onExhausted === 'finish') continue
      series.cut()
      this.#exchange.annotate('limit', name)
    }
    if (use !== undefined && !cut) this.#usual.learn(this.#call?.model, use.outputTokens)
  }
}
