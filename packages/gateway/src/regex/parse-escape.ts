import {
  isAsciiDigit,
  isAsciiSpace,
  isAsciiWord,
  isDigit,
  isSpace,
  isWord,
  not,
  unicodeProperty,
  type Membership,
} from './char-set.ts'
import type { PatternCursor } from './pattern-cursor.ts'
import type { Assertion } from './syntax-tree.ts'

export type Escape =
  | { readonly kind: 'literal'; readonly codePoint: number }
  | { readonly kind: 'class'; readonly has: Membership }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }

const CONTROLS = new Map([
  ['a', 0x07],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['v', 0x0b],
])

const ASSERTIONS = new Map<string, Assertion>([
  ['A', 'text-start'],
  ['z', 'text-end'],
  ['B', 'not-word-boundary'],
  ['<', 'word-start'],
  ['>', 'word-end'],
])

const HEX_DIGITS = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
])

/**
 * Reads one escape; the backslash was taken.
 *
 * @param unicode whether `\d`, `\s` and `\w` reach beyond ASCII.
 * @throws {RegexSyntaxError} for back-references and unknown escapes.
 */
export function parseEscape(cursor: PatternCursor, unicode: boolean): Escape {
  const start = cursor.offset - 1
  const character = cursor.take()
  if (character === '') {
    throw cursor.error('the pattern ends in a single backslash', start)
  }
  const control = CONTROLS.get(character)
  if (control !== undefined) return { kind: 'literal', codePoint: control }
  const digits = HEX_DIGITS.get(character)
  if (digits !== undefined) return { kind: 'literal', codePoint: parseHex(cursor, digits, start) }
  const has = perlClass(character, unicode)
  if (has !== undefined) return { kind: 'class', has }
  if (character === 'p' || character === 'P') return parseProperty(cursor, character, start)
  if (character === 'b') return { kind: 'assertion', assertion: parseBoundary(cursor) }
  const assertion = ASSERTIONS.get(character)
  if (assertion !== undefined) return { kind: 'assertion', assertion }
  if (/[0-9kg]/.test(character)) {
    throw cursor.error('back-references are not supported', start)
  }
  if (/[A-Za-z]/.test(character) || character.charCodeAt(0) > 0x7e) {
    throw cursor.error(`unrecognized escape \`\\${character}\``, start)
  }
  return { kind: 'literal', codePoint: character.charCodeAt(0) }
}

function perlClass(character: string, unicode: boolean): Membership | undefined {
  switch (character) {
    case 'd':
      return unicode ? isDigit : isAsciiDigit
    case 'D':
      return not(unicode ? isDigit : isAsciiDigit)
    case 's':
      return unicode ? isSpace : isAsciiSpace
    case 'S':
      return not(unicode ? isSpace : isAsciiSpace)
    case 'w':
      return unicode ? isWord : isAsciiWord
    case 'W':
      return not(unicode ? isWord : isAsciiWord)
    default:
      return undefined
  }
}

function parseHex(cursor: PatternCursor, digits: number, start: number): number {
  let text: string
  if (cursor.accept('{')) {
    text = cursor.takeUntil('}', 'unclosed hexadecimal escape')
  } else {
    text = cursor.pattern.slice(cursor.offset, cursor.offset + digits)
    cursor.offset += text.length
    if (text.length < digits) throw cursor.error('hexadecimal escape is too short', start)
  }
  const codePoint = /^[0-9A-Fa-f]{1,8}$/.test(text) ? Number.parseInt(text, 16) : -1
  const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff
  if (codePoint < 0 || codePoint > 0x10ffff || isSurrogate) {
    throw cursor.error('hexadecimal escape is not a character', start)
  }
  return codePoint
}

function parseProperty(cursor: PatternCursor, letter: string, start: number): Escape {
  let name = cursor.accept('{') ? cursor.takeUntil('}', 'unclosed Unicode property') : cursor.take()
  let negated = letter === 'P'
  if (name.startsWith('^')) {
    negated = !negated
    name = name.slice(1)
  }
  const has = unicodeProperty(name)
  if (has === undefined) throw cursor.error(`unknown Unicode property \`${name}\``, start)
  return { kind: 'class', has: negated ? not(has) : has }
}

function parseBoundary(cursor: PatternCursor): Assertion {
  if (cursor.accept('{start}')) return 'word-start'
  if (cursor.accept('{end}')) return 'word-end'
  return 'word-boundary'
}
