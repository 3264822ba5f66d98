import { anyOf, ignoringCase, not, posixClass, range, type Membership } from './char-set.ts'
import { parseEscape } from './parse-escape.ts'
import type { PatternCursor } from './pattern-cursor.ts'

export interface ClassFlags {
  readonly ignoreCase: boolean
  readonly unicode: boolean
  /** Whether white space is layout and not a member (flag `x`). */
  readonly extended: boolean
}

type SetOperator = '&&' | '--' | '~~'

const OPERATORS: readonly SetOperator[] = ['&&', '--', '~~']
const MAX_DEPTH = 50

/**
 * Reads a bracketed class; the opening `[` was taken. Knows ranges, escapes, `[:posix:]`, nested classes and the set
 * operations `&&`, `--` and `~~`.
 */
export function parseClass(cursor: PatternCursor, flags: ClassFlags, depth = 0): Membership {
  const start = cursor.offset - 1
  if (depth > MAX_DEPTH) throw cursor.error('character classes are nested too deeply', start)
  const negated = cursor.accept('^')
  const parser = new ClassParser(cursor, flags, start, depth)
  const members = parser.parse()
  return negated ? not(members) : members
}

class ClassParser {
  readonly #cursor: PatternCursor
  readonly #flags: ClassFlags
  readonly #start: number
  readonly #depth: number

  constructor(cursor: PatternCursor, flags: ClassFlags, start: number, depth: number) {
    this.#cursor = cursor
    this.#flags = flags
    this.#start = start
    this.#depth = depth
  }

  parse(): Membership {
    const cursor = this.#cursor
    const items: Membership[] = []
    // A `]` and hyphens right after the opening bracket are members, not syntax.
    this.#skipLayout()
    if (cursor.accept(']')) items.push(this.#rangeFrom(0x5d))
    while (cursor.peek() === '-' && !cursor.startsWith('--')) {
      cursor.take()
      items.push(this.#single(0x2d))
    }
    let result = this.#union(items)
    for (;;) {
      const operator = OPERATORS.find((candidate) => cursor.accept(candidate))
      if (operator === undefined) break
      result = combine(operator, result, this.#union([]))
    }
    if (!cursor.accept(']')) throw cursor.error('unclosed character class', this.#start)
    return result
  }

  #union(items: Membership[]): Membership {
    const cursor = this.#cursor
    for (;;) {
      this.#skipLayout()
      if (cursor.atEnd) throw cursor.error('unclosed character class', this.#start)
      if (cursor.peek() === ']' || OPERATORS.some((operator) => cursor.startsWith(operator))) break
      items.push(this.#item())
    }
    return anyOf(items)
  }

  #item(): Membership {
    const cursor = this.#cursor
    const offset = cursor.offset
    const character = cursor.take()
    if (character === '[') return this.#posix() ?? parseClass(cursor, this.#flags, this.#depth + 1)
    if (character !== '\\') return this.#rangeFrom(character.codePointAt(0) ?? 0)
    const escape = parseEscape(cursor, this.#flags.unicode)
    if (escape.kind === 'assertion') {
      throw cursor.error('assertions are not allowed in a character class', offset)
    }
    if (escape.kind === 'class') return this.#folded(escape.has)
    return this.#rangeFrom(escape.codePoint)
  }

  #rangeFrom(low: number): Membership {
    const cursor = this.#cursor
    const offset = cursor.offset
    this.#skipLayout()
    const next = cursor.pattern.slice(cursor.offset, cursor.offset + 2)
    if (!next.startsWith('-') || next === '-]' || next === '--') return this.#single(low)
    cursor.take()
    this.#skipLayout()
    const high = this.#rangeEnd()
    if (high < low) throw cursor.error('character range is reversed', offset)
    return this.#folded(range(low, high))
  }

  #rangeEnd(): number {
    const cursor = this.#cursor
    const offset = cursor.offset
    const character = cursor.take()
    if (character === '') throw cursor.error('unclosed character class', this.#start)
    if (character !== '\\') return character.codePointAt(0) ?? 0
    const escape = parseEscape(cursor, this.#flags.unicode)
    if (escape.kind !== 'literal') {
      throw cursor.error('a character range must end in one character', offset)
    }
    return escape.codePoint
  }

  #single(codePoint: number): Membership {
    return this.#folded((candidate) => candidate === codePoint)
  }

  #folded(has: Membership): Membership {
    return this.#flags.ignoreCase ? ignoringCase(has) : has
  }

  /** `[:name:]` or `[:^name:]`; the `[` was taken. Anything else is a nested class. */
  #posix(): Membership | undefined {
    const cursor = this.#cursor
    const match = /^:(\^?)([a-z]+):\]/.exec(cursor.pattern.slice(cursor.offset, cursor.offset + 16))
    if (match === null) return undefined
    const has = posixClass(match[2] ?? '')
    if (has === undefined) throw cursor.error(`unknown class \`[:${match[2]}:]\``)
    cursor.offset += match[0].length
    const folded = this.#folded(has)
    return match[1] === '^' ? not(folded) : folded
  }

  #skipLayout(): void {
    if (!this.#flags.extended) return
    while (/^\s/.test(this.#cursor.peek())) this.#cursor.take()
  }
}

function combine(operator: SetOperator, left: Membership, right: Membership): Membership {
  switch (operator) {
    case '&&':
      return (codePoint) => left(codePoint) && right(codePoint)
    case '--':
      return (codePoint) => left(codePoint) && !right(codePoint)
    case '~~':
      return (codePoint) => left(codePoint) !== right(codePoint)
  }
}
