import { field } from '../../config/index.ts'
import { aiCacheSchema, aiCacheSettings } from './ai-settings.ts'
import { parseMediaType } from './media-type.ts'

const METHODS = ['HEAD', 'GET', 'POST', 'PATCH', 'PUT'] as const

/** Kong's fields and defaults (kong.md §3.4). `memory.dictionary_name` is accepted and names nothing: there is one store. */
export const proxyCacheSchema = field
  .record({
    strategy: field.enumeration(['memory']),
    response_code: field.defaulted(
      field.array(field.integer({ between: [100, 900] }), { min: 1 }),
      [200, 301, 404],
    ),
    request_method: field.defaulted(field.array(field.enumeration(METHODS)), ['GET', 'HEAD']),
    content_type: field.defaulted(field.array(field.string()), ['text/plain', 'application/json']),
    cache_ttl: field.optional(field.integer({ gt: 0 })),
    cache_control: field.boolean(false),
    ignore_uri_case: field.boolean(false),
    storage_ttl: field.optional(field.integer({ gt: 0 })),
    memory: field.filled(
      field.record({ dictionary_name: field.defaulted(field.string(), 'kong_db_cache') }),
    ),
    vary_query_params: field.optional(field.array(field.string())),
    vary_headers: field.optional(field.array(field.string())),
    response_headers: field.filled(
      field.record({
        age: field.boolean(true),
        'X-Cache-Status': field.boolean(true),
        'X-Cache-Key': field.boolean(true),
      }),
    ),
    // Ours.
    ai: field.filled(aiCacheSchema),
  })
  .transform((config) => ({
    statuses: new Set(config.response_code),
    methods: new Set<string>(config.request_method),
    mediaTypes: config.content_type.flatMap((text) => parseMediaType(text) ?? []),
    /** Seconds; `undefined` = the node's default. */
    ttlSeconds: config.cache_ttl,
    cacheControl: config.cache_control,
    ignorePathCase: config.ignore_uri_case,
    /** Seconds; how long an answer is kept at all, fresh or not. */
    storageTtlSeconds: config.storage_ttl,
    varyQuery: config.vary_query_params ?? [],
    varyHeaders: config.vary_headers ?? [],
    ai: aiCacheSettings(config.ai),
    shows: {
      age: config.response_headers.age,
      status: config.response_headers['X-Cache-Status'],
      key: config.response_headers['X-Cache-Key'],
    },
  }))

export type ProxyCacheConfig = ReturnType<(typeof proxyCacheSchema)['parse']>
