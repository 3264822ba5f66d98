import type { CacheLifetime, Clock, Exchange, ResponseHead } from '@pratu/plugin-kit'
import { freshSeconds, parseCacheControl } from './cache-control.ts'
import type { ProxyCacheConfig } from './config.ts'
import { isKeyedField } from './keyed-fields.ts'
import { matchesMediaType, parseMediaType } from './media-type.ts'

/** Decides which answers may be stored, and for how long. */
export type StorableRule = (exchange: Exchange, head: ResponseHead) => CacheLifetime | undefined

interface RuleOptions {
  readonly config: ProxyCacheConfig
  /** The answer's time to live when the origin has no say, seconds. */
  readonly ttlSeconds: number
  readonly compatibility: 'pratu' | 'kong'
  readonly clock: Clock
}

/** @returns a rule that answers `undefined` for what must not be stored. */
export function createStorableRule(options: RuleOptions): StorableRule {
  const { config, ttlSeconds, compatibility, clock } = options
  const varied = new Set(config.varyHeaders.map((name) => name.toLowerCase()))

  return (exchange, head) => {
    const { headers } = head
    // An answer of the gateway's own says nothing about the service.
    if (exchange.record.source !== 'service' || !config.statuses.has(head.status)) return undefined
    if (!isListedType(exchange, head)) return undefined
    if (compatibility === 'pratu' && !isSafeToShare(exchange, head)) return undefined

    let fresh = ttlSeconds
    if (config.cacheControl) {
      const directives = parseCacheControl(headers.all('cache-control'))
      if (directives.has('private') || directives.has('no-store') || directives.has('no-cache')) {
        return undefined
      }
      fresh = freshSeconds(directives, headers.all('expires'), clock.now())
      if (fresh <= 0) return undefined
    }
    return { freshMs: fresh * 1000, keepMs: (config.storageTtlSeconds ?? fresh) * 1000 }
  }

  function isListedType({ service }: Exchange, { headers }: ResponseHead): boolean {
    const fields = headers.all('content-type')
    const actual = fields.length === 1 ? parseMediaType(fields[0] ?? '') : undefined
    if (actual === undefined) return false
    // On AI traffic `application/json` is meant as any JSON (architecture §4).
    const withParameters = compatibility === 'kong' || service?.aiFormat === undefined
    return config.mediaTypes.some((listed) => matchesMediaType(listed, actual, withParameters))
  }

  /** What Kong would store although it belongs to one caller, or is no whole answer (S31, S33, F75). */
  function isSafeToShare({ service }: Exchange, { status, headers }: ResponseHead): boolean {
    if (headers.has('set-cookie')) return false
    // A part, and a word about what the client already has.
    if (status === 206 || status === 304) return false
    if (service?.aiFormat !== undefined) {
      // Errors of a model are never replayed, and a stream has no stored form yet.
      if (status !== 200) return false
      // Only the handling of POST (ai-cache.ts) knows whether a stream is complete.
      if (/^\s*text\/event-stream\b/i.test(headers.get('content-type') ?? '')) return false
    }
    return headers.all('vary').every((field) => field.split(',').every(isInKey))
  }

  function isInKey(field: string): boolean {
    const name = field.trim().toLowerCase()
    return name === '' || varied.has(name) || isKeyedField(name)
  }
}
