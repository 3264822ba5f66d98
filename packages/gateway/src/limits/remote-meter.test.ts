import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scopeKey } from './remote-meter.ts'

test('a scope that an operator would look for is its own name', () => {
  const id = '4ae4c1e0-5cd1-4c1b-8f6e-1d9c1c0fb2f5'
  expect(scopeKey(id)).toBe(`pratu:limits:{${id}}`)
  expect(scopeKey('2001:db8::1')).toBe('pratu:limits:{2001:db8::1}')
})

test('any text makes a short key with one tag, and different texts different keys', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      const key = scopeKey(one)
      expect(key).toMatch(/^pratu:limits:\{[^{}\s]{1,64}\}$/)
      expect(key === scopeKey(other)).toBe(one === other)
    }),
  )
  expect(scopeKey('x'.repeat(100_000)).length).toBeLessThan(80)
})
