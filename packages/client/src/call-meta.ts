/** What the gateway said about a call besides its answer. */
export interface CallMeta {
  /** The gateway's id of the request, to find it in its log. */
  readonly requestId: string | undefined
  /** How often the request was sent. */
  readonly attempts: number
  /** In dollars; undefined when the gateway did not say: streams, cache hits, models without a price. */
  readonly costDollars: number | undefined
  /** Whether the cost rests on an estimate of the tokens. */
  readonly costEstimated: boolean
  /** `Hit`, `Miss`, `Bypass` or `Refresh` where a cache is in the way. */
  readonly cacheStatus: string | undefined
  readonly fromCache: boolean
}

/** An answer and, not enumerable and so in no JSON of it, what the gateway said about it. */
export type Answered<Answer> = Answer & { readonly meta: CallMeta }

export function withMeta<Answer extends object>(answer: Answer, meta: CallMeta): Answered<Answer> {
  return Object.defineProperty(answer, 'meta', { value: meta }) as Answered<Answer>
}

export function metaOf(header: (name: string) => string | undefined, attempts: number): CallMeta {
  const cacheStatus = header('x-cache-status')
  const cost = header('x-pratu-cost')
  return {
    requestId: requestIdOf(header),
    attempts,
    costDollars: costOf(cost),
    costEstimated: cost?.includes('estimated') ?? false,
    cacheStatus,
    fromCache: cacheStatus?.toLowerCase() === 'hit',
  }
}

export function requestIdOf(header: (name: string) => string | undefined): string | undefined {
  return header('x-kong-request-id') ?? header('x-request-id') ?? header('request-id')
}

/** `0.0038`, `0.0038; estimated` or `unpriced` (docs/prices.md). */
export function costOf(text: string | undefined): number | undefined {
  const amount = /^\d+(?:\.\d+)?(?=\s*(?:;|$))/.exec(text ?? '')?.[0]
  return amount === undefined ? undefined : Number(amount)
}
