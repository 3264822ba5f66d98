import { describe, expect, test } from 'vitest'
import { missing, namedIn, textsOf } from './coverage-of-ids.ts'

describe('what a text names', () => {
  test.each([
    ['F12 a declared length', ['F12']],
    ['F46 F47 T3 nothing is lost', ['F46', 'F47', 'T3']],
    ['clients that go (F05–F07), and F21-F22', ['F05', 'F06', 'F07', 'F21', 'F22']],
    ['HS256, X-F12x and F1 are no ids', []],
  ])('%s: %j', (text, ids) => {
    expect([...namedIn(text).ids].toSorted()).toEqual(ids)
  })

  test('sections count beside the name of the page', () => {
    expect([...namedIn('kong.md §3.6 §4.3 connections').sections]).toEqual(['3.6', '4.3'])
    expect([...namedIn('architecture §4 a path').sections]).toEqual([])
  })

  test('comments are no texts, and what looks like one inside a text is none', () => {
    expect(textsOf("// it's F01\n/* \"F02\" */ test('F03 // x', `F04`)")).toEqual([
      'F03 // x',
      'F04',
    ])
  })
})

test('what is missing is told with the part that it belongs to', () => {
  const lines = missing({ ids: new Set(), sections: new Set() })
  expect(lines).toContain('F13 (listener)')
  expect(lines).toContain('kong.md §2.10')
})

test('every required fault id and every required section of kong.md is named by a test', () => {
  expect(missing()).toEqual([])
})
