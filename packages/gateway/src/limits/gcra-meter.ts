import type { MeterDefinition } from '@pratu/plugin-kit'
import type { Hash64 } from './half-sip-hash.ts'
import { MemoryMeter, NEVER } from './memory-meter.ts'
import type { RecordTable } from './record-table.ts'

const EARLY = 1
/** Debts are whole multiples of 2⁻²⁰ ms, so that sums of them are exact for 99 days. */
const QUANTA_PER_MS = 2 ** 20
const MAX_DEBT_MS = 2 ** 33

/** State: when the debt is paid, rounded up to whole epoch ms, and how much earlier (below 1 ms). */
export class GcraMeter extends MemoryMeter {
  readonly #lengthMs: number
  readonly #burst: number
  readonly #capacityMs: number

  constructor(
    definition: MeterDefinition,
    window: { readonly lengthMs: number; readonly burst: number },
    hash: Hash64,
    table: RecordTable,
    doubles: Float64Array,
  ) {
    super(definition, hash, table, doubles)
    this.#lengthMs = window.lengthMs
    this.#burst = window.burst
    this.#capacityMs = this.#cost(window.burst)
  }

  open(state: number, nowMs: number): void {
    if ((this.doubles[state] ?? 0) > nowMs) return
    this.#owe(state, nowMs + 1, 1)
  }

  waitMs(state: number, nowMs: number, wanted: number): number {
    const over = this.#debt(state, nowMs) + this.#cost(wanted) - this.#capacityMs
    if (over <= 0) return 0
    return wanted > this.#burst ? NEVER : Math.ceil(over)
  }

  add(state: number, nowMs: number, amount: number): number {
    this.#set(state, nowMs, this.#debt(state, nowMs) + this.#cost(amount))
    return nowMs
  }

  giveBack(state: number, nowMs: number, mark: number, amount: number): void {
    const unpaid = Math.max(0, this.#cost(amount) - (nowMs - mark))
    this.#set(state, nowMs, Math.max(0, this.#debt(state, nowMs) - unpaid))
  }

  addLate(): boolean {
    return false
  }

  used(state: number, nowMs: number): number {
    const left = this.remaining(state, nowMs)
    if (left > 0) return this.#burst - left
    const owed = Math.floor((this.#debt(state, nowMs) * this.limit) / this.#lengthMs)
    return Math.max(this.#burst, owed)
  }

  override remaining(state: number, nowMs: number): number {
    const roomMs = this.#capacityMs - this.#debt(state, nowMs)
    if (roomMs <= 0) return 0
    const units = Math.min(this.#burst, Math.floor((roomMs * this.limit) / this.#lengthMs) + 1)
    return this.#cost(units) <= roomMs ? units : Math.max(0, units - 1)
  }

  resetMs(state: number, nowMs: number): number {
    return Math.ceil(this.#debt(state, nowMs))
  }

  /** Debts recorded one after the other add up as they did then. */
  addAt(state: number, nowMs: number, amount: number, atMs: number): void {
    const sinceMs = Math.floor(Math.min(atMs, nowMs))
    const debt = Math.max(0, (this.doubles[state] ?? 0) - sinceMs - this.#early(state))
    this.#set(state, sinceMs, debt + this.#cost(amount))
    this.open(state, nowMs)
  }

  #cost(amount: number): number {
    return Math.ceil(((amount * this.#lengthMs) / this.limit) * QUANTA_PER_MS) / QUANTA_PER_MS
  }

  #early(state: number): number {
    return this.doubles[state + EARLY] ?? 0
  }

  #debt(state: number, nowMs: number): number {
    return Math.max(0, (this.doubles[state] ?? 0) - nowMs - this.#early(state))
  }

  #set(state: number, nowMs: number, debtMs: number): void {
    const debt = Math.min(debtMs, MAX_DEBT_MS)
    const whole = Math.max(1, Math.ceil(debt))
    this.#owe(state, nowMs + whole, whole - debt)
  }

  #owe(state: number, paidMs: number, early: number): void {
    this.doubles[state] = paidMs
    this.doubles[state + EARLY] = early
  }
}
