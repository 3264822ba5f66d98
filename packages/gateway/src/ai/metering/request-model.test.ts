import fc from 'fast-check'
import { expect, test } from 'vitest'
import { modelInPath, readModel } from './request-model.ts'

const read = (body: unknown): unknown => readModel(Buffer.from(JSON.stringify(body)))

test('the model is read without a parse', () => {
  expect(read({ messages: [{ role: 'user', content: 'hi' }], model: 'm-1' })).toEqual('m-1')
})

test('a nested member of the same name does not pass for the model', () => {
  expect(read({ metadata: { model: 'other' }, model: 'real' })).toEqual('real')
  expect(
    read({ tools: [{ parameters: { properties: { model: { type: 'string' } } } }], model: 'real' }),
  ).toEqual('real')
})

test('text that looks like a member is only text', () => {
  expect(read({ messages: [{ content: 'say "model":"x" and "n":9' }], model: 'real' })).toEqual(
    'real',
  )
})

test('a body that is no JSON has no facts', () => {
  expect(readModel(Buffer.from('{"model":'))).toBeUndefined()
  expect(readModel(Buffer.alloc(0))).toBeUndefined()
})

test('for any body with a model, it agrees with a full parse', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), (model, extra) => {
      expect(read({ extra, model })).toEqual(model)
    }),
  )
})

test.each([
  ['/v1beta/models/gemini-2.5-pro:generateContent', 'gemini-2.5-pro'],
  [
    '/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent',
    'gemini-2.5-pro',
  ],
  ['/openai/deployments/ours/chat/completions', 'ours'],
  ['/v1/models/', undefined],
  ['/v1/chat/completions', undefined],
])('%s names %s', (path, model) => {
  expect(modelInPath(path)).toBe(model)
})
