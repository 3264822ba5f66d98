import type { Protocol } from '../config/index.ts'
import { createCandidate, regexMatch, type Candidate } from './candidate.ts'
import { RoutedHeaders } from './header-test.ts'
import { HostIndex } from './host-index.ts'
import { portColon } from './host-pattern.ts'
import type { MatchInput, RouteMatch, Router, RouterEntry } from './route-match.ts'
import { comparePriority, splitRoute, type VirtualRoute } from './virtual-route.ts'

const SERVED_PROTOCOLS: ReadonlySet<Protocol> = new Set(['http', 'https'])

/**
 * Builds the router of one configuration, in the semantics of Kong's `traditional_compatible` flavour (kong.md
 * §2.1–2.5). Routes of protocols that are not served, streams
 * and gRPC, are left out. Protocols are not part of matching; the caller checks them.
 *
 * A match gives exactly what testing all routes in the order of §2.4 would give; the index only saves work.
 *
 * @throws {RegexSyntaxError} when a path or header pattern does not compile.
 * @throws {RangeError} when the wildcard of a host is not a whole label.
 */
export function createRouter<T>(entries: readonly RouterEntry<T>[]): Router<T> {
  const steps = createRouterInSteps(entries)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/**
 * The same as {@link createRouter} in many short steps, for a thread that serves meanwhile: it yields wherever other
 * work may go first.
 *
 * @throws as `createRouter` does.
 */
export function* createRouterInSteps<T>(
  entries: readonly RouterEntry<T>[],
): Generator<void, Router<T>, void> {
  const headers = new RoutedHeaders()
  const index = new HostIndex<T>()
  const split: { readonly virtual: VirtualRoute; readonly value: T }[] = []
  for (const { route, value } of entries) {
    if (!route.protocols.some((protocol) => SERVED_PROTOCOLS.has(protocol))) continue
    for (const virtual of splitRoute(route)) split.push({ virtual, value })
    yield
  }
  split.sort((a, b) => comparePriority(a.virtual, b.virtual))
  for (const [rank, { virtual, value }] of split.entries()) {
    yield
    addToIndex(index, virtual, createCandidate(virtual, value, rank, headers))
  }
  return new IndexedRouter(index, headers)
}

function addToIndex<T>(index: HostIndex<T>, virtual: VirtualRoute, candidate: Candidate<T>): void {
  const { route, value } = candidate
  const { hosts } = route
  const port = undefined
  for (const prefix of new Set(candidate.regexes.map((regex) => regex.literalPrefix))) {
    index.add(hosts, prefix, { candidate, port, match: undefined })
  }
  if (virtual.hasRegex) return
  if (virtual.paths.length === 0) {
    const match = { route, value, matchedPath: undefined, captures: undefined }
    index.add(hosts, '', { candidate, port, match })
  }
  for (const path of virtual.paths) {
    const match = { route, value, matchedPath: path, captures: undefined }
    index.add(hosts, path, { candidate, port, match })
  }
}

class IndexedRouter<T> implements Router<T> {
  readonly #index: HostIndex<T>
  readonly #headers: RoutedHeaders

  constructor(index: HostIndex<T>, headers: RoutedHeaders) {
    this.#index = index
    this.#headers = headers
  }

  match(input: MatchInput): RouteMatch<T> | undefined {
    const { host } = input
    const colon = portColon(host)
    const name = colon < 0 ? host : host.slice(0, colon)
    const port = colon < 0 ? input.port : Number(host.slice(colon + 1))
    this.#headers.read(input.headers)
    const entry = this.#index.find(name, port, input, this.#headers)
    this.#headers.read(undefined)
    if (entry === undefined) return undefined
    return entry.match ?? regexMatch(entry.candidate, input.path)
  }
}
