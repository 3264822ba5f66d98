import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fieldName } from './field-name.ts'

const read = (name: string) => fieldName(Buffer.from(`(${name})`, 'latin1'), 1, 1 + name.length)

test('a name is what stands in the bytes, in its case and in lower case', () => {
  const token = fc.string({ unit: fc.constantFrom(...'abcXYZ-_1'.split('')) })
  fc.assert(
    fc.property(token, (name) => {
      expect(read(name)).toMatchObject({ text: name, lower: name.toLowerCase(), hopByHop: false })
    }),
  )
})

test('a name that was seen before is the same object', () => {
  expect(read('X-Request-Id')).toBe(read('X-Request-Id'))
  expect(read('x-request-id')).not.toBe(read('X-Request-Id'))
})

test('any number of other names does no harm, nor do names of objects’ own properties', () => {
  for (let i = 0; i < 20_000; i++) expect(read(`x-${i}`).text).toBe(`x-${i}`)
  expect(read('__proto__')).toMatchObject({ text: '__proto__', lower: '__proto__' })
  expect(read('Constructor').lower).toBe('constructor')
})

test('S19 what concerns one connection only is marked, in any case', () => {
  expect(read('Keep-Alive').hopByHop).toBe(true)
  expect(read('TRANSFER-ENCODING').hopByHop).toBe(true)
  expect(read('Content-Length').hopByHop).toBe(false)
})
