import type { MeterDefinition } from '@pratu/plugin-kit'
import type { Hash64 } from './half-sip-hash.ts'
import { MemoryMeter, NEVER } from './memory-meter.ts'
import type { RecordTable } from './record-table.ts'

/** A scope that comes and goes keeps its record for so long. */
const KEPT_MS = 10_000
/** Nobody knows when something is given back. */
const RETRY_MS = 1_000

/**
 * State: until when it is kept (epoch ms), then what each thread holds: every thread writes its own number only, and the
 * main thread zeroes that of a thread that died.
 */
export class ConcurrencyMeter extends MemoryMeter {
  readonly #threads: number
  readonly #own: number

  constructor(
    definition: MeterDefinition,
    threads: { readonly count: number; readonly own: number },
    hash: Hash64,
    table: RecordTable,
    doubles: Float64Array,
  ) {
    super(definition, hash, table, doubles)
    this.#threads = threads.count
    this.#own = threads.own
  }

  open(state: number, nowMs: number): void {
    this.doubles[state] = nowMs + KEPT_MS
  }

  waitMs(state: number, _nowMs: number, wanted: number): number {
    if (this.used(state) + wanted <= this.limit) return 0
    return wanted > this.limit ? NEVER : RETRY_MS
  }

  add(state: number, nowMs: number, amount: number): number {
    const at = state + 1 + this.#own
    this.doubles[at] = (this.doubles[at] ?? 0) + amount
    return nowMs
  }

  giveBack(state: number, _nowMs: number, _mark: number, amount: number): void {
    const at = state + 1 + this.#own
    this.doubles[at] = Math.max(0, (this.doubles[at] ?? 0) - amount)
  }

  addLate(): boolean {
    return true
  }

  used(state: number): number {
    return heldIn(this.doubles, state, this.#threads)
  }

  resetMs(): number {
    return 0
  }

  addAt(): void {
    // Nothing is held without a reservation.
  }
}

export function heldIn(doubles: Float64Array, state: number, threads: number): number {
  let sum = 0
  for (let i = 1; i <= threads; i++) sum += doubles[state + i] ?? 0
  return sum
}
