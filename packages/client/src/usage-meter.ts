import { countOf, fieldOf } from './json.ts'

/** What a client has used so far. Tokens are those that a provider was asked for; a cache's answers count apart. */
export interface ClientUsage {
  /** Calls that ended with an answer. */
  readonly calls: number
  /** Calls that ended with an error. */
  readonly failedCalls: number
  /** Attempts after the first of a call. */
  readonly retries: number
  readonly promptTokens: number
  readonly completionTokens: number
  readonly totalTokens: number
  /** Part of `promptTokens` that the provider had in its own cache. */
  readonly cachedPromptTokens: number
  /** What the gateway told, in dollars. */
  readonly costDollars: number
  /** Calls whose cost the gateway did not tell: streams, models without a price, gateways that do not know. */
  readonly callsOfUnknownCost: number
  /** Answers that came from the gateway's cache, and the tokens that they would have taken. */
  readonly cacheHits: number
  readonly cacheHitTokens: number
}

const NANO = 1e9

/** Adds up; money in whole nano-dollars, so that a million small sums stay exact. */
export class UsageMeter {
  #calls = 0
  #failedCalls = 0
  #retries = 0
  #promptTokens = 0
  #completionTokens = 0
  #cachedPromptTokens = 0
  #costNanoDollars = 0
  #callsOfUnknownCost = 0
  #cacheHits = 0
  #cacheHitTokens = 0

  get usage(): ClientUsage {
    return {
      calls: this.#calls,
      failedCalls: this.#failedCalls,
      retries: this.#retries,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      totalTokens: this.#promptTokens + this.#completionTokens,
      cachedPromptTokens: this.#cachedPromptTokens,
      costDollars: this.#costNanoDollars / NANO,
      callsOfUnknownCost: this.#callsOfUnknownCost,
      cacheHits: this.#cacheHits,
      cacheHitTokens: this.#cacheHitTokens,
    }
  }

  /** @param usage the answer's own, in OpenAI's shape; anything else counts nothing. */
  answered(usage: unknown, fromCache: boolean, costDollars: number | undefined): void {
    this.#calls++
    const prompt = countOf(usage, 'prompt_tokens')
    const completion = countOf(usage, 'completion_tokens')
    if (fromCache) {
      this.#cacheHits++
      this.#cacheHitTokens += prompt + completion
      return
    }
    this.#promptTokens += prompt
    this.#completionTokens += completion
    this.#cachedPromptTokens += countOf(fieldOf(usage, 'prompt_tokens_details'), 'cached_tokens')
    if (costDollars === undefined) this.#callsOfUnknownCost++
    else this.spent(costDollars)
  }

  failed(): void {
    this.#failedCalls++
  }

  retried(): void {
    this.#retries++
  }

  /** An attempt that failed may have cost something all the same. */
  spent(costDollars: number): void {
    this.#costNanoDollars += Math.round(costDollars * NANO)
  }
}
