import { compileAnchored, RegexSyntaxError, type AnchoredRegex } from '../../regex/index.ts'

/**
 * Who may read answers: everyone, always the same one, or those that a list matches.
 *
 * @see kong.md §3.9
 */
export type Origins =
  | { readonly kind: 'any' }
  | { readonly kind: 'fixed'; readonly origin: string }
  | { readonly kind: 'listed'; readonly allows: (origin: string) => boolean }

const LITERAL = /^[A-Za-z0-9.:/-]+$/
const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ['http', '80'],
  ['https', '443'],
])

/** A rule for one entry of `origins`, in Kong's words. */
export function originProblem(entry: string): string | undefined {
  if (entry === '*' || LITERAL.test(entry)) return undefined
  try {
    compilePattern(entry)
    return undefined
  } catch (error) {
    if (error instanceof RegexSyntaxError) return `'${entry}' is not a valid regex`
    throw error
  }
}

/** @param entries `*`, literal origins, literal hosts, or patterns, which are anchored at both ends. */
export function compileOrigins(entries: readonly string[]): Origins {
  const [first] = entries
  if (first === undefined) return { kind: 'any' }
  if (entries.length === 1) {
    if (first === '*') return { kind: 'any' }
    if (LITERAL.test(first)) return { kind: 'fixed', origin: first }
  }
  const tests = entries.map(compileEntry)
  return {
    kind: 'listed',
    allows: (origin) => {
      const parsed = parseOrigin(origin)
      return tests.some((test) => test(parsed))
    },
  }
}

interface Origin {
  /** Scheme, host, and port unless it is the scheme's own. */
  readonly whole: string
  readonly host: string
}

/** An entry without `:` speaks of the host alone, whatever scheme and port. */
function compileEntry(entry: string): (origin: Origin) => boolean {
  if (entry === '*') return () => true
  const byHost = !entry.includes(':')
  const subject = (origin: Origin): string => (byHost ? origin.host : origin.whole)
  if (LITERAL.test(entry)) {
    const wanted = byHost ? entry.toLowerCase() : parseOrigin(entry).whole
    return (origin) => subject(origin) === wanted
  }
  const pattern = compilePattern(entry)
  return (origin) => pattern.matchLength(subject(origin)) >= 0
}

/** Linear in the text whatever the pattern: `Origin` comes from anybody (S28). */
function compilePattern(entry: string): AnchoredRegex {
  return compileAnchored(`(?:${entry})$`)
}

function parseOrigin(text: string): Origin {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?\/?$/i.exec(text)
  if (match === null) return { whole: text, host: text }
  const scheme = (match[1] ?? '').toLowerCase()
  const host = (match[2] ?? '').toLowerCase()
  const port = match[3]
  const suffix = port === undefined || DEFAULT_PORTS.get(scheme) === port ? '' : `:${port}`
  return { whole: `${scheme}://${host}${suffix}`, host }
}
