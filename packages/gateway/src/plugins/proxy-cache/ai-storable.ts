import type { CacheLifetime, Exchange, ResponseHead } from '@pratu/plugin-kit'
import { formOf } from '../../ai/index.ts'
import { parseCacheControl } from './cache-control.ts'
import type { ProxyCacheConfig } from './config.ts'
import { isKeyedField } from './keyed-fields.ts'
import { matchesMediaType, parseMediaType, type MediaType } from './media-type.ts'

const JSON_TYPE: MediaType = { type: 'application', subtype: 'json', parameters: new Map() }
const EVENTS_TYPE: MediaType = { type: 'text', subtype: 'event-stream', parameters: new Map() }

/** How long answers of one model are fresh and kept, ms. */
export interface Lifetimes {
  readonly freshMs: number
  readonly keepMs: number
}

export function lifetimesOf(
  { ai, storageTtlSeconds = 0 }: ProxyCacheConfig,
  ttlSeconds: number,
): Lifetimes {
  const freshMs = ttlSeconds * 1000
  const stale = Math.max(ai.staleWhileRevalidateMs, ai.staleIfErrorMs)
  return { freshMs, keepMs: Math.max(storageTtlSeconds * 1000, freshMs + stale) }
}

/**
 * Whether an answer of a model may be kept, as far as its head tells: only 200 (F75), only of a listed type, a stream
 * counting as the JSON that it stands for.
 *
 * @returns `undefined` when it may not.
 */
export function aiLifetime(
  config: ProxyCacheConfig,
  { record }: Exchange,
  { status, headers }: ResponseHead,
  lifetimes: Lifetimes,
): CacheLifetime | undefined {
  if (status !== 200 || !config.statuses.has(status) || record.source !== 'service')
    return undefined
  if (
    formOf(headers.get('content-type')) === undefined ||
    !isListed(config, headers.get('content-type'))
  )
    return undefined
  const encoding = headers.get('content-encoding')
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return undefined
  if (
    !headers.all('vary').every((field) => field.split(',').every((name) => isCovered(config, name)))
  )
    return undefined
  if (config.cacheControl) {
    const directives = parseCacheControl(headers.all('cache-control'))
    // `no-cache` stands on every event stream, and says nothing about storing.
    if (directives.has('no-store') || directives.has('private')) return undefined
  }
  return lifetimes
}

function isListed({ mediaTypes }: ProxyCacheConfig, contentType = ''): boolean {
  const actual = parseMediaType(contentType)
  if (actual === undefined) return false
  const twin = formOf(contentType) === 'events' ? JSON_TYPE : EVENTS_TYPE
  return mediaTypes.some(
    (listed) => matchesMediaType(listed, actual, false) || matchesMediaType(listed, twin, false),
  )
}

const FORM_ONLY = new Set(['', 'accept', 'accept-encoding', 'accept-charset'])

function isCovered({ varyHeaders }: ProxyCacheConfig, field: string): boolean {
  const name = field.trim().toLowerCase()
  if (FORM_ONLY.has(name) || isKeyedField(name)) return true
  return varyHeaders.some((listed) => listed.toLowerCase() === name)
}
