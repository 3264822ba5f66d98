import type { CharSet } from './char-set.ts'
import { RegexSyntaxError } from './regex-syntax-error.ts'
import { isNullable, type Assertion, type SyntaxNode } from './syntax-tree.ts'

/** One shape for all kinds: the engines read millions of them. */
export interface Instruction {
  readonly op: 'consume' | 'split' | 'save' | 'assert' | 'match'
  /** Where to continue; for `split` the preferred way. */
  next: number
  /** For `split`: where to continue should the preferred way fail. */
  second: number
  /** For `consume`. */
  readonly set: CharSet
  /** For `save`. */
  readonly slot: number
  /** For `assert`. */
  readonly assertion: Assertion
}

const BLANK: Instruction = {
  op: 'match',
  next: 0,
  second: 0,
  set: { has: () => false, only: undefined },
  slot: 0,
  assertion: 'text-start',
}

/** A pattern as instructions, like the machine of Thompson and Pike. */
export interface Program {
  readonly instructions: readonly Instruction[]
  readonly start: number
  readonly hasAssertions: boolean
}

/** Bounds both memory and the work per character; a counted repetition is written out. */
const MAX_INSTRUCTIONS = 2_000

/**
 * @param searching whether a match may begin anywhere in the text instead of only at its start.
 * @throws {RegexSyntaxError} when the pattern is too large.
 */
export function compileProgram(root: SyntaxNode, pattern: string, searching: boolean): Program {
  return new ProgramWriter(pattern).write(root, searching)
}

/** Writes backwards: a node is compiled when what comes after it already has its place. */
class ProgramWriter {
  readonly #pattern: string
  readonly #instructions: Instruction[] = []
  #hasAssertions = false

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  write(root: SyntaxNode, searching: boolean): Program {
    const body = this.#node(root, this.#emit(BLANK))
    const start = searching ? this.#anythingBefore(body) : body
    return { instructions: this.#instructions, start, hasAssertions: this.#hasAssertions }
  }

  #emit(instruction: Instruction): number {
    if (this.#instructions.length === MAX_INSTRUCTIONS) {
      throw new RegexSyntaxError(
        `the pattern is too large: it takes more than ${MAX_INSTRUCTIONS} steps, repetitions written out`,
        this.#pattern,
        0,
      )
    }
    return this.#instructions.push(instruction) - 1
  }

  #anythingBefore(body: number): number {
    const split: Instruction = { ...BLANK, op: 'split', next: body }
    const start = this.#emit(split)
    const set: CharSet = { has: () => true, only: undefined }
    split.second = this.#emit({ ...BLANK, op: 'consume', set, next: start })
    return start
  }

  /** @returns where to begin so that `node` is matched and the program goes on at `next`. */
  #node(node: SyntaxNode, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next
      case 'set':
        return this.#emit({ ...BLANK, op: 'consume', set: node.set, next })
      case 'assertion':
        this.#hasAssertions = true
        return this.#emit({ ...BLANK, op: 'assert', assertion: node.assertion, next })
      case 'group': {
        const close = this.#emit({ ...BLANK, op: 'save', slot: 2 * node.index + 1, next })
        const body = this.#node(node.body, close)
        return this.#emit({ ...BLANK, op: 'save', slot: 2 * node.index, next: body })
      }
      case 'concatenation':
        return node.parts.reduceRight((after, part) => this.#node(part, after), next)
      case 'alternation': {
        const starts = node.branches.map((branch) => this.#node(branch, next))
        return starts.reduceRight((second, first) =>
          this.#emit({ ...BLANK, op: 'split', next: first, second }),
        )
      }
      case 'repetition':
        return this.#repetition(node, next)
    }
  }

  #repetition(node: SyntaxNode & { readonly kind: 'repetition' }, next: number): number {
    const { body, min, max, greedy } = node
    let start = next
    let copies = min
    if (max === undefined) {
      // `x*` of something that may be empty is `(x+)?`: else the empty round would win over the others.
      const optional = min === 0 && !isNullable(body)
      start = this.#loop(body, greedy, next, optional)
      if (min === 0 && !optional) start = this.#choice(start, next, greedy)
      copies = Math.max(min - 1, 0)
    } else {
      for (let i = min; i < max; i += 1) {
        const round = this.#node(body, start)
        if (round === start) break
        start = this.#choice(round, next, greedy)
      }
    }
    for (let i = 0; i < copies; i += 1) {
      const round = this.#node(body, start)
      // A body without instructions would otherwise be counted to the end for nothing.
      if (round === start) break
      start = round
    }
    return start
  }

  /** One or more rounds, or none when `optional`. */
  #loop(body: SyntaxNode, greedy: boolean, next: number, optional: boolean): number {
    const split: Instruction = { ...BLANK, op: 'split', next, second: next }
    const again = this.#emit(split)
    const round = this.#node(body, again)
    if (greedy) split.next = round
    else split.second = round
    return optional ? again : round
  }

  #choice(round: number, next: number, greedy: boolean): number {
    return greedy
      ? this.#emit({ ...BLANK, op: 'split', next: round, second: next })
      : this.#emit({ ...BLANK, op: 'split', next, second: round })
  }
}
