import type { MeterDefinition, Period } from '@pratu/plugin-kit'
import { calendarWindow } from './calendar-window.ts'
import type { Hash64 } from './half-sip-hash.ts'
import { MemoryMeter, NEVER } from './memory-meter.ts'
import type { RecordTable } from './record-table.ts'
import { zoneBoundaries, type ZoneBoundaries } from './zone-boundaries.ts'

const COUNT = 1

/** State: end of the window (epoch ms), count. */
export class CalendarMeter extends MemoryMeter {
  readonly #period: Period
  readonly #timeZone: string | undefined
  #boundaries: ZoneBoundaries | undefined
  #startMs = 0
  #endMs = 0

  constructor(
    definition: MeterDefinition,
    window: { readonly period: Period; readonly timeZone?: string | undefined },
    hash: Hash64,
    table: RecordTable,
    doubles: Float64Array,
  ) {
    super(definition, hash, table, doubles)
    this.#period = window.period
    this.#timeZone = window.timeZone === 'UTC' ? undefined : window.timeZone
    if (this.#timeZone !== undefined) this.#advance(Date.UTC(2026, 0))
  }

  #advance(nowMs: number): void {
    if (nowMs >= this.#startMs && nowMs < this.#endMs) return
    if (this.#timeZone === undefined) {
      const { startMs, endMs } = calendarWindow(this.#period, nowMs)
      this.#startMs = startMs
      this.#endMs = endMs
      return
    }
    this.#boundaries = zoneBoundaries(this.#period, this.#timeZone, nowMs, this.#boundaries)
    this.#startMs = this.#boundaries[0]
    this.#endMs = this.#boundaries[1]
  }

  open(state: number, nowMs: number): void {
    this.#advance(nowMs)
    if (this.doubles[state] === this.#endMs) return
    // In this order: a thread that dies in between leaves a window that is over.
    this.doubles[state + COUNT] = 0
    this.doubles[state] = this.#endMs
  }

  waitMs(state: number, nowMs: number, wanted: number): number {
    if (this.#count(state) + wanted <= this.limit) return 0
    return wanted > this.limit ? NEVER : this.#endMs - nowMs
  }

  add(state: number, _nowMs: number, amount: number): number {
    this.doubles[state + COUNT] = this.#count(state) + amount
    return this.#endMs
  }

  giveBack(state: number, _nowMs: number, mark: number, amount: number): void {
    if (this.doubles[state] !== mark) return
    this.doubles[state + COUNT] = Math.max(0, this.#count(state) - amount)
  }

  addLate(state: number, _nowMs: number, mark: number, amount: number): boolean {
    if (this.doubles[state] === mark) this.doubles[state + COUNT] = this.#count(state) + amount
    return true
  }

  used(state: number): number {
    return this.#count(state)
  }

  resetMs(_state: number, nowMs: number): number {
    this.#advance(nowMs)
    return this.#endMs - nowMs
  }

  addAt(state: number, _nowMs: number, amount: number, atMs: number): void {
    if (atMs >= this.#startMs) this.doubles[state + COUNT] = this.#count(state) + amount
  }

  #count(state: number): number {
    return this.doubles[state + COUNT] ?? 0
  }
}
