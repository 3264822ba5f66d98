import {
  definePlugin,
  type AnswerReply,
  type Awaitable,
  type Exchange,
  type Plugin,
  type PluginCounter,
  type Reply,
  type ResponseHead,
  type Saved,
} from '@pratu/plugin-kit'
import { SAVED } from '../../journal/index.ts'
import { DIALECTS } from '../../ai/index.ts'
import type { AiFormat } from '../../config/index.ts'
import { mayHaveContent } from '../../http/index.ts'
import { NO_DIRECTIVES, parseCacheControl, refusesAge, type Directives } from './cache-control.ts'
import { cacheKey, kongCacheKey } from './cache-key.ts'
import { Capture } from './capture.ts'
import { proxyCacheSchema, type ProxyCacheConfig } from './config.ts'
import { createStorableRule } from './storable.ts'
import { AiCache } from './ai-cache.ts'
import { fieldsToStore, toReplyHeaders } from './stored-fields.ts'
import { bypass, visit, VISIT, type Status, type Visit } from './visit.ts'

/** Request bodies up to here are read for the key; beyond it the request passes the cache by. */
const KEYED_BODY_BYTES = 1024 * 1024
/** `cache_ttl` of Kong's schema, where neither the file nor the node says anything. */
const DEFAULT_TTL_SECONDS = 300

const EMPTY = new Uint8Array(0)

/** Who was given what another request asked for is counted apart: it was no hit in the store. */
type Counted = Status | 'Follow'

const NOT_CACHED: AnswerReply = {
  kind: 'answer',
  status: 504,
  headers: {},
  body: new Uint8Array(0),
}

/**
 * Answers repeated requests from memory, with Kong's HTTP semantics (kong.md §3.4). Outside of `compatibility: kong` the
 * key holds everything that can change the answer, so that no caller gets what was made for another (S31, S33).
 */
