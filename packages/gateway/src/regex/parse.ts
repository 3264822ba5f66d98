import { charSet, hasCase, ignoringCase, literal } from './char-set.ts'
import { parseClass } from './parse-class.ts'
import { parseEscape } from './parse-escape.ts'
import { PatternCursor } from './pattern-cursor.ts'
import type { Assertion, SyntaxNode, SyntaxTree } from './syntax-tree.ts'

interface Flags {
  readonly ignoreCase: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
  readonly swapGreed: boolean
  readonly unicode: boolean
  readonly extended: boolean
}

const NO_FLAGS: Flags = {
  ignoreCase: false,
  multiLine: false,
  dotAll: false,
  swapGreed: false,
  unicode: true,
  extended: false,
}

const FLAG_LETTERS = new Map<string, keyof Flags>([
  ['i', 'ignoreCase'],
  ['m', 'multiLine'],
  ['s', 'dotAll'],
  ['U', 'swapGreed'],
  ['u', 'unicode'],
  ['x', 'extended'],
])

const EMPTY: SyntaxNode = { kind: 'empty' }
const ANY = charSet(() => true)
const ANY_BUT_NEWLINE = charSet((codePoint) => codePoint !== 0x0a)
/** Deeper nesting would cost the process its stack. */
const MAX_DEPTH = 200

/**
 * Reads a pattern in the syntax of Rust's `regex` crate: the flavour of Kong's `traditional_compatible` router
 * (kong.md §2.2).
 *
 * @throws {RegexSyntaxError} for look-around, back-references and everything malformed.
 */
export function parsePattern(pattern: string): SyntaxTree {
  return new Parser(pattern).parse()
}

class Parser {
  readonly #cursor: PatternCursor
  readonly #names = new Map<string, number>()
  #groups = 0
  #depth = 0

  constructor(pattern: string) {
    this.#cursor = new PatternCursor(pattern)
  }

