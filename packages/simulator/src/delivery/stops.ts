import type { BreakKind, BreakPoint, Fault } from '../faults/fault.ts'

/** Something that happens at a place in an answer. */
export interface Stop {
  /** Bytes before it. */
  readonly offset: number
  readonly pauseMs: number | undefined
  readonly how: BreakKind | undefined
}

/** The places where the delivery of a head or a body pauses or breaks off, in order. */
export class Stops {
  readonly #stops: Stop[] = []

  /** @param offsetOf the bytes before a place, `undefined` for places elsewhere. */
  constructor({ pause, break: end }: Fault, offsetOf: (point: BreakPoint) => number | undefined) {
    const pauseAt = pause === undefined ? undefined : offsetOf(pause.at)
    if (pause !== undefined && pauseAt !== undefined) {
      this.#stops.push({ offset: pauseAt, pauseMs: pause.forMs, how: undefined })
    }
    const endAt = end === undefined ? undefined : offsetOf(end.at)
    if (end !== undefined && endAt !== undefined) {
      this.#stops.push({ offset: endAt, pauseMs: undefined, how: end.how })
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
