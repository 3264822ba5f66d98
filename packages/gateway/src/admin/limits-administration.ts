import type { MeterWindow, Quantity } from '@pratu/plugin-kit'

/** A limit in use, without what only its store needs to know. */
export interface LimitReading {
  /** Of the meter. */
  readonly id: string
  readonly quantity: Quantity
  readonly window: MeterWindow
  readonly limit: number
  readonly mode: 'enforce' | 'report'
  readonly store: 'memory' | 'redis'
  readonly scopes: readonly ScopeReading[]
}

/** What is counted for one scope. */
export interface ScopeReading {
  readonly scope: string
  readonly used: number
  readonly remaining: number
  /** Until everything counted so far is forgotten. */
  readonly resetMs: number
  /** The store is away. */
  readonly unknown: boolean
}

export interface LimitsQuestion {
  /** Only this meter. */
  readonly meter: string | undefined
  /** Looked at in every meter, and shown also when nothing is counted. */
  readonly asked: readonly string[]
  /** Looked at as well, and shown where something is counted. */
  readonly candidates: readonly string[]
}

/** The limits of all workers. */
export interface LimitsAdministration {
  read(question: LimitsQuestion): Promise<readonly LimitReading[]>
  /**
   * Forgets what was counted.
   *
   * @param meter `undefined`: every meter.
   * @returns how many meters there are to which that applies.
   * @throws {Error} when a store is away.
   */
  reset(meter: string | undefined, scope: string): Promise<number>
}