  parse(): SyntaxTree {
    const root = this.#alternation(NO_FLAGS)
    if (!this.#cursor.atEnd) throw this.#cursor.error('unopened group')
    return { root, groupCount: this.#groups, groupNames: this.#names }
  }

  /** Everything up to the end of the group or of the pattern. */
  #alternation(outer: Flags): SyntaxNode {
    let flags = outer
    let parts: SyntaxNode[] = []
    const branches: SyntaxNode[] = []
    const cursor = this.#cursor
    while (!cursor.atEnd && cursor.peek() !== ')') {
      if (flags.extended && this.#skipLayout()) continue
      if (cursor.accept('|')) {
        branches.push(concatenate(parts))
        parts = []
      } else if (cursor.startsWith('(?') && !isGroupOpening(cursor)) {
        const set = this.#flagGroup(flags)
        if (set.node === undefined) flags = set.flags
        else parts.push(this.#repeated(set.node, flags))
      } else {
        parts.push(this.#repeated(this.#atom(flags), flags))
      }
    }
    if (branches.length === 0) return concatenate(parts)
    return { kind: 'alternation', branches: [...branches, concatenate(parts)] }
  }

  #atom(flags: Flags): SyntaxNode {
    const cursor = this.#cursor
    const offset = cursor.offset
    const character = cursor.take()
    switch (character) {
      case '(':
        return this.#group(flags, offset)
      case '[':
        return { kind: 'set', set: charSet(parseClass(cursor, flags)) }
      case '.':
        return { kind: 'set', set: flags.dotAll ? ANY : ANY_BUT_NEWLINE }
      case '^':
        return assertion(flags.multiLine ? 'line-start' : 'text-start')
      case '$':
        return assertion(flags.multiLine ? 'line-end' : 'text-end')
      case '*':
      case '+':
      case '?':
      case '{':
        throw cursor.error(`nothing to repeat before \`${character}\``, offset)
      case '\\':
        return this.#escape(flags)
      default:
        return literalNode(character.codePointAt(0) ?? 0, flags)
    }
  }

  #escape(flags: Flags): SyntaxNode {
    const escape = parseEscape(this.#cursor, flags.unicode)
    switch (escape.kind) {
      case 'literal':
        return literalNode(escape.codePoint, flags)
      case 'assertion':
        return assertion(escape.assertion)
      case 'class': {
        const has = flags.ignoreCase ? ignoringCase(escape.has) : escape.has
        return { kind: 'set', set: charSet(has) }
      }
    }
  }

  /** A capturing group; its `(` was taken. */
  #group(flags: Flags, offset: number): SyntaxNode {
    const cursor = this.#cursor
    this.#groups += 1
    const index = this.#groups
    if (cursor.accept('?P<') || cursor.accept('?<')) this.#groupName(index)
    return { kind: 'group', index, body: this.#groupBody(flags, offset) }
  }

  #groupBody(flags: Flags, offset: number): SyntaxNode {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw this.#cursor.error('groups are nested too deeply', offset)
    const body = this.#alternation(flags)
    this.#depth -= 1
    if (!this.#cursor.accept(')')) throw this.#cursor.error('unclosed group', offset)
    return body
  }

  #groupName(index: number): void {
    const offset = this.#cursor.offset
    const name = this.#cursor.takeUntil('>', 'unclosed group name')
    if (!/^[A-Za-z_][A-Za-z0-9_.[\]]*$/.test(name)) {
      throw this.#cursor.error(`invalid group name \`${name}\``, offset)
    }
    if (this.#names.has(name)) {
      throw this.#cursor.error(`group name \`${name}\` is used twice`, offset)
    }
    this.#names.set(name, index)
  }

  /** `(?flags)`, which has no node and changes what follows, or `(?flags:body)`. */
  #flagGroup(outer: Flags): { readonly flags: Flags; readonly node: SyntaxNode | undefined } {
    const cursor = this.#cursor
    const offset = cursor.offset
    refuseUnsupportedGroup(cursor)
    cursor.offset += 2
    let flags = outer
    let value = true
    for (;;) {
      const letter = cursor.take()
      if (letter === ')') return { flags, node: undefined }
      if (letter === ':') return { flags, node: this.#groupBody(flags, offset) }
      if (letter === '-' && value) {
        value = false
        continue
      }
      const flag = FLAG_LETTERS.get(letter)
      if (flag === undefined) {
        throw cursor.error(`unrecognized group or flag \`(?${letter}\``, offset)
      }
      flags = { ...flags, [flag]: value }
    }
  }

  #repeated(atom: SyntaxNode, flags: Flags): SyntaxNode {
    let node = atom
    for (;;) {
      if (flags.extended && this.#skipLayout()) continue
      const bounds = this.#bounds()
      if (bounds === undefined) return node
      const lazy = this.#cursor.accept('?')
      node = { kind: 'repetition', body: node, ...bounds, greedy: lazy === flags.swapGreed }
    }
  }

  #bounds(): { readonly min: number; readonly max: number | undefined } | undefined {
    const cursor = this.#cursor
    if (cursor.accept('*')) return { min: 0, max: undefined }
    if (cursor.accept('+')) return { min: 1, max: undefined }
    if (cursor.accept('?')) return { min: 0, max: 1 }
    if (cursor.peek() !== '{') return undefined
    const offset = cursor.offset
    cursor.take()
    const text = cursor.takeUntil('}', 'unclosed repetition')
    const match = /^\s*(\d{0,9})\s*(?:(,)\s*(\d{0,9})\s*)?$/.exec(text)
    const [, low = '', comma, high = ''] = match ?? []
    if (match === null || (low === '' && high === '')) {
      throw cursor.error('a repetition must be `{n}`, `{n,}` or `{n,m}`', offset)
    }
    const min = Number(low)
    const max = comma === undefined ? min : high === '' ? undefined : Number(high)
    if (max !== undefined && max < min) throw cursor.error('repetition bounds are reversed', offset)
    return { min, max }
  }

  /** Skips white space and comments of the extended form. @returns whether there was any. */
  #skipLayout(): boolean {
    const cursor = this.#cursor
    const start = cursor.offset
    for (;;) {
      const character = cursor.peek()
      if (character === '#') {
        const end = cursor.pattern.indexOf('\n', cursor.offset)
        cursor.offset = end < 0 ? cursor.pattern.length : end + 1
      } else if (/^\s/.test(character)) cursor.take()
      else return cursor.offset > start
    }
  }
}

/** Whether `(?` opens a named capturing group; look-behind starts alike. */
function isGroupOpening(cursor: PatternCursor): boolean {
  if (cursor.startsWith('(?P<')) return true
  return cursor.startsWith('(?<') && !cursor.startsWith('(?<=') && !cursor.startsWith('(?<!')
}

const UNSUPPORTED_GROUPS: readonly (readonly [opening: string, problem: string])[] = [
  ['(?=', 'look-around is not supported: rewrite the pattern without `(?=…)`'],
  ['(?!', 'look-around is not supported: rewrite the pattern without `(?!…)`'],
  ['(?<=', 'look-around is not supported: rewrite the pattern without `(?<=…)`'],
  ['(?<!', 'look-around is not supported: rewrite the pattern without `(?<!…)`'],
  ['(?P=', 'back-references are not supported'],
  ['(?P>', 'recursion is not supported'],
  ['(?>', 'atomic groups are not supported: matching never backtracks, so a plain group does'],
]

function refuseUnsupportedGroup(cursor: PatternCursor): void {
  for (const [opening, problem] of UNSUPPORTED_GROUPS) {
    if (cursor.startsWith(opening)) throw cursor.error(problem)
  }
}

function assertion(kind: Assertion): SyntaxNode {
  return { kind: 'assertion', assertion: kind }
}

function literalNode(codePoint: number, flags: Flags): SyntaxNode {
  if (flags.ignoreCase && hasCase(codePoint)) {
    return { kind: 'set', set: charSet(ignoringCase((candidate) => candidate === codePoint)) }
  }
  return { kind: 'set', set: literal(codePoint) }
}

function concatenate(parts: readonly SyntaxNode[]): SyntaxNode {
  const [first, second] = parts
  if (first === undefined) return EMPTY
  return second === undefined ? first : { kind: 'concatenation', parts }
}
