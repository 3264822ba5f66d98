import type { UriCaptures } from '@pratu/plugin-kit'
import { Automaton } from './automaton.ts'
import { findGroups } from './find-groups.ts'
import { parsePattern } from './parse.ts'
import { compileProgram, type Program } from './program.ts'
import { literalPrefix, type SyntaxTree } from './syntax-tree.ts'

/** A pattern whose match begins at the start of the text. */
export class AnchoredRegex {
  readonly pattern: string
  /** Text that every match starts with; may be empty. */
  readonly literalPrefix: string
  /** Capturing groups, without the whole match. */
  readonly groupCount: number
  readonly #names: ReadonlyMap<string, number>
  readonly #program: Program
  // Built on first use: of ten thousand patterns most may never see a request.
  #automaton: Automaton | undefined

  constructor(pattern: string, tree: SyntaxTree) {
    this.pattern = pattern
    this.literalPrefix = literalPrefix(tree.root)
    this.groupCount = tree.groupCount
    this.#names = tree.groupNames
    this.#program = compileProgram(tree.root, pattern, false)
  }

  /** Length of the match in UTF-16 units, or -1. Time linear in `text`, whatever the pattern (fault S28). */
  matchLength(text: string): number {
    this.#automaton ??= new Automaton(this.#program)
    return this.#automaton.matchEnd(text)
  }

  /** The groups of the match; `undefined` when there is none. A group that took no part has no name either. */
  captures(text: string): UriCaptures | undefined {
    const slots = findGroups(this.#program, text, this.groupCount)
    if (slots === undefined) return undefined
    const numbered: (string | undefined)[] = []
    for (let slot = 0; slot < slots.length; slot += 2) {
      const start = slots[slot] ?? -1
      const end = slots[slot + 1] ?? -1
      numbered.push(start < 0 || end < 0 ? undefined : text.slice(start, end))
    }
    const named: Record<string, string> = Object.create(null)
    for (const [name, index] of this.#names) {
      const value = numbered[index]
      if (value !== undefined) named[name] = value
    }
    return { numbered, named }
  }
}

/** A pattern whose match may begin anywhere in the text. */
export class SearchRegex {
  readonly pattern: string
  readonly #program: Program
  #automaton: Automaton | undefined

  constructor(pattern: string, tree: SyntaxTree) {
    this.pattern = pattern
    this.#program = compileProgram(tree.root, pattern, true)
  }

  /** Time linear in `text`, whatever the pattern (fault S28). */
  test(text: string): boolean {
    this.#automaton ??= new Automaton(this.#program)
    return this.#automaton.occursIn(text)
  }
}

/**
 * Compiles a pattern in the syntax of Rust's `regex` crate (kong.md §2.2), anchored at the start as a whole, all
 * alternatives included.
 *
 * @throws {RegexSyntaxError} for look-around, back-references, anything malformed, and patterns that are too large.
 */
export function compileAnchored(pattern: string): AnchoredRegex {
  return new AnchoredRegex(pattern, parsePattern(pattern))
}

/** As `compileAnchored`, for a match anywhere in the text. */
export function compileSearch(pattern: string): SearchRegex {
  return new SearchRegex(pattern, parsePattern(pattern))
}
