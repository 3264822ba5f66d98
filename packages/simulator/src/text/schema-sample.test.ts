import { expect, test } from 'vitest'
import { SchemaSample } from './schema-sample.ts'

function sample(schema: Readonly<Record<string, unknown>>, nonce?: string): unknown {
  return new SchemaSample(schema, 4, nonce).write()
}

test('const, enum, null and the simple types', () => {
  expect(sample({ const: 5 })).toBe(5)
  expect(['a', 'b']).toContain(sample({ enum: ['a', 'b'] }))
  expect(sample({ type: 'null' })).toBeNull()
  expect(typeof sample({ type: 'boolean' })).toBe('boolean')
  expect(typeof sample({ type: ['null', 'string'] })).toBe('string')
})

test('bounds of numbers, strings and lists are kept', () => {
  for (const [min, max] of [
    [5, 7],
    [-3, -3],
    [0, 1],
  ] as const) {
    const value = sample({ type: 'integer', minimum: min, maximum: max })
    expect(value).toBeGreaterThanOrEqual(min)
    expect(value).toBeLessThanOrEqual(max)
  }
  expect(sample({ type: 'integer', exclusiveMinimum: 9 })).toBeGreaterThan(9)
  expect(sample({ type: 'integer', exclusiveMinimum: 9, exclusiveMaximum: 11 })).toBe(10)
  expect(String(sample({ type: 'string', minLength: 40 })).length).toBeGreaterThanOrEqual(40)
  expect(String(sample({ type: 'string', maxLength: 2 })).length).toBeLessThanOrEqual(2)
  expect(sample({ type: 'array', items: { const: 1 }, minItems: 3 })).toEqual([1, 1, 1])
})

test('objects get all their properties, one named nonce the nonce', () => {
  const schema = { type: 'object', properties: { a: { const: 1 }, nonce: { type: 'string' } } }
  expect(sample(schema, 'n9')).toEqual({ a: 1, nonce: 'n9' })
})

test('references, alternatives and parts are followed', () => {
  const schema = {
    $defs: { 'a/b': { const: 'found' } },
    properties: {
      reference: { $ref: '#/$defs/a~1b' },
      lost: { $ref: '#/$defs/none' },
      any: { anyOf: [{ const: 1 }, { const: 2 }] },
      all: { allOf: [{ properties: { x: { const: 1 } } }, { properties: { y: { const: 2 } } }] },
    },
  }
  expect(sample(schema)).toMatchObject({ reference: 'found', any: 1, all: { x: 1, y: 2 } })
})

test('a schema that contains itself ends', () => {
  const tree = { type: 'object', properties: { child: { $ref: '#' } } }
  expect(JSON.stringify(sample(tree))).toContain('null')
})
