import { definePlugin } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'

import * as field from './fields.ts'
import { valueAt } from './issues.ts'
import { configurationJsonSchema } from './json-schema.ts'

const limiter = definePlugin({
  name: 'rate-limiting',
  priority: 910,
  schema: field
    .record({
      minute: field.number({ gt: 0 }),
      policy: field.enumeration(['local', 'redis'], 'local'),
      redis: field.filled(field.record({ password: field.optional(field.secret()) })),
    })
    .transform((value) => value),
  create: () => ({}),
})

const foreign = definePlugin({
  name: 'third-party',
  priority: 1,
  schema: { '~standard': { version: 1, vendor: 'other', validate: (value) => ({ value }) } },
  create: () => ({}),
})

const schema = configurationJsonSchema([limiter, foreign])

test('it names every collection, flat and nested', () => {
  expect(valueAt(schema, ['properties', 'services', 'items'])).toEqual({ $ref: '#/$defs/service' })
  expect(valueAt(schema, ['$defs', 'service', 'properties', 'routes', 'items'])).toEqual({
    $ref: '#/$defs/route',
  })
  expect(valueAt(schema, ['$defs', 'consumer', 'properties', 'keyauth_credentials'])).toBeDefined()
  expect(schema['required']).toEqual(['_format_version'])
})

test('a service needs a host or a url; what has a default may be left out', () => {
  expect(valueAt(schema, ['$defs', 'service', 'anyOf'])).toEqual([
    { required: ['host'] },
    { required: ['url'] },
  ])
  expect(valueAt(schema, ['$defs', 'upstream', 'required'])).toEqual(['name'])
  expect(valueAt(schema, ['$defs', 'route', 'properties', 'regex_priority', 'default'])).toBe(0)
})

test('a plugin’s configuration follows its name; schemas of other libraries stay open', () => {
  const [first, second] = [0, 1].map((index) =>
    valueAt(schema, ['$defs', 'plugin', 'allOf', index]),
  )
  expect(valueAt(first, ['if', 'properties', 'name', 'const'])).toBe('rate-limiting')
  const config = valueAt(first, ['then', 'properties', 'config', 'anyOf', 0])
  expect(config).toMatchObject({ required: ['minute'], additionalProperties: false })
  expect(valueAt(config, ['properties', 'policy', 'default'])).toBe('local')
  expect(valueAt(second, ['then', 'properties', 'config'])).toEqual({})
  expect(valueAt(schema, ['$defs', 'plugin', 'properties', 'name', 'enum'])).toEqual([
    'rate-limiting',
    'third-party',
  ])
})
