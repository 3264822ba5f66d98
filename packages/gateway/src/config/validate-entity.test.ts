import { definePlugin } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import * as field from './fields.ts'
import { validateEntity } from './validate-entity.ts'

const echo = definePlugin({
  name: 'echo',
  priority: 1,
  schema: field.record({ text: field.string(), depth: field.optional(field.integer()) }),
  create: () => ({}),
})

const validate = (collection: string, value: unknown) =>
  validateEntity(collection, value, { plugins: [echo], enabledPlugins: 'bundled' })

describe('kong.md §4.3 one entity by itself', () => {
  test.each([
    ['services', { name: 'a', url: 'http://a.example', client_certificate: null }],
    ['routes', { name: 'r', paths: ['/a'], service: { id: crypto.randomUUID() } }],
    ['targets', { target: '10.0.0.1:80', upstream: { id: crypto.randomUUID() } }],
    ['targets', { target: '10.0.0.1:80' }],
    ['keyauth_credentials', { key: 'k', consumer: { id: crypto.randomUUID() } }],
    ['consumers', { username: 'alice', tags: ['a'], created_at: 1_700_000_000 }],
    ['plugins', { name: 'echo', config: { text: 'x' }, route: { id: crypto.randomUUID() } }],
    ['plugins', { name: 'echo', config: { text: '$(NOT_SET)' } }],
  ])('%s %j is valid, whatever it refers to', (collection, value) => {
    expect(validate(collection, value)).toEqual([])
  })

  test.each([
    [
      'routes',
      { paths: ['/a', 'b'] },
      [
        {
          path: ['paths', 1],
          message: 'should start with: / (fixed path) or ~/ (regex path)',
        },
      ],
    ],
    ['services', { name: 'a' }, [{ path: ['host'], message: 'required field missing' }]],
    [
      'services',
      { host: 'a', nme: 'x' },
      [{ path: ['nme'], message: expect.stringContaining('unknown field') }],
    ],
    [
      'routes',
      { name: 'r' },
      [{ path: ['@entity'], message: expect.stringContaining('must set') }],
    ],
    [
      'plugins',
      { name: 'echo', config: { depth: 1.5 } },
      [
        { path: ['config', 'text'], message: 'required field missing' },
        { path: ['config', 'depth'], message: 'expected an integer' },
      ],
    ],
    [
      'plugins',
      { name: 'nope' },
      [{ path: ['name'], message: expect.stringContaining('not enabled') }],
    ],
    ['services', 'text', [{ path: [], message: 'expected a record' }]],
  ])('%s %j is told what is wrong', (collection, value, problems) => {
    expect(validate(collection, value)).toEqual(problems)
  })

  test('a collection that does not exist is told apart', () => {
    expect(validate('nope', {})).toBeUndefined()
  })
})
