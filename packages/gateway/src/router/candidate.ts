import type { UriCaptures } from '@pratu/plugin-kit'
import type { Route } from '../config/index.ts'
import { compileAnchored, type AnchoredRegex } from '../regex/index.ts'
import { covers, parseHostPattern, type HostPattern } from './host-pattern.ts'
import { createHeaderTest, passes, type HeaderTest, type RoutedHeaders } from './header-test.ts'
import type { MatchInput, RouteMatch } from './route-match.ts'
import type { VirtualRoute } from './virtual-route.ts'

/** A virtual route ready to be tested. What the index has already decided, host and plain path, is not in it. */
export interface Candidate<T> {
  /** Place in the order of evaluation; the lowest that matches wins. */
  readonly rank: number
  readonly route: Route
  readonly value: T
  readonly methods: readonly string[] | undefined
  readonly snis: readonly HostPattern[] | undefined
  readonly headers: readonly HeaderTest[] | undefined
  /** In file order; the first that matches gives the captures. Empty for plain paths. */
  readonly regexes: readonly AnchoredRegex[]
}

/** @throws {RegexSyntaxError} when a path or a header pattern does not compile. */
export function createCandidate<T>(
  virtual: VirtualRoute,
  value: T,
  rank: number,
  headers: RoutedHeaders,
): Candidate<T> {
  const { route } = virtual
  const tests = [...route.headers].map(([name, values]) =>
    createHeaderTest(headers.register(name), values),
  )
  return {
    rank,
    route,
    value,
    methods: route.methods.length > 0 ? route.methods : undefined,
    snis:
      route.snis.length > 0
        ? route.snis.map((sni) => parseHostPattern(withoutTrailingDot(sni)))
        : undefined,
    headers: tests.length > 0 ? tests : undefined,
    regexes: virtual.hasRegex ? virtual.paths.map((path) => compileAnchored(path.slice(1))) : [],
  }
}

export function accepts<T>(
  candidate: Candidate<T>,
  input: MatchInput,
  headers: RoutedHeaders,
): boolean {
  const { methods, snis, headers: tests, regexes } = candidate
  if (methods !== undefined && !methods.includes(input.method)) return false
  // Without TLS there is no SNI to compare, and the category is skipped (kong.md §2.2).
  if (snis !== undefined && input.scheme === 'https') {
    if (input.sni === undefined) return false
    const name = withoutTrailingDot(input.sni)
    if (!snis.some((pattern) => covers(pattern, name))) return false
  }
  if (tests !== undefined) {
    for (const test of tests) if (!passes(test, headers)) return false
  }
  if (regexes.length === 0) return true
  for (const regex of regexes) if (regex.matchLength(input.path) >= 0) return true
  return false
}

/** The match of a candidate with regexes, one of which is known to match. */
export function regexMatch<T>(candidate: Candidate<T>, path: string): RouteMatch<T> {
  const { route, value } = candidate
  for (const regex of candidate.regexes) {
    const length = regex.matchLength(path)
    if (length < 0) continue
    const captures = regex.groupCount > 0 ? new PathCaptures(regex, path) : undefined
    return { route, value, matchedPath: path.slice(0, length), captures }
  }
  return { route, value, matchedPath: undefined, captures: undefined }
}

/** Groups of a match, found when somebody asks: few plugins do, and it costs more than the match itself. */
class PathCaptures implements UriCaptures {
  readonly #regex: AnchoredRegex
  readonly #path: string
  #found: UriCaptures | undefined

  constructor(regex: AnchoredRegex, path: string) {
    this.#regex = regex
    this.#path = path
  }

  get numbered(): UriCaptures['numbered'] {
    return this.#find().numbered
  }

  get named(): UriCaptures['named'] {
    return this.#find().named
  }

  #find(): UriCaptures {
    return (this.#found ??= this.#regex.captures(this.#path) ?? { numbered: [], named: {} })
  }
}

function withoutTrailingDot(name: string): string {
  return name.length > 1 && name.endsWith('.') ? name.slice(0, -1) : name
}
