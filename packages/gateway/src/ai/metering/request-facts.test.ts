import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRequestFacts } from './request-facts.ts'

const read = (body: unknown): unknown => readRequestFacts(Buffer.from(JSON.stringify(body)))

test('the model and the number of choices are read without a parse', () => {
  expect(read({ messages: [{ role: 'user', content: 'hi' }], model: 'm-1', n: 3 })).toEqual({
    model: 'm-1',
    choices: 3,
  })
})

test('a nested member of the same name does not pass for the model', () => {
  expect(read({ metadata: { model: 'other' }, model: 'real' })).toEqual({
    model: 'real',
    choices: 1,
  })
  expect(
    read({ tools: [{ parameters: { properties: { model: { type: 'string' } } } }], model: 'real' }),
  ).toEqual({
    model: 'real',
    choices: 1,
  })
})

test('text that looks like a member is only text', () => {
  expect(read({ messages: [{ content: 'say "model":"x" and "n":9' }], model: 'real' })).toEqual({
    model: 'real',
    choices: 1,
  })
})

test('a body that is no JSON has no facts', () => {
  expect(readRequestFacts(Buffer.from('{"model":'))).toEqual({ model: undefined, choices: 1 })
  expect(readRequestFacts(Buffer.alloc(0))).toEqual({ model: undefined, choices: 1 })
})

test('for any body with a model, it agrees with a full parse', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.integer({ min: 1, max: 9 }), (model, extra, n) => {
      expect(read({ extra, model, n })).toEqual({ model, choices: n })
    }),
  )
})
