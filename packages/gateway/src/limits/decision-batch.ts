import type { RedisConnection } from '../redis/index.ts'
import { DECIDE } from './redis-scripts.ts'
import { scopeKey, type RemoteHold, type RemoteMeter } from './remote-meter.ts'

/** More than any limit: what is asked with it is always admitted. */
const UNLIMITED = Number.MAX_SAFE_INTEGER

export interface Amount {
  readonly meter: RemoteMeter
  readonly scope: string
  readonly amount: number
}

/** Reservations that are asked for together; each scope and each meter is named once. */
export class DecisionBatch {
  readonly #keys: string[] = []
  readonly #keyNumbers = new Map<string, number>()
  readonly #meters: (readonly [field: string, period: number, limit: number])[] = []
  readonly #meterNumbers = new Map<RemoteMeter, number>()
  readonly #decisions: number[][] = []
  readonly #unlimited: boolean

  /** @param unlimited whether to count without limits. */
  constructor({ unlimited = false }: { unlimited?: boolean } = {}) {
    this.#unlimited = unlimited
  }

  add(holds: readonly (RemoteHold | Amount)[]): void {
    const decision: number[] = []
    for (const { meter, scope, amount } of holds) {
      decision.push(this.#keyNumber(scope), this.#meterNumber(meter), amount)
    }
    this.#decisions.push(decision)
  }

  /** @throws {RedisUnavailable} */
  async send(
    connection: RedisConnection,
    onLate?: (answer: readonly number[]) => void,
  ): Promise<readonly number[]> {
    const question = JSON.stringify({ m: this.#meters, d: this.#decisions })
    const answer = await connection.evaluate(DECIDE, this.#keys, [question], (late) =>
      onLate?.(asNumbers(late)),
    )
    return asNumbers(answer)
  }

  #keyNumber(scope: string): number {
    let number = this.#keyNumbers.get(scope)
    if (number === undefined) {
      number = this.#keys.push(scopeKey(scope))
      this.#keyNumbers.set(scope, number)
    }
    return number
  }

  #meterNumber(meter: RemoteMeter): number {
    let number = this.#meterNumbers.get(meter)
    if (number === undefined) {
      const limit = this.#unlimited ? UNLIMITED : meter.definition.limit
      number = this.#meters.push([meter.field, meter.periodNumber, limit])
      this.#meterNumbers.set(meter, number)
    }
    return number
  }
}

/**
 * Adds amounts, 0 and less included, whatever the limits.
 *
 * @returns each counter's total, in order.
 * @throws {RedisUnavailable}
 */
export async function addUnlimited(
  connection: RedisConnection,
  amounts: readonly Amount[],
): Promise<readonly number[]> {
  if (!connection.isCluster) return addTogether(connection, amounts)
  const totals = new Map<Amount, number>()
  const slots = [...Map.groupBy(amounts, ({ scope }) => scope).values()]
  await Promise.all(
    slots.map(async (slot) => {
      const added = await addTogether(connection, slot)
      for (const [i, amount] of slot.entries()) totals.set(amount, added[i] ?? 0)
    }),
  )
  return amounts.map((amount) => totals.get(amount) ?? 0)
}

async function addTogether(
  connection: RedisConnection,
  amounts: readonly Amount[],
): Promise<readonly number[]> {
  const batch = new DecisionBatch({ unlimited: true })
  batch.add(amounts)
  const answer = await batch.send(connection)
  return amounts.map((_, i) => UNLIMITED - (answer[i + 2] ?? UNLIMITED))
}

function asNumbers(answer: unknown): readonly number[] {
  if (!Array.isArray(answer)) throw new TypeError('Redis answered a script with something else')
  return answer.map(Number)
}
