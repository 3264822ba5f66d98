import type { MeterDefinition } from '@pratu/plugin-kit'
import type { Hash64 } from './half-sip-hash.ts'
import { MemoryMeter, NEVER } from './memory-meter.ts'
import type { RecordTable } from './record-table.ts'

/** Of the length; the oldest is counted whole although a part of it is over, hence one more. */
const PARTS = 8
const KEPT = PARTS + 1

export const SLIDING_DOUBLES = 1 + KEPT

/** State: when everything is forgotten (epoch ms), a ring of counts, one per eighth of the length. */
export class SlidingMeter extends MemoryMeter {
  readonly #partMs: number

  constructor(
    definition: MeterDefinition,
    lengthMs: number,
    hash: Hash64,
    table: RecordTable,
    doubles: Float64Array,
  ) {
    super(definition, hash, table, doubles)
    this.#partMs = Math.ceil(lengthMs / PARTS)
  }

  open(state: number, nowMs: number): void {
    const current = Math.floor(nowMs / this.#partMs)
    const newest = this.#newest(state)
    if (newest === current) return
    const first = Math.max(newest + 1, current - PARTS)
    // Those that are over first: a thread that dies in between has forgotten nothing that counts.
    for (let part = first; part <= current; part++) this.doubles[this.#at(state, part)] = 0
    this.doubles[state] = (current + KEPT) * this.#partMs
  }

  waitMs(state: number, nowMs: number, wanted: number): number {
    let used = this.used(state)
    if (used + wanted <= this.limit) return 0
    if (wanted > this.limit) return NEVER
    const newest = this.#newest(state)
    for (let part = newest - PARTS; part < newest; part++) {
      used -= this.doubles[this.#at(state, part)] ?? 0
      if (used + wanted <= this.limit) return (part + KEPT) * this.#partMs - nowMs
    }
    return (newest + KEPT) * this.#partMs - nowMs
  }

  add(state: number, _nowMs: number, amount: number): number {
    const newest = this.#newest(state)
    const at = this.#at(state, newest)
    this.doubles[at] = (this.doubles[at] ?? 0) + amount
    return newest
  }

  giveBack(state: number, _nowMs: number, mark: number, amount: number): void {
    const newest = this.#newest(state)
    if (mark > newest || mark < newest - PARTS) return
    const at = this.#at(state, mark)
    this.doubles[at] = Math.max(0, (this.doubles[at] ?? 0) - amount)
  }

  addLate(): boolean {
    return false
  }

  used(state: number): number {
    let sum = 0
    for (let i = 1; i <= KEPT; i++) sum += this.doubles[state + i] ?? 0
    return sum
  }

  resetMs(state: number, nowMs: number): number {
    const newest = this.#newest(state)
    for (let part = newest; part >= newest - PARTS; part--) {
      if (this.doubles[this.#at(state, part)] !== 0) return (part + KEPT) * this.#partMs - nowMs
    }
    return 0
  }

  addAt(state: number, nowMs: number, amount: number, atMs: number): void {
    const part = Math.floor(Math.min(atMs, nowMs) / this.#partMs)
    if (part < this.#newest(state) - PARTS) return
    const at = this.#at(state, part)
    this.doubles[at] = (this.doubles[at] ?? 0) + amount
  }

  #newest(state: number): number {
    return (this.doubles[state] ?? 0) / this.#partMs - KEPT
  }

  #at(state: number, part: number): number {
    return state + 1 + (((part % KEPT) + KEPT) % KEPT)
  }
}
