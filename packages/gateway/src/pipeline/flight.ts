import type { Exchange, Hold, ModelCall, ModelUse, Reservation, Spending } from '@pratu/plugin-kit'
import { CHARGES, type Charge } from '../journal/index.ts'

/** A hold in its place among all holds of a flight. */
interface Place {
  readonly spending: Spending
  /** Index within the spending's own holds. */
  readonly index: number
  readonly hold: Hold
  /** What is reserved by now. */
  reserved: number
  /** A question for more is under way. */
  asking: boolean
  /** There is no more: not even this much, which was asked last. 0 while nothing was denied. */
  denied: number
}

/** Generated tokens by which `grow` is asked before they are needed, so that no event waits for the answer. */
const TOKENS_AHEAD = 8

/** While a stream runs its reservation grows by this share of what it had, so that few questions are asked. */
const GROWTH = 0.25

/**
 * One logical upstream call, with 1 to n attempts: owns what was reserved for it, and closes the reservation exactly
 * once, at the truth, whichever way it ends (F70). Its exchange closes it at the latest when it settles.
 */
export class Flight {
  readonly #exchange: Exchange
  readonly #reservation: Reservation
  readonly #places: readonly Place[]
  readonly #call: ModelCall | undefined
  readonly #onFailure: (error: unknown) => void
  /** What attempts used that came to nothing. */
  #lost: ModelUse = NOTHING
  #oneTokenCost: number | undefined
  #closed = false

  /** @param onFailure told of a plugin that throws, and of a store that is away and denies. */
  constructor(
    exchange: Exchange,
    spendings: readonly Spending[],
    reservation: Reservation,
    call: ModelCall | undefined,
    onFailure: (error: unknown) => void,
  ) {
    this.#exchange = exchange
    this.#reservation = reservation
    this.#call = call
    this.#onFailure = onFailure
    this.#places = spendings.flatMap((spending) =>
      spending.holds.map((hold, index) => ({
        spending,
        index,
        hold,
        reserved: hold.amount,
        asking: false,
        denied: 0,
      })),
    )
  }

  get closed(): boolean {
    return this.#closed
  }

  /** An attempt failed after it had used something: it is charged, and the flight goes on. */
  lost(use: ModelUse): void {
    this.#lost = sum(this.#lost, use)
  }

  /**
   * What the running attempt has used so far. Asks for more before what is reserved is used up; costs no I/O otherwise.
   *
   * @returns `cut` when there is no more and the answer is to end here.
   */
  progress(use: ModelUse): 'on' | 'cut' {
    if (this.#closed) return 'on'
    const all = sum(this.#lost, use)
    const ahead = this.#ahead(all)
    let verdict: 'on' | 'cut' = 'on'
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i]
      if (place === undefined) continue
      const { spending, index } = place
      this.#reservation.used(i, spending.amount(index, all))
      const needed = spending.amount(index, ahead)
      if (needed > place.reserved && !place.asking && place.denied === 0) {
        this.#ask(i, place, needed)
      }
      if (place.denied > 0 && spending.exhausted(index, place.denied) === 'cut') verdict = 'cut'
    }
    return verdict
  }

  /** The use a few tokens later, as far as the client lets the model write. */
  #ahead(use: ModelUse): ModelUse {
    const { inputTokens, outputTokens, nanoDollars } = use
    const most = this.#call?.maxOutputTokens ?? Number.POSITIVE_INFINITY
    const tokens = Math.min(TOKENS_AHEAD, Math.max(0, most - outputTokens))
    return {
      inputTokens,
      outputTokens: outputTokens + tokens,
      nanoDollars:
        nanoDollars === undefined ? undefined : nanoDollars + Math.ceil(tokens * this.#tokenCost()),
    }
  }

  /** Nano-dollars that one more generated token can cost. */
  #tokenCost(): number {
    if (this.#oneTokenCost === undefined) {
      const input = this.#call?.inputTokens ?? 0
      const none = this.#call?.cost(input, 0) ?? 0
      this.#oneTokenCost = ((this.#call?.cost(input, TOKENS_AHEAD) ?? none) - none) / TOKENS_AHEAD
    }
    return this.#oneTokenCost
  }

  /** Asks for a step, and when that is too much for no more than what is needed. */
  #ask(i: number, place: Place, needed: number): void {
    const least = needed - place.reserved
    const step = Math.max(least, Math.ceil(place.reserved * GROWTH))
    place.asking = true
    this.#grow(i, place, step, (granted) => {
      if (granted || step === least) answered(place, granted, least)
      else this.#grow(i, place, least, (later) => answered(place, later, least))
    })
  }

  #grow(i: number, place: Place, amount: number, then: (granted: boolean) => void): void {
    const settle = (granted: boolean): void => {
      if (granted && !this.#closed) {
        place.reserved += amount
        place.spending.grew(place.index, amount)
      }
      then(granted)
    }
    const answer = this.#reservation.grow(i, amount)
    if (!(answer instanceof Promise)) settle(answer)
    else {
      answer.then(settle, (error: unknown) => {
        // The store is away, and its policy denies: what is reserved is all there is.
        this.#onFailure(error)
        settle(false)
      })
    }
  }

  /**
   * The call is over; the first call counts.
   *
   * @param use of the last attempt; `undefined` when nobody measured it: then it is as reserved, or nothing if no
   *   attempt was sent.
   * @param cut whether the answer was ended because of `progress`.
   */
  close(use?: ModelUse, cut = false): void {
    if (this.#closed) return
    this.#closed = true
    const all = use === undefined ? undefined : sum(this.#lost, use)
    const sent = this.#exchange.record.proxyLatencyMs >= 0
    const amounts = this.#places.map(({ spending, index, reserved }) => {
      if (all !== undefined) return spending.amount(index, all)
      return sent ? reserved : 0
    })
    this.#reservation.close(amounts)
    this.#leaveCharges(amounts)
    let start = 0
    for (const place of this.#places) {
      if (place.index !== 0) continue
      const end = start + place.spending.holds.length
      this.#tell(place.spending, amounts.slice(start, end), all, cut)
      start = end
    }
  }

  /** For the usage journal, from which budgets are counted again. */
  #leaveCharges(amounts: readonly number[]): void {
    const charges: Charge[] = []
    for (const [i, { hold }] of this.#places.entries()) {
      const { id, quantity, window } = hold.meter.definition
      const amount = Math.ceil(amounts[i] ?? 0)
      // Of requests nothing is kept, and what is held is over with the call.
      if (amount <= 0 || quantity === 'requests' || window.kind === 'concurrency') continue
      charges.push({ meter: id, scope: hold.scope, amount })
    }
    if (charges.length > 0) this.#exchange.setNote(CHARGES, charges)
  }

  #tell(
    spending: Spending,
    amounts: readonly number[],
    use: ModelUse | undefined,
    cut: boolean,
  ): void {
    try {
      spending.settled(amounts, use, cut)
    } catch (error) {
      // The others have yet to be told, and whoever closes the flight has an answer to finish.
      this.#onFailure(error)
    }
  }
}

function answered(place: Place, granted: boolean, asked: number): void {
  place.asking = false
  place.denied = granted ? 0 : asked
}

const NOTHING: ModelUse = { inputTokens: 0, outputTokens: 0, nanoDollars: 0 }

function sum(a: ModelUse, b: ModelUse): ModelUse {
  if (a === NOTHING) return b
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    nanoDollars:
      a.nanoDollars === undefined || b.nanoDollars === undefined
        ? undefined
        : a.nanoDollars + b.nanoDollars,
  }
}
