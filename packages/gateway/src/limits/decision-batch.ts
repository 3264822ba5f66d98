import type { RedisConnection } from '../redis/index.ts'
import { DECIDE } from './redis-scripts.ts'
import type { RedisTime } from './redis-time.ts'
import type { RemoteHold, RemoteMeter } from './remote-meter.ts'

export interface Amount {
  readonly meter: RemoteMeter
  readonly scope: string
  /** Less than 1 only where limits do not matter. */
  readonly amount: number
}

export interface BatchOptions {
  readonly connection: RedisConnection
  readonly time: RedisTime
  /** Whose leases are taken. */
  readonly holder?: string
  /** Whether to count without limits. */
  readonly unlimited?: boolean
}

/** Reservations that are asked for together; each key and each meter is named once. */
export class DecisionBatch {
  readonly #options: BatchOptions
  readonly #keys: string[] = []
  readonly #keyNumbers = new Map<string, number>()
  readonly #meters: RemoteMeter[] = []
  readonly #meterNumbers = new Map<RemoteMeter, number>()
  readonly #decisions: number[][] = []
  readonly #firstLeases: number[] = []
  #leases = false

  constructor(options: BatchOptions) {
    this.#options = options
  }

  /** @param firstLease the number of the first lease, when something is held. */
  add(holds: readonly (RemoteHold | Amount)[], firstLease = 0): void {
    const decision: number[] = []
    for (const { meter, scope, amount } of holds) {
      decision.push(this.#keyNumber(meter, scope), this.#meterNumber(meter), amount)
      this.#leases ||= meter.isLeased
    }
    this.#decisions.push(decision)
    this.#firstLeases.push(firstLease)
  }

  /**
   * @returns Redis's answer, see `DECIDE`.
   * @throws {RedisUnavailable}
   */
  async send(onLate?: (answer: readonly number[]) => void): Promise<readonly number[]> {
    let answer = await this.#ask(onLate)
    // It was another day in some time zone than was thought: now Redis's time is known.
    if (answer.length === 1) answer = await this.#ask(onLate)
    if (answer.length === 1) throw new Error("Redis's clock jumps")
    return answer
  }

  async #ask(onLate?: (answer: readonly number[]) => void): Promise<readonly number[]> {
    const { connection, time, holder, unlimited } = this.#options
    const atMs = time.now()
    const question = JSON.stringify({
      m: this.#meters.map((meter) => meter.forScript(atMs, unlimited)),
      d: this.#decisions,
      ...(this.#leases ? { h: holder, s: this.#firstLeases } : {}),
    })
    const told = await connection.evaluate(DECIDE, this.#keys, [question], (late) =>
      onLate?.(asNumbers(late)),
    )
    const answer = asNumbers(told)
    time.heard(answer[0] ?? 0)
    return answer
  }

  #keyNumber(meter: RemoteMeter, scope: string): number {
    // A scope's own hash is looked up by the scope: making its key may cost a digest.
    const name = meter.isLeased ? meter.keyOf(scope) : `=${scope}`
    let number = this.#keyNumbers.get(name)
    if (number === undefined) {
      number = this.#keys.push(meter.keyOf(scope))
      this.#keyNumbers.set(name, number)
    }
    return number
  }

  #meterNumber(meter: RemoteMeter): number {
    let number = this.#meterNumbers.get(meter)
    if (number === undefined) {
      number = this.#meters.push(meter)
      this.#meterNumbers.set(meter, number)
    }
    return number
  }
}

/** A counter as Redis tells of it. */
export interface Told {
  readonly used: number
  readonly resetMs: number
  /** By which a correction finds what was taken. */
  readonly mark: number
}

/**
 * Adds amounts, 0 and less included, whatever the limits.
 *
 * @returns each counter after it, in order.
 * @throws {RedisUnavailable}
 */
export async function addUnlimited(
  options: Pick<BatchOptions, 'connection' | 'time'>,
  amounts: readonly Amount[],
): Promise<readonly Told[]> {
  if (!options.connection.isCluster) return addTogether(options, amounts)
  const totals = new Map<Amount, Told>()
  const slots = [...Map.groupBy(amounts, ({ scope }) => scope).values()]
  await Promise.all(
    slots.map(async (slot) => {
      const added = await addTogether(options, slot)
      for (const [i, amount] of slot.entries()) totals.set(amount, added[i] ?? NOTHING)
    }),
  )
  return amounts.map((amount) => totals.get(amount) ?? NOTHING)
}

const NOTHING: Told = { used: 0, resetMs: 0, mark: 0 }

async function addTogether(
  options: Pick<BatchOptions, 'connection' | 'time'>,
  amounts: readonly Amount[],
): Promise<readonly Told[]> {
  const batch = new DecisionBatch({ ...options, unlimited: true })
  batch.add(amounts)
  const answer = await batch.send()
  return amounts.map((_, i) => toldAt(answer, 3 + 3 * i))
}

/** @param at where it stands in an answer of `DECIDE`. */
export function toldAt(answer: readonly number[], at: number): Told {
  return { used: answer[at] ?? 0, resetMs: answer[at + 1] ?? 0, mark: answer[at + 2] ?? 0 }
}

function isNumbers(answer: unknown): answer is readonly number[] {
  return Array.isArray(answer) && answer.every((member) => typeof member === 'number')
}

function asNumbers(answer: unknown): readonly number[] {
  if (isNumbers(answer)) return answer
  throw new TypeError('Redis answered a script with something else')
}