export const proxyCache = definePlugin<ProxyCacheConfig>({
  name: 'proxy-cache',
  priority: 100,
  schema: proxyCacheSchema,

  create(config, context): Plugin {
    const { cache, clock, compatibility, instance, metrics, node } = context
    const ttlSeconds = config.ttlSeconds ?? node.cacheTtlSeconds ?? DEFAULT_TTL_SECONDS
    const lifetimeOf = createStorableRule({ config, ttlSeconds, compatibility, clock })

    const aiCache = new AiCache({ config, ttlSeconds, context, onSaved: countSaved })

    /** A counter per status, by route: as many as the configuration has routes. */
    const countersByRoute = new Map<string, Partial<Record<Counted, PluginCounter>>>()

    function counterOf({ route, service }: Exchange, status: Counted): PluginCounter {
      const key = route?.id ?? ''
      let counters = countersByRoute.get(key)
      if (counters === undefined) countersByRoute.set(key, (counters = {}))
      return (counters[status] ??= metrics.counter('pratu_cache_requests_total', [
        service?.name ?? service?.host ?? '',
        route?.name ?? key,
        status.toLowerCase(),
      ]))
    }

    function countSaved(exchange: Exchange, saved: Saved): void {
      exchange.setNote(SAVED, saved)
      const { route, service } = exchange
      const labels = [service?.name ?? service?.host ?? '', route?.name ?? route?.id ?? '']
      const { promptTokens, completionTokens, nanoDollars } = saved
      metrics.count('pratu_cache_saved_tokens_total', [...labels, 'input'], promptTokens)
      metrics.count('pratu_cache_saved_tokens_total', [...labels, 'output'], completionTokens)
      if (nanoDollars !== undefined)
        metrics.count('pratu_cache_saved_dollars_total', labels, nanoDollars / 1e9)
      exchange.annotate('cache', {
        saved_prompt_tokens: promptTokens,
        saved_completion_tokens: completionTokens,
        saved_dollars: nanoDollars === undefined ? undefined : nanoDollars / 1e9,
      })
    }

    function lookUp(exchange: Exchange, directives: Directives, key: string): Reply | undefined {
      const found = cache.read(instance.id, key)
      if (found === undefined) {
        const onlyIfCached = directives.has('only-if-cached')
        visit(exchange, 'Miss', key, { storing: !onlyIfCached })
        return onlyIfCached ? NOT_CACHED : undefined
      }
      const age = Math.floor(found.ageMs / 1000)
      const refused = config.cacheControl
        ? refusesAge(directives, age, found.freshMs / 1000)
        : found.ageMs > ttlSeconds * 1000
      if (refused) {
        visit(exchange, 'Refresh', key, { storing: true })
        return undefined
      }
      visit(exchange, 'Hit', key, { age })
      return {
        kind: 'answer',
        status: found.status,
        headers: toReplyHeaders(found.headers),
        body: found.body,
        source: 'service',
      }
    }

    function lookUpByBody(
      exchange: Exchange,
      directives: Directives,
    ): Awaitable<Reply | undefined> {
      const bytes = exchange.request.body.bytes(Number.MAX_SAFE_INTEGER)
      return bytes instanceof Promise
        ? bytes.then((late) => lookUpWith(exchange, directives, late))
        : lookUpWith(exchange, directives, bytes)
    }

    /** A body that had arrived before anybody asked is complete, whatever its size. */
    function lookUpWith(
      exchange: Exchange,
      directives: Directives,
      body: Uint8Array,
    ): Reply | undefined {
      if (body.length > KEYED_BODY_BYTES) return bypass(exchange)
      return lookUp(exchange, directives, cacheKey(exchange, config, body))
    }

    /** Opens the store for an answer that may be stored; the rest of it follows as the body passes. */
    function startStoring(exchange: Exchange, head: ResponseHead, visited: Visit): void {
      const lifetime = lifetimeOf(exchange, head)
      if (lifetime === undefined || visited.key === undefined) {
        visited.status = 'Bypass'
        visited.storing = false
        return
      }
      const { method } = exchange.request
      const headers = fieldsToStore(head.headers.flat, {
        limits: compatibility === 'kong',
        length: method === 'HEAD',
      })
      const writer = cache.open(instance.id, visited.key, { status: head.status, headers })
      if (writer === undefined) return
      // The body phase does not run for answers without content: they are complete with their head.
      if (mayHaveContent(method, head.status)) {
        visited.capture = new Capture(writer, lifetime)
      } else {
        writer.commit(lifetime)
      }
    }

    return {
      access(exchange) {
        const { request, service } = exchange
        if (compatibility !== 'kong' && request.method === 'POST' && config.methods.has('POST')) {
          const format = aiFormatOf(service)
          if (format !== undefined) return aiCache.access(exchange, format)
        }
        const directives = config.cacheControl
          ? parseCacheControl(request.headers.all('cache-control'))
          : NO_DIRECTIVES
        if (
          !config.methods.has(request.method) ||
          directives.has('no-store') ||
          directives.has('no-cache')
        ) {
          return bypass(exchange)
        }
        if (compatibility === 'kong') {
          return lookUp(exchange, directives, kongCacheKey(exchange, config))
        }
        if (request.body.empty) {
          return lookUp(exchange, directives, cacheKey(exchange, config, EMPTY))
        }
        const buffered = request.body.buffer(KEYED_BODY_BYTES)
        if (buffered === 'complete') return lookUpByBody(exchange, directives)
        if (buffered === 'partial') return bypass(exchange)
        return buffered.then((state) =>
          state === 'complete' ? lookUpByBody(exchange, directives) : bypass(exchange),
        )
      },

      wrap: (next) => (exchange, out) => {
        const pending = exchange.note(VISIT)?.pending
        if (pending === undefined) next(exchange, out)
        else pending.run(next, exchange, out)
      },

      responseHeaders(exchange, head) {
        const visited = exchange.note(VISIT)
        if (visited === undefined) return
        // A second head comes when a later plugin threw on the first: that answer is not the one to store.
        visited.capture?.abandon()
        visited.capture = undefined
        if (visited.storing) startStoring(exchange, head, visited)

        const { headers } = head
        const { shows } = config
        if (shows.status) headers.set('X-Cache-Status', visited.status)
        if (shows.key && visited.key !== undefined) headers.set('X-Cache-Key', visited.key)
        if (shows.age && visited.age !== undefined) headers.set('Age', String(visited.age))
      },

      responseBody(exchange) {
        return exchange.note(VISIT)?.capture
      },

      log(exchange) {
        const visited = exchange.note(VISIT)
        if (visited === undefined) return
        visited.capture?.abandon()
        visited.pending?.leave()
        counterOf(exchange, visited.followed ? 'Follow' : visited.status).add(1)
      },
    }
  },
})

function aiFormatOf(service: Exchange['service']): AiFormat | undefined {
  const format = service?.aiFormat
  return format !== undefined && isAiFormat(format) ? format : undefined
}

function isAiFormat(format: string): format is AiFormat {
  return Object.hasOwn(DIALECTS, format)
}
