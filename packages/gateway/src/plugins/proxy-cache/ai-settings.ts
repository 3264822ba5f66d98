import { field } from '../../config/index.ts'

const SECONDS = { between: [0, 31_536_000] } as const

const modelRule = field.record({
  name: field.string(),
  cache: field.boolean(true),
  ttl: field.optional(field.integer({ gt: 0 })),
})

/** Our own, for services that carry AI traffic: the member `ai` of proxy-cache's configuration. */
export const aiCacheSchema = field
  .record({
    scope: field.enumeration(['consumer', 'tag', 'global'], 'consumer'),
    scope_tag: field.optional(field.string()),
    deterministic_only: field.boolean(false),
    models: field.optional(field.array(modelRule)),
    share_calls: field.boolean(true),
    share_timeout: field.defaulted(field.integer({ between: [1, 600_000] }), 15_000),
    when_client_leaves: field.enumeration(['cancel', 'finish'], 'cancel'),
    stale_while_revalidate: field.defaulted(field.integer(SECONDS), 0),
    stale_if_error: field.defaulted(field.integer(SECONDS), 0),
  })
  .check(
    field.recordRules((ai, report) => {
      if (ai.scope === 'tag' && ai.scope_tag === undefined)
        report('scope_tag', 'required field missing')
    }),
  )

export type WrittenAiCache = ReturnType<(typeof aiCacheSchema)['parse']>

/** What a configuration says of one model. */
export interface ModelRule {
  /** A model's name, or its beginning with `*` after it. */
  readonly name: string
  readonly cached: boolean
  /** `undefined`: as everything else. */
  readonly ttlSeconds: number | undefined
}

export interface AiCacheSettings {
  readonly scope: 'consumer' | 'tag' | 'global'
  /** How the tags begin that name who shares answers, when the scope is `tag`. */
  readonly scopeTag: string
  readonly deterministicOnly: boolean
  /** The first one that fits counts. */
  readonly models: readonly ModelRule[]
  /** Whether equal requests at once ask the upstream once. */
  readonly shareCalls: boolean
  /** How long someone else's call is waited for, until its answer begins. */
  readonly shareTimeoutMs: number
  /** What becomes of a call for which nobody waits any more. */
  readonly whenClientLeaves: 'cancel' | 'finish'
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
}

export function aiCacheSettings(written: WrittenAiCache): AiCacheSettings {
  return {
    scope: written.scope,
    scopeTag: written.scope_tag ?? '',
    deterministicOnly: written.deterministic_only,
    models: (written.models ?? []).map(({ name, cache, ttl }) => ({
      name,
      cached: cache,
      ttlSeconds: ttl,
    })),
    shareCalls: written.share_calls,
    shareTimeoutMs: written.share_timeout,
    whenClientLeaves: written.when_client_leaves,
    staleWhileRevalidateMs: written.stale_while_revalidate * 1000,
    staleIfErrorMs: written.stale_if_error * 1000,
  }
}

export function ruleFor(
  { models }: AiCacheSettings,
  model: string | undefined,
): ModelRule | undefined {
  return models.find(({ name }) =>
    name.endsWith('*') ? model?.startsWith(name.slice(0, -1)) : name === model,
  )
}
