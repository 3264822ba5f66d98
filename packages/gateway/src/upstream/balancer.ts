import type { UpstreamTarget } from './contract.ts'

/**
 * Chooses targets. The seam for other algorithms: an implementation keeps whatever it must know between picks, and
 * hands it to its successor when a reload changes the targets.
 */
export interface Balancer {
  /** Index into the targets it was made for, or -1 when none may be used. Asked again for every try. */
  next(): number
}

/**
 * Smooth weighted round-robin: with weights 5 and 1 the lighter target comes up once in six, never five of the heavier
 * in a burst followed by a gap. Targets of weight 0 are not used (kong.md §1.6, targets).
 *
 * @param former the balancer of the same service before a reload: targets that stay keep their turn, so that a reload
 *   does not send a burst to the first of the list.
 */
export function createWeightedRoundRobin(
  targets: readonly UpstreamTarget[],
  former?: Balancer,
): Balancer {
  return new WeightedRoundRobin(targets, former instanceof WeightedRoundRobin ? former : undefined)
}

class WeightedRoundRobin implements Balancer {
  readonly #names: readonly string[]
  readonly #weights: readonly number[]
  readonly #total: number
  /** The one target in use, which needs no counting, or -1. */
  readonly #only: number
  readonly #turns: number[]

  constructor(targets: readonly UpstreamTarget[], former: WeightedRoundRobin | undefined) {
    this.#names = targets.map((target) => `${target.host}:${target.port}`)
    this.#weights = targets.map((target) => Math.max(0, target.weight))
    this.#total = this.#weights.reduce((sum, weight) => sum + weight, 0)
    const used = this.#weights.flatMap((weight, i) => (weight > 0 ? [i] : []))
    this.#only = used.length === 1 ? (used[0] ?? -1) : -1
    this.#turns = this.#names.map((name) => former?.turnOf(name) ?? 0)
  }

  turnOf(name: string): number {
    return this.#turns[this.#names.indexOf(name)] ?? 0
  }

  next(): number {
    if (this.#only !== -1 || this.#total === 0) return this.#only
    const weights = this.#weights
    const turns = this.#turns
    let best = -1
    let highest = -Infinity
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] ?? 0
      if (weight === 0) continue
      const turn = (turns[i] ?? 0) + weight
      turns[i] = turn
      if (turn > highest) {
        highest = turn
        best = i
      }
    }
    turns[best] = highest - this.#total
    return best
  }
}
