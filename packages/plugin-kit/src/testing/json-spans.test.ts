import { expect, test } from 'vitest'
import { topLevelSpans } from './json-spans.ts'

test('tells where each top-level value is, in bytes, whatever is nested in it', () => {
  const text = '{ "é" : "ก,}" , "n":[1,{"n":2}], "\\u0061":-1.5e3,"o": {"x":{}} ,"t":true}'
  const bytes = Buffer.from(text)
  const values = [...topLevelSpans(text)].map(([name, [start, end]]) => [
    name,
    bytes.subarray(start, end).toString(),
  ])
  expect(values).toEqual([
    ['é', '"ก,}"'],
    ['n', '[1,{"n":2}]'],
    ['a', '-1.5e3'],
    ['o', '{"x":{}}'],
    ['t', 'true'],
  ])
})

test.each(['[]', '7', '"{}"', '{}', '[{"a":1}]'])('finds no member of an object in %s', (text) => {
  expect([...topLevelSpans(text)]).toEqual([])
})
