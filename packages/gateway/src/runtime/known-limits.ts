import type { Ledger, Meter, Remaining } from '@pratu/plugin-kit'
import type { LimitReading, LimitsQuestion, ScopeReading } from '../admin/index.ts'
import type { Charge } from '../journal/index.ts'

/** Scopes that are remembered of each meter, so that what is charged can be listed. */
const MAX_SCOPES = 1000
/** Scopes of a meter in Redis that are looked at without being asked for: each is a question. */
const MAX_REMOTE_CANDIDATES = 100

/** The meters of the configuration in use, by id, and scopes that were charged lately. */
export class KnownLimits {
  readonly #ledger: Ledger
  readonly #byGeneration = new Map<number, Map<string, Meter>>()
  #current: ReadonlyMap<string, Meter> = new Map()
  readonly #scopes = new Map<string, Set<string>>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** A ledger for the plugins of one generation: the meters that they make are known once it is in use. */
  ledgerOf(generation: number): Ledger {
    const ledger = this.#ledger
    const meters = new Map<string, Meter>()
    this.#byGeneration.set(generation, meters)
    return {
      meter(definition) {
        const meter = ledger.meter(definition)
        meters.set(definition.id, meter)
        return meter
      },
      reserve: (holds) => ledger.reserve(holds),
      peek: (meter, scope) => ledger.peek(meter, scope),
      reset: (meter, scope) => ledger.reset(meter, scope),
      record: (meter, scope, amount, atMs) => ledger.record(meter, scope, amount, atMs),
    }
  }

  /** The meters that a generation has made so far; none of one that is not known. */
  metersOf(generation: number): ReadonlyMap<string, Meter> {
    return this.#byGeneration.get(generation) ?? new Map()
  }

  /** The meters of the configuration in use, by id. */
  get current(): ReadonlyMap<string, Meter> {
    return this.#current
  }

  use(generation: number): void {
    this.#current = this.metersOf(generation)
    for (const known of this.#byGeneration.keys()) {
      if (known <= generation) this.#byGeneration.delete(known)
    }
    for (const id of this.#scopes.keys()) if (!this.#current.has(id)) this.#scopes.delete(id)
  }

  charged(charges: readonly Charge[]): void {
    for (const { meter, scope } of charges) {
      let scopes = this.#scopes.get(meter)
      if (scopes === undefined) this.#scopes.set(meter, (scopes = new Set()))
      if (scopes.size < MAX_SCOPES) scopes.add(scope)
    }
  }

  async read({ meter: wanted, asked, candidates }: LimitsQuestion): Promise<LimitReading[]> {
    const readings: LimitReading[] = []
    for (const [id, meter] of this.#current) {
      if (wanted !== undefined && id !== wanted) continue
      const { quantity, window, limit, mode, store } = meter.definition
      const known = [...(this.#scopes.get(id) ?? []), ...candidates]
      // Who asks for a scope by its exact name wants no other.
      const others = asked.length > 0 && candidates.length === 0 ? [] : known
      const looked = store === undefined ? others : others.slice(0, MAX_REMOTE_CANDIDATES)
      const scopes = await Promise.all(
        [...new Set([...asked, ...looked])].map((scope) => this.#readScope(meter, scope)),
      )
      readings.push({
        id,
        quantity,
        window,
        limit,
        mode: mode ?? 'enforce',
        store: store === undefined ? 'memory' : 'redis',
        scopes: scopes.filter(({ scope, used }) => used > 0 || asked.includes(scope)),
      })
    }
    return readings
  }

  async #readScope(meter: Meter, scope: string): Promise<ScopeReading> {
    const state: Remaining = await this.#ledger.peek(meter, scope)
    const { used, remaining, resetMs, unknown = false } = state
    return { scope, used, remaining, resetMs, unknown }
  }

  /** @returns of how many meters. @throws {Error} when a store is away. */
  async reset(wanted: string | undefined, scope: string): Promise<readonly string[]> {
    const reset: string[] = []
    for (const [id, meter] of this.#current) {
      if (wanted !== undefined && id !== wanted) continue
      await this.#ledger.reset(meter, scope)
      reset.push(id)
    }
    return reset
  }
}

/** The same meters as several workers know them: each scope once. */
export function mergeReadings(
  perWorker: readonly (readonly LimitReading[])[],
): readonly LimitReading[] {
  const merged = new Map<string, LimitReading>()
  for (const reading of perWorker.flat()) {
    const known = merged.get(reading.id)
    if (known === undefined) {
      merged.set(reading.id, reading)
      continue
    }
    const seen = new Set(known.scopes.map(({ scope }) => scope))
    const more = reading.scopes.filter(({ scope }) => !seen.has(scope))
    merged.set(reading.id, { ...known, scopes: [...known.scopes, ...more] })
  }
  return [...merged.values()]
}
