import type { Meter, MeterDefinition } from '@pratu/plugin-kit'
import type { Hash64 } from './half-sip-hash.ts'
import type { RecordTable } from './record-table.ts'

/** It will never be admitted. */
export const NEVER = Number.POSITIVE_INFINITY

/** How a kind of window counts in a record. Every method needs the table's lock, and `open` first. */
export abstract class MemoryMeter implements Meter {
  readonly definition: MeterDefinition
  readonly table: RecordTable
  readonly limit: number
  readonly enforced: boolean
  readonly low: number
  readonly high: number
  protected readonly doubles: Float64Array

  constructor(
    definition: MeterDefinition,
    hash: Hash64,
    table: RecordTable,
    doubles: Float64Array,
  ) {
    this.definition = definition
    this.table = table
    this.limit = definition.limit
    this.enforced = definition.mode !== 'report'
    // The other bits choose a cache line, the same for all meters of a scope.
    this.low = hash.low & 0xf0000000
    this.high = hash.high
    this.doubles = doubles
  }

  /** Brings a record to this moment, so that it is kept for at least as long. */
  abstract open(state: number, nowMs: number): void
  /** Milliseconds until so much could be admitted; 0 = now. */
  abstract waitMs(state: number, nowMs: number, wanted: number): number
  /** @returns a mark by which `giveBack` knows when it was. */
  abstract add(state: number, nowMs: number, amount: number): number
  abstract giveBack(state: number, nowMs: number, mark: number, amount: number): void
  /** Counts more for what was added at `mark`; false when that has to be counted as of now. */
  abstract addLate(state: number, nowMs: number, mark: number, amount: number): boolean
  abstract used(state: number, nowMs: number): number
  remaining(state: number, nowMs: number): number {
    return Math.max(0, this.limit - this.used(state, nowMs))
  }
  abstract resetMs(state: number, nowMs: number): number
  abstract addAt(state: number, nowMs: number, amount: number, atMs: number): void
}
