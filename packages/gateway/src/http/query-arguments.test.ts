import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatQuery, parseQuery } from './query-arguments.ts'

const pairs = (query: string) => parseQuery(query).map(({ name, value }) => [name, value])

test('reads arguments in order, decoded, with repeated, empty and valueless ones told apart', () => {
  expect(pairs('?b=2&a=%31+%2B&b=3&flag&empty=&=x')).toEqual([
    ['b', '2'],
    ['a', '1 +'],
    ['b', '3'],
    ['flag', true],
    ['empty', ''],
    ['', 'x'],
  ])
  expect(pairs('')).toEqual([])
  expect(pairs('?')).toEqual([])
  expect(pairs('&&a=1&')).toEqual([['a', '1']])
})

test('broken escapes and bytes that are no UTF-8 stand for themselves', () => {
  expect(pairs('a=%&b=%zz&c=%ff')).toEqual([
    ['a', '%'],
    ['b', '%zz'],
    ['c', '%ff'],
  ])
})

test('what nobody changed goes out byte for byte', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1 }).filter((text) => !/[&?]/.test(text))),
      (raws) => {
        expect(formatQuery(parseQuery(raws.join('&')))).toBe(raws.join('&'))
      },
    ),
  )
})

test('what we make is read back as it was, whatever it holds', () => {
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(true as const))
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), value, (name, given) => {
      expect(pairs(formatQuery([{ name, value: given, raw: undefined }]))).toEqual([[name, given]])
    }),
  )
})
