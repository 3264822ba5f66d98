import { createNoteKey, type NoteKey, type Saved } from '@pratu/plugin-kit'

/** What a budget was charged: enough to count it again, without knowing who charges what for which reason. */
export interface Charge {
  /** `MeterDefinition.id`. */
  readonly meter: string
  readonly scope: string
  /** In the meter's unit. */
  readonly amount: number
}

export interface CounterReset {
  readonly meter: string
  readonly scope: string
}

/**
 * Where whoever settles a spend reservation leaves what it charged in the end, before the exchange settles: one per meter
 * and scope, amounts of 0 left out.
 */
export const CHARGES: NoteKey<readonly Charge[]> = createNoteKey('charges')

/** Where a cache leaves what an exchange saved by not asking the upstream. */
export const SAVED: NoteKey<Saved> = createNoteKey('saved')

/** Disjoint counts, as in the usage vector of `ai/usage`. */
export interface RecordedUsage {
  readonly inputUncached: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWriteLong: number
  readonly audioInput: number
  readonly outputText: number
  readonly reasoning: number
  readonly audioOutput: number
  readonly webSearches: number
  readonly serviceTier: string | undefined
  readonly source: 'provider' | 'estimated' | 'none'
}

/** One settled exchange. Figures and names only: never a prompt, an answer or a credential (S47). */
export interface UsageRecord {
  /** The exchange's id. */
  readonly id: string
  /** When the exchange began, epoch ms. */
  readonly startedAtMs: number
  /** When it was settled, epoch ms: what it cost counts in the windows of this moment. */
  readonly atMs: number
  /** The host that answered. */
  readonly replica: string
  readonly outcome: string
  readonly status: number
  /** Entity id. */
  readonly consumer: string | undefined
  /** Entity id. */
  readonly credential: string | undefined
  /** The consumer's. */
  readonly tags: readonly string[]
  /** Name, else id. */
  readonly route: string | undefined
  /** Name, else id. */
  readonly service: string | undefined
  readonly provider: string | undefined
  /** As the request or the answer names it. */
  readonly model: string | undefined
  /** `undefined`: the exchange was not metered. */
  readonly usage: RecordedUsage | undefined
  /** `undefined`: unpriced. */
  readonly costNanoDollars: number | undefined
  readonly costEstimated: boolean
  readonly streamed: boolean
  /** Answered from a cache. */
  readonly cached: boolean
  /** What the same answer would have cost; `undefined`: nothing is known to be saved. */
  readonly saved: Saved | undefined
  readonly charges: readonly Charge[]
  /** Counters that an administrator set to zero: what was charged before does not count any more. */
  readonly resets: readonly CounterReset[]
}
