import type {
  CachedHead,
  CachedResponse,
  CacheWriter,
  ResponseCache,
  Tenant,
} from '@pratu/plugin-kit'
import { LiveAnswer, type AnswerHome } from './live-answer.ts'

/** Which answer is meant. The tenant is asked for apart from everything else, so that no key can be without (S31). */
export interface AnswerKey {
  readonly tenant: Tenant
  /** Lower-case hex; of everything that can change the answer, the tenant included. */
  readonly digest: string
}

/** What one request wants of a stored answer. */
export type Judgement = 'fresh' | 'stale' | 'unusable'

export interface Question {
  readonly key: AnswerKey
  /**
   * Answers of one key apart: who asks begins in the first lane, and any other lane may be joined. Answers of one
   * lane may lack what others need.
   */
  readonly lanes: readonly [own: string, ...others: string[]]
  /** Whether what is stored may answer at all. */
  readonly lookUp: boolean
  /** Whether somebody else's call may be shared. */
  readonly share: boolean
  /** Whether the upstream may be asked. */
  readonly ask: boolean
  /** `stale`: it may be given, but ask the upstream again. */
  readonly judge: (found: CachedResponse) => Judgement
}

export type Opened =
  | { readonly kind: 'hit'; readonly found: CachedResponse }
  /** Give `found`, and refresh it with `live`. */
  | { readonly kind: 'stale'; readonly found: CachedResponse; readonly live: LiveAnswer }
  /** Ask the upstream. `found` was there, but could not be given as it is. */
  | { readonly kind: 'lead'; readonly live: LiveAnswer; readonly found: CachedResponse | undefined }
  | { readonly kind: 'follow'; readonly live: LiveAnswer }
  | { readonly kind: 'none' }

/**
 * Stored answers and calls under way of one owner: looking up and joining are one step, so that of any number of equal
 * requests at once exactly one asks the upstream (F73).
 */
export class Answers implements AnswerHome {
  readonly #cache: ResponseCache
  readonly #owner: string
  readonly #byName = new Map<string, LiveAnswer>()

  constructor(cache: ResponseCache, owner: string) {
    this.#cache = cache
    this.#owner = owner
  }

  /** Calls that may be joined right now. */
  get size(): number {
    return this.#byName.size
  }

  open(question: Question): Opened {
    const { key, lookUp, judge } = question
    const found = lookUp ? this.#cache.read(this.#owner, key.digest) : undefined
    const judgement = found === undefined ? 'unusable' : judge(found)
    if (found !== undefined && judgement === 'fresh') return { kind: 'hit', found }
    const joined = this.#find(question)
    if (joined === undefined && !question.ask) {
      return found !== undefined && judgement === 'stale'
        ? { kind: 'hit', found }
        : { kind: 'none' }
    }
    if (found !== undefined && judgement === 'stale') {
      return joined === undefined
        ? { kind: 'stale', found, live: this.#begin(question) }
        : { kind: 'hit', found }
    }
    return joined === undefined
      ? { kind: 'lead', live: this.#begin(question), found }
      : { kind: 'follow', live: joined }
  }

  #find({ key, lanes, share }: Question): LiveAnswer | undefined {
    if (!share) return undefined
    for (const lane of lanes) {
      const live = this.#byName.get(nameOf(key.digest, lane))
      if (live !== undefined) return live
    }
    return undefined
  }

  #begin({ key, lanes, share }: Question): LiveAnswer {
    const [lane] = lanes
    const live = new LiveAnswer(this, { owner: this.#owner, key: key.digest, lane, attempt: 0 })
    const name = nameOf(key.digest, lane)
    if (share && !this.#byName.has(name)) this.#byName.set(name, live)
    return live
  }

  store({ facts }: LiveAnswer, head: CachedHead): CacheWriter | undefined {
    return this.#cache.open(facts.owner, facts.key, head)
  }

  remove(live: LiveAnswer): void {
    const name = nameOf(live.facts.key, live.facts.lane)
    if (this.#byName.get(name) === live) this.#byName.delete(name)
  }

  succeed(live: LiveAnswer): LiveAnswer {
    const next = this.alone(live)
    this.#byName.set(nameOf(live.facts.key, live.facts.lane), next)
    return next
  }

  alone({ facts }: LiveAnswer): LiveAnswer {
    return new LiveAnswer(this, { ...facts, attempt: facts.attempt + 1 })
  }
}

function nameOf(digest: string, lane: string): string {
  return `${lane} ${digest}`
}
