/** How much of a model's usual answer is kept when the next one comes. */
const MEMORY = 0.9

/** Answers vary: half as much again is room for most of them. */
const ROOM = 1.5

/** What was learnt stays within this of what the file says. */
const MOST = 4
const LEAST_TOKENS = 16

/** Names of models come from clients. */
const MAX_MODELS = 200

/** How many tokens models usually write: a moving average per model, for requests that set no bound of their own. */
export class UsualOutput {
  readonly #averages = new Map<string, number>()

  /** @param fallback tokens, while nothing is known of the model; also bounds what was learnt, to four times as much. */
  expect(model: string | undefined, fallback: number): number {
    const average = this.#averages.get(model ?? '')
    if (average === undefined) return fallback
    return Math.min(fallback * MOST, Math.max(LEAST_TOKENS, Math.ceil(average * ROOM)))
  }

  learn(model: string | undefined, tokens: number): void {
    if (tokens <= 0) return
    const key = model ?? ''
    const average = this.#averages.get(key)
    if (average === undefined && this.#averages.size >= MAX_MODELS) return
    this.#averages.set(
      key,
      average === undefined ? tokens : average * MEMORY + tokens * (1 - MEMORY),
    )
  }
}
