import type { RoutedHeaders } from './header-test.ts'
import { parseHostPattern } from './host-pattern.ts'
import { PathIndex, type IndexEntry } from './path-index.ts'
import type { MatchInput } from './route-match.ts'

/** Candidates by host, each with its own index of paths. Looks at every place that could hold the best match. */
export class HostIndex<T> {
  readonly #exact = new Map<string, PathIndex<T>>()
  readonly #suffixes = new Map<string, PathIndex<T>>()
  readonly #prefixes = new Map<string, PathIndex<T>>()
  readonly #anyHost = new PathIndex<T>()
  // A long host name full of dots must not be looked up dot by dot.
  #longestSuffix = 0
  #longestPrefix = 0

  /**
   * Entries must come by rank.
   *
   * @param hosts as configured; empty = any.
   * @throws {RangeError} for a wildcard that is not a whole label.
   */
  add(hosts: readonly string[], path: string, entry: IndexEntry<T>): void {
    if (hosts.length === 0) this.#anyHost.add(path, entry)
    for (const host of hosts) {
      const { kind, text, port } = parseHostPattern(host)
      if (kind === 'suffix') this.#longestSuffix = Math.max(this.#longestSuffix, text.length)
      if (kind === 'prefix') this.#longestPrefix = Math.max(this.#longestPrefix, text.length)
      const byText = { exact: this.#exact, suffix: this.#suffixes, prefix: this.#prefixes }[kind]
      let index = byText.get(text)
      if (index === undefined) byText.set(text, (index = new PathIndex()))
      index.add(path, { ...entry, port })
    }
  }

  /** @param name the request's host without its port. */
  find(
    name: string,
    port: number,
    input: MatchInput,
    headers: RoutedHeaders,
  ): IndexEntry<T> | undefined {
    let best: IndexEntry<T> | undefined
    if (this.#exact.size > 0) {
      best = this.#exact.get(name)?.find(input, port, headers, best)
    }
    if (this.#suffixes.size > 0) {
      const start = Math.max(0, name.length - this.#longestSuffix)
      for (let dot = name.indexOf('.', start); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const index = this.#suffixes.get(name.slice(dot))
        if (index !== undefined) best = index.find(input, port, headers, best)
      }
    }
    if (this.#prefixes.size > 0) {
      for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        if (dot >= this.#longestPrefix) break
        const index = this.#prefixes.get(name.slice(0, dot + 1))
        if (index !== undefined) best = index.find(input, port, headers, best)
      }
    }
    return this.#anyHost.find(input, port, headers, best)
  }
}
