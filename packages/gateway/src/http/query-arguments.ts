/** One argument of a query or of a urlencoded body; `true` is a name without `=`. */
export interface QueryArgument {
  readonly name: string
  readonly value: string | true
  /** As it came, so that what nobody changed goes out byte for byte; `undefined` when we made it. */
  readonly raw: string | undefined
}

/**
 * Splits a query (with or without its `?`) or a urlencoded body into its arguments, in their order. `+` is a space.
 * Text whose escapes are broken or no UTF-8 stands for itself.
 */
export function parseQuery(query: string): QueryArgument[] {
  const text = query.startsWith('?') ? query.slice(1) : query
  const found: QueryArgument[] = []
  for (const raw of text.split('&')) {
    if (raw === '') continue
    const equals = raw.indexOf('=')
    found.push(
      equals < 0
        ? { name: decode(raw), value: true, raw }
        : { name: decode(raw.slice(0, equals)), value: decode(raw.slice(equals + 1)), raw },
    )
  }
  return found
}

/** @returns the arguments joined, without a leading `?`; empty when there are none. */
export function formatQuery(found: readonly QueryArgument[]): string {
  return found.map(({ name, value, raw }) => raw ?? encodeArgument(name, value)).join('&')
}

function encodeArgument(name: string, value: string | true): string {
  const encoded = encodeURIComponent(name.toWellFormed())
  return value === true ? encoded : `${encoded}=${encodeURIComponent(value.toWellFormed())}`
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch (error) {
    if (error instanceof URIError) return spaced
    throw error
  }
}
