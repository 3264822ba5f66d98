import type { BreakKind, Fault } from '../faults/fault.ts'
import type { BodyPlan } from './body-plan.ts'

/** Something that happens at a place in the body. */
export interface Stop {
  /** Body bytes before it. */
  readonly offset: number
  readonly pauseMs: number | undefined
  readonly how: BreakKind | undefined
}

/** The places in a body where its delivery pauses or breaks off, in order. */
export class Stops {
  readonly #stops: Stop[] = []

  constructor({ pause, break: end }: Fault, plan: BodyPlan) {
    if (pause !== undefined && pause.at !== 'before-headers') {
      this.#stops.push({ offset: plan.offsetOf(pause.at), pauseMs: pause.forMs, how: undefined })
    }
    if (end !== undefined && end.at !== 'before-headers') {
      this.#stops.push({ offset: plan.offsetOf(end.at), pauseMs: undefined, how: end.how })
    }
    // Stable: at the same place the pause comes first.
    this.#stops.sort((a, b) => a.offset - b.offset)
  }

  /** @returns the next stop if it is reached, once. */
  take(sent: number): Stop | undefined {
    const [stop] = this.#stops
    return stop !== undefined && sent >= stop.offset ? this.#stops.shift() : undefined
  }

  /** @returns the offset of the next stop; `Infinity` when there is none. */
  next(): number {
    return this.#stops[0]?.offset ?? Infinity
  }
}
