/** Directives by lower-case name: a number when the value looks like one, `true` without a value. */
export type Directives = ReadonlyMap<string, string | number | true>

export const NO_DIRECTIVES: Directives = new Map()

/** Reads every `Cache-Control` field of a message as one list (RFC 9111 §5.2). */
export function parseCacheControl(fields: readonly string[]): Directives {
  if (fields.length === 0) return NO_DIRECTIVES
  const directives = new Map<string, string | number | true>()
  for (const part of fields.join(',').split(',')) {
    const equals = part.indexOf('=')
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase()
    if (name === '') continue
    const value = equals < 0 ? '' : part.slice(equals + 1).trim()
    directives.set(name, value === '' ? true : numeric(value))
  }
  return directives
}

function numeric(value: string): string | number {
  const bare = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  return /^\d{1,10}$/.test(bare) ? Number(bare) : value
}

/** The directive's seconds; `undefined` when it is absent or no number. */
export function seconds(directives: Directives, name: string): number | undefined {
  const value = directives.get(name)
  return typeof value === 'number' ? value : undefined
}

/**
 * How long the origin calls its answer fresh, in seconds: `s-maxage`, else `max-age`, else `Expires`; 0 without any
 * (kong.md §3.4).
 *
 * @param expires the message's `Expires` fields; the last one counts.
 */
export function freshSeconds(
  directives: Directives,
  expires: readonly string[],
  nowMs: number,
): number {
  const stated = seconds(directives, 's-maxage') ?? seconds(directives, 'max-age')
  if (stated !== undefined) return stated
  const moment = Date.parse(expires.at(-1) ?? '')
  return Number.isNaN(moment) ? 0 : Math.max(0, Math.floor((moment - nowMs) / 1000))
}

/**
 * Whether the request's own directives refuse an answer of this age (kong.md §3.4).
 *
 * @param freshForSeconds how long the answer counted as fresh when it was stored.
 */
export function refusesAge(
  directives: Directives,
  ageSeconds: number,
  freshForSeconds: number,
): boolean {
  const maxAge = seconds(directives, 'max-age')
  if (maxAge !== undefined && ageSeconds > maxAge) return true
  const maxStale = seconds(directives, 'max-stale')
  if (maxStale !== undefined && ageSeconds - freshForSeconds > maxStale) return true
  const minFresh = seconds(directives, 'min-fresh')
  return minFresh !== undefined && freshForSeconds - ageSeconds < minFresh
}
