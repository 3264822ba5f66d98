import type { Hold, Refusal, Remaining } from './ledger.ts'
import type { Reply } from './reply.ts'

/** A call to a model, as far as it is known before it is made. */
export interface ModelCall {
  /** The wire format of the request: `openai-chat`, `anthropic-messages`, … */
  readonly format: string
  /** As the client named it; `undefined` when it did not. */
  readonly model: string | undefined
  readonly streamed: boolean
  /** Tokens of the prompt, estimated from its bytes and rather too many than too few. */
  readonly inputTokens: number
  /** The most that the client lets the model write, all choices together; `undefined` when it sets no bound. */
  readonly maxOutputTokens: number | undefined
  /**
   * The most that these tokens can cost, whole nano-dollars.
   *
   * @returns `undefined` when the model's price is not known.
   */
  cost(inputTokens: number, outputTokens: number): number | undefined
}

/** What a call to a model has used, so far or in all. */
export interface ModelUse {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Whole nano-dollars; `undefined` when the price is not known. */
  readonly nanoDollars: number | undefined
}

/** What one plugin asks for one upstream call, and how it follows it. Made per call: it may keep state. */
export interface Spending {
  readonly kind: 'spending'
  /** Not empty. */
  readonly holds: readonly Hold[]
  /** The holds were taken; `remaining` in their order. */
  granted(remaining: readonly Remaining[]): void
  /** One of these holds refused; `refusal` speaks of these holds only. */
  denied(refusal: Refusal): Reply
  /**
   * What has been used, in the unit of a hold; at least 0. Called often while a stream runs.
   *
   * @param hold index in `holds`.
   */
  amount(hold: number, use: ModelUse): number
  /** `amount` more was reserved for a hold while the call ran. */
  grew(hold: number, amount: number): void
  /**
   * What is reserved for a hold is nearly used and there is no more: end the answer here, or let it finish.
   *
   * @param denied what was asked last and not given: less than that is left.
   */
  exhausted(hold: number, denied: number): 'cut' | 'finish'
  /**
   * The call is over; told once, whatever happened.
   *
   * @param amounts what is counted for each hold.
   * @param use what was used; `undefined` for plain traffic, and for a call that was never made.
   * @param cut whether the answer was ended because something was exhausted.
   */
  settled(amounts: readonly number[], use: ModelUse | undefined, cut: boolean): void
}
