import type { HeaderView, UriCaptures } from '@pratu/plugin-kit'
import type { Route } from '../config/index.ts'

export interface RouterEntry<T> {
  readonly route: Route
  /** Handed back with every match of the route. */
  readonly value: T
}

/** What routes are matched against. `RequestView` of the plugin contract fits. */
export interface MatchInput {
  readonly method: string
  /** The `Host` as received, with its port if it had one. Compared with case, as in Kong. */
  readonly host: string
  /** As `normalisePath` gave it. */
  readonly path: string
  readonly scheme: 'http' | 'https'
  /** The port that the request came in on; used where `host` names none. */
  readonly port: number
  readonly sni?: string | undefined
  readonly headers: HeaderView
}

export interface RouteMatch<T> {
  readonly route: Route
  readonly value: T
  /** The text that `strip_path` removes: the prefix, or the whole match of a regex. `undefined` without paths. */
  readonly matchedPath: string | undefined
  /** Groups of the regex that matched; `undefined` when it has none and for plain paths. */
  readonly captures: UriCaptures | undefined
}

export interface Router<T> {
  match(input: MatchInput): RouteMatch<T> | undefined
}
