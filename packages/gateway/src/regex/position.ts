import { isAsciiWord, isWord } from './char-set.ts'
import type { Assertion } from './syntax-tree.ts'

/** What an assertion may want to know of the character before the position. */
export type Before = 'nothing' | 'newline' | 'word' | 'other'

/** "No character": the end of the text. */
export const END = -1

export function describe(codePoint: number): Before {
  if (codePoint === 0x0a) return 'newline'
  return isWordCodePoint(codePoint) ? 'word' : 'other'
}

/** @param next the code point after the position, or `END`. */
export function holds(assertion: Assertion, before: Before, next: number): boolean {
  switch (assertion) {
    case 'text-start':
      return before === 'nothing'
    case 'text-end':
      return next === END
    case 'line-start':
      return before === 'nothing' || before === 'newline'
    case 'line-end':
      return next === END || next === 0x0a
    case 'word-boundary':
      return (before === 'word') !== isWordCodePoint(next)
    case 'not-word-boundary':
      return (before === 'word') === isWordCodePoint(next)
    case 'word-start':
      return before !== 'word' && isWordCodePoint(next)
    case 'word-end':
      return before === 'word' && !isWordCodePoint(next)
  }
}

function isWordCodePoint(codePoint: number): boolean {
  if (codePoint === END) return false
  return codePoint < 128 ? isAsciiWord(codePoint) : isWord(codePoint)
}
