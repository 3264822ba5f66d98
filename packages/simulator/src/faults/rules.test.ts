import { expect, test } from 'vitest'
import { parseRule } from './parse-rules.ts'
import { RuleSet } from './rules.ts'
import type { FaultMatch } from './rules.ts'

const subject = {
  method: 'POST',
  path: '/v1/chat/completions',
  model: 'gpt-4.1',
  headers: [['X-Team', 'blue']] as const,
}

function hits(match: FaultMatch, times = 1): boolean[] {
  const rules = new RuleSet([{ match, fault: 'status=500' }], 1)
  return Array.from({ length: times }, () => rules.choose(subject, 'body') !== undefined)
}

test.each<[FaultMatch, boolean]>([
  [{}, true],
  [{ method: 'post' }, true],
  [{ method: 'GET' }, false],
  [{ path: '/v1/chat/completions' }, true],
  [{ path: '/v1/*' }, true],
  [{ path: '/v1/chat' }, false],
  [{ path: '*.completions' }, false],
  [{ model: 'gpt-*' }, true],
  [{ model: 'gpt-4x1' }, false],
  [{ headers: { 'x-team': 'blue' } }, true],
  [{ headers: { 'x-team': 'b*' } }, true],
  [{ headers: { 'x-team': 'red' } }, false],
  [{ headers: { 'x-none': '*' } }, false],
  [{ model: 'gpt-4.1', path: '/v1/models' }, false],
])('%j matches: %s', (match, expected) => {
  expect(hits(match)).toEqual([expected])
})

test.each<[FaultMatch['nth'], number[]]>([
  [3, [3]],
  ['2-4', [2, 3, 4]],
  ['5-', [5, 6]],
  ['every:2', [2, 4, 6]],
])('nth %s hits the requests %j', (nth, expected) => {
  const found = hits({ nth }, 6).flatMap((hit, index) => (hit ? [index + 1] : []))
  expect(found).toEqual(expected)
})

test('nth counts only the requests that match otherwise', () => {
  const rules = new RuleSet([{ match: { model: 'a', nth: 2 }, fault: 'status=500' }], 1)
  const ask = (model: string): boolean => rules.choose({ ...subject, model }, 'body') !== undefined
  expect([ask('a'), ask('b'), ask('b'), ask('a')]).toEqual([false, false, false, true])
})

test('the first matching rule wins', () => {
  const rules = new RuleSet(
    [
      { match: { model: 'x' }, fault: 'status=1'.concat('00') },
      { fault: 'status=501' },
      { fault: 'status=502' },
    ],
    1,
  )
  expect(rules.choose(subject, 'body')?.text).toBe('status=501')
})

test('rules in the compact form', () => {
  expect(parseRule('status=503')).toEqual({ fault: 'status=503' })
  expect(
    parseRule(
      'method=GET; path=/v1/*; model=m; header=x-a: b; nth=2; probability=0.5 => reset; delay=1s',
    ),
  ).toEqual({
    match: {
      method: 'GET',
      path: '/v1/*',
      model: 'm',
      headers: { 'x-a': 'b' },
      nth: '2',
      probability: 0.5,
    },
    fault: 'reset; delay=1s',
  })
})

test.each<[() => unknown, RegExp]>([
  [() => parseRule('color=red => status=500'), /no condition/],
  [() => parseRule('header=x => status=500'), /NAME: VALUE/],
  [() => parseRule('path=/x => oops'), /"oops" is unknown/],
  [() => new RuleSet([{ match: { probability: 2 }, fault: 'none' }], 1), /between 0 and 1/],
  [() => new RuleSet([{ match: { nth: 'often' }, fault: 'none' }], 1), /should be 3, 2-4/],
])('what makes no sense is refused', (act, message) => {
  expect(act).toThrow(message)
})
