import type { Meter, MeterWindow } from '@pratu/plugin-kit'
import type { Charge } from '../journal/index.ts'
import { calendarWindow, zoneBoundaries } from '../limits/index.ts'

/** What one scope was charged in one window, or in one part of a window that slides. */
interface Entry {
  readonly meter: string
  readonly scope: string
  amount: number
  /** Of the last charge. */
  atMs: number
  readonly endMs: number
}

/** A charge that is so young that a birth of its store may be told later than it. */
interface Recent {
  readonly charge: Charge
  readonly window: MeterWindow
  readonly atMs: number
}

/** Longer than a birth can stay unnoticed. */
const RECENT_MS = 30_000
/** Some 10 MB. */
const MAX_ENTRIES = 50_000
/** A sliding window forgets an eighth of its length at a time. */
const PARTS = 8

/**
 * What this thread has charged in windows that are not over, bounded in size: from it a shared store that has lost its
 * memory is told again.
 */
export class SpendTally {
  readonly #entries = new Map<string, Entry>()
  #recent: Recent[] = []
  /** When what is over was last looked for. */
  #lookedAtMs = 0
  /** Charges that found no room. */
  dropped = 0

  add(charges: readonly Charge[], meters: ReadonlyMap<string, Meter>, atMs: number): void {
    for (const charge of charges) {
      const definition = meters.get(charge.meter)?.definition
      if (definition?.store === undefined) continue
      this.#recent.push({ charge, window: definition.window, atMs })
    }
    if ((this.#recent[0]?.atMs ?? atMs) < atMs - 2 * RECENT_MS) this.#settle(atMs - RECENT_MS)
    else if (this.#recent.length > MAX_ENTRIES) this.#settle(Number.POSITIVE_INFINITY)
  }

  /** What was charged before `bornAtMs`, in windows that are not over. */
  *before(bornAtMs: number, nowMs: number): Generator<Charge & { readonly atMs: number }> {
    for (const { meter, scope, amount, atMs, endMs } of this.#entries.values()) {
      if (atMs < bornAtMs && endMs > nowMs) yield { meter, scope, amount, atMs }
    }
    for (const { charge, atMs } of this.#recent) if (atMs < bornAtMs) yield { ...charge, atMs }
  }

  /** Counters were set to zero. */
  reset(meter: string, scope: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.meter === meter && entry.scope === scope) this.#entries.delete(key)
    }
    this.#recent = this.#recent.filter(
      ({ charge }) => charge.meter !== meter || charge.scope !== scope,
    )
  }

  /** Adds up what is older. */
  #settle(untilMs: number): void {
    const young = this.#recent.findIndex(({ atMs }) => atMs >= untilMs)
    const old = this.#recent.splice(0, young < 0 ? this.#recent.length : young)
    for (const one of old) this.#addUp(one)
  }

  #addUp({ charge: { meter, scope, amount }, window, atMs }: Recent): void {
    const { startMs, endMs } = spanOf(window, atMs)
    const key = `${startMs}\n${meter}\n${scope}`
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.amount += amount
      known.atMs = Math.max(known.atMs, atMs)
      return
    }
    if (this.#entries.size >= MAX_ENTRIES && atMs - this.#lookedAtMs > RECENT_MS) {
      this.#lookedAtMs = atMs
      this.#forgetOver(atMs)
    }
    if (this.#entries.size >= MAX_ENTRIES) this.dropped += 1
    else this.#entries.set(key, { meter, scope, amount, atMs, endMs })
  }

  #forgetOver(nowMs: number): void {
    for (const [key, { endMs }] of this.#entries) if (endMs <= nowMs) this.#entries.delete(key)
  }
}

/** Within it charges may be added up; `endMs`: when they are forgotten. */
function spanOf(window: MeterWindow, atMs: number): { startMs: number; endMs: number } {
  if (window.kind === 'calendar') {
    const { period, timeZone } = window
    if (timeZone === undefined) return calendarWindow(period, atMs)
    const [startMs, endMs] = zoneBoundaries(period, timeZone, atMs, undefined)
    return { startMs, endMs }
  }
  const lengthMs = window.kind === 'concurrency' ? window.leaseMs : window.lengthMs
  const partMs = Math.ceil(lengthMs / PARTS)
  const startMs = Math.floor(atMs / partMs) * partMs
  return { startMs, endMs: startMs + partMs + lengthMs + partMs }
}
