import { accepts, type Candidate } from './candidate.ts'
import type { RoutedHeaders } from './header-test.ts'
import type { MatchInput, RouteMatch } from './route-match.ts'

/** A candidate at one place of the index: under one of its hosts and one of its paths. */
export interface IndexEntry<T> {
  readonly candidate: Candidate<T>
  /** When given, the request's port must be this one. */
  readonly port: number | undefined
  /** Made once for plain paths, whose match never differs; `undefined` for regexes. */
  readonly match: RouteMatch<T> | undefined
}

interface PathNode<T> {
  label: string
  children: Map<number, PathNode<T>> | undefined
  /** By rank. */
  readonly entries: IndexEntry<T>[]
  /** The best rank at this node and below. */
  bestRank: number
}

function createNode<T>(label: string): PathNode<T> {
  return { label, children: undefined, entries: [], bestRank: Infinity }
}

/** Candidates by the text their paths start with, as a radix tree. */
export class PathIndex<T> {
  readonly #root: PathNode<T> = createNode('')

  /** Entries must come by rank. @param prefix text that a matching path starts with. */
  add(prefix: string, entry: IndexEntry<T>): void {
    const { rank } = entry.candidate
    let node = this.#root
    let offset = 0
    node.bestRank = Math.min(node.bestRank, rank)
    while (offset < prefix.length) {
      node = childFor(node, prefix, offset)
      node.bestRank = Math.min(node.bestRank, rank)
      offset += node.label.length
    }
    node.entries.push(entry)
  }

  /** The best entry that matches and is better than `best`, else `best`. */
  find(
    input: MatchInput,
    port: number,
    headers: RoutedHeaders,
    best: IndexEntry<T> | undefined,
  ): IndexEntry<T> | undefined {
    const { path } = input
    let found = best
    let bound = best === undefined ? Infinity : best.candidate.rank
    let node = this.#root
    let offset = 0
    while (node.bestRank < bound) {
      for (const entry of node.entries) {
        const { candidate } = entry
        if (candidate.rank >= bound) break
        if (entry.port !== undefined && entry.port !== port) continue
        if (!accepts(candidate, input, headers)) continue
        found = entry
        bound = candidate.rank
        break
      }
      const child = node.children?.get(path.charCodeAt(offset))
      if (child === undefined || !path.startsWith(child.label, offset)) break
      offset += child.label.length
      node = child
    }
    return found
  }
}

/** The child on the way to `prefix`, made or split off where there is none yet. */
function childFor<T>(node: PathNode<T>, prefix: string, offset: number): PathNode<T> {
  node.children ??= new Map()
  const unit = prefix.charCodeAt(offset)
  const child = node.children.get(unit)
  if (child === undefined) {
    const leaf = createNode<T>(prefix.slice(offset))
    node.children.set(unit, leaf)
    return leaf
  }
  const shared = sharedLength(child.label, prefix, offset)
  if (shared === child.label.length) return child
  const fork = createNode<T>(child.label.slice(0, shared))
  fork.bestRank = child.bestRank
  child.label = child.label.slice(shared)
  fork.children = new Map([[child.label.charCodeAt(0), child]])
  node.children.set(unit, fork)
  return fork
}

function sharedLength(label: string, prefix: string, offset: number): number {
  let length = 0
  while (length < label.length && label[length] === prefix[offset + length]) length += 1
  return length
}
