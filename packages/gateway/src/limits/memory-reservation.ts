import type { Hold, Reservation } from '@pratu/plugin-kit'
import type { MemoryMeter } from './memory-meter.ts'

/** Where and when an amount was taken. */
export interface Taken {
  readonly meter: MemoryMeter
  readonly state: number
  readonly life: number
  readonly mark: number
  amount: number
}

export interface MemoryCorrections {
  grow(hold: Hold, amount: number): Taken | undefined
  correct(hold: Hold, parts: readonly Taken[], difference: number): void
}

export class MemoryReservation implements Reservation {
  closed = false
  readonly #ledger: MemoryCorrections
  readonly #holds: readonly Hold[]
  readonly #parts: readonly Taken[][]

  constructor(ledger: MemoryCorrections, holds: readonly Hold[], parts: readonly Taken[][]) {
    this.#ledger = ledger
    this.#holds = holds
    this.#parts = parts
  }

  used(hold: number, total: number): 'within' | 'short' {
    return total <= this.#reserved(hold) ? 'within' : 'short'
  }

  grow(hold: number, amount: number): boolean {
    const own = this.#holds[hold]
    const parts = this.#parts[hold]
    if (this.closed || own === undefined || parts === undefined) return false
    const taken = this.#ledger.grow(own, amount)
    if (taken === undefined) return false
    const last = parts.at(-1)
    if (last?.state === taken.state && last.life === taken.life && last.mark === taken.mark) {
      last.amount += amount
    } else parts.push(taken)
    return true
  }

  close(actual?: readonly number[]): void {
    if (this.closed) return
    this.closed = true
    for (let i = 0; i < this.#holds.length; i++) {
      const hold = this.#holds[i]
      const parts = this.#parts[i]
      if (hold === undefined || parts === undefined) continue
      const reserved = this.#reserved(i)
      const held = hold.meter.definition.window.kind === 'concurrency'
      const told = held ? 0 : actual?.[i]
      if (told === undefined || Number.isNaN(told) || told === reserved) continue
      this.#ledger.correct(hold, parts, Math.max(0, Math.ceil(told)) - reserved)
    }
  }

  #reserved(hold: number): number {
    let sum = 0
    for (const { amount } of this.#parts[hold] ?? []) sum += amount
    return sum
  }
}
