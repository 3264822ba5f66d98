import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countTokens, splitTokens } from './tokenizer.ts'

test.each([
  ['', []],
  ['hello world', ['hello', ' world']],
  ['Hello, gate 2026!', ['Hello', ',', ' gate', ' 202', '6', '!']],
  ['extraordinarily', ['extraordinar', 'ily']],
  ['a  b', ['a', '  ', 'b']],
  ['ประตู', ['ปร', 'ะต', 'ู']],
  ['👩‍👧', ['👩\u200d', '👧']],
  ['{"a":1}', ['{', '"', 'a', '"', ':', '1', '}']],
])('%j is split by the documented rule', (text, tokens) => {
  expect(splitTokens(text)).toEqual(tokens)
})

test('tokens join to the text, none is empty, and counting agrees with splitting', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const tokens = splitTokens(text)
      expect(tokens.join('')).toBe(text)
      expect(tokens.every((token) => token.length > 0)).toBe(true)
      expect(countTokens(text)).toBe(tokens.length)
    }),
  )
})

test('the first tokens of a text are the tokens of its beginning', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), fc.nat(40), (text, count) => {
      const beginning = splitTokens(text).slice(0, count)
      expect(splitTokens(beginning.join(''))).toEqual(beginning)
    }),
  )
})
