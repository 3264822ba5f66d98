import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { configure, givenKong, refusals } from './support.ts'

let given: GivenGateway

beforeAll(async () => {
  given = await givenKong({})
})
afterAll(() => given[Symbol.asyncDispose]())

const service = (more: object) => ({ host: 'h.test', ...more })
const violation = (entity: string, field: string, value: string): string =>
  `uniqueness violation: '${entity}' entity with ${field} set to '${value}' already declared`

describe('kong.md §1.5 what must be unique', () => {
  test.each([
    ['services', 'name', 'a', [service({ name: 'a' }), service({ name: 'a' })]],
    [
      'routes',
      'name',
      'a',
      [
        { name: 'a', paths: ['/a'] },
        { name: 'a', paths: ['/b'] },
      ],
    ],
    ['consumers', 'username', 'a', [{ username: 'a' }, { username: 'a' }]],
    [
      'consumers',
      'custom_id',
      'c',
      [
        { custom_id: 'c', username: 'a' },
        { custom_id: 'c', username: 'b' },
      ],
    ],
    ['upstreams', 'name', 'u', [{ name: 'u' }, { name: 'u' }]],
    [
      'plugins',
      'instance_name',
      'i',
      [
        { name: 'key-auth', instance_name: 'i' },
        { name: 'correlation-id', instance_name: 'i' },
      ],
    ],
    [
      'vaults',
      'prefix',
      'my-env',
      [
        { prefix: 'my-env', name: 'env' },
        { prefix: 'my-env', name: 'env' },
      ],
    ],
  ] as const)('%s.%s', async (collection, field, value, entities) => {
    expect(await refusals(given, { [collection]: entities })).toContain(
      `${collection}.2.${field}: ${violation(collection, field, value)}`,
    )
  })

  test.each([
    ['basicauth_credentials', 'username', { username: 'b', password: 'p' }],
    ['hmacauth_credentials', 'username', { username: 'h' }],
  ])('%s.%s', async (collection, field, credential) => {
    const configuration = {
      consumers: [{ username: 'a' }],
      [collection]: [
        { consumer: 'a', ...credential },
        { consumer: 'a', ...credential },
      ],
    }
    expect(await refusals(given, configuration)).toContain(
      `${collection}.2.${field}: ${violation(collection, field, credential.username)}`,
    )
  })

  test.each([
    ['keyauth_credentials', { key: 'very-secret' }],
    ['jwt_secrets', { key: 'very-secret' }],
  ])('S12 %s.key, told without the key', async (collection, credential) => {
    const configuration = {
      consumers: [
        { username: 'a', [collection]: [credential] },
        { username: 'b', [collection]: [credential] },
      ],
    }
    const errors = await refusals(given, configuration)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain(`consumers.2.${collection}.1.key: uniqueness violation`)
    expect(errors[0]).not.toContain('very-secret')
  })

  test('snis.name, across certificates', async () => {
    const errors = await refusals(given, {
      certificates: [
        { cert: 'no', key: 'no', snis: [{ name: 'a.test' }] },
        { cert: 'no', key: 'no', snis: [{ name: 'a.test' }] },
      ],
    })
    expect(errors).toContain(`certificates.2.snis.1.name: ${violation('snis', 'name', 'a.test')}`)
  })

  test('an id used twice in one collection', async () => {
    const id = '55555555-5555-4555-8555-555555555555'
    expect(
      await refusals(given, { services: [service({ id, name: 'a' }), service({ id, name: 'b' })] }),
    ).toEqual([`services.2: ${violation('services', 'primary key', id)}`])
  })

  test.each([
    ['written out', [{ name: 'key-auth' }, { name: 'key-auth' }]],
    [
      'with different instance names',
      [
        { name: 'key-auth', instance_name: 'one' },
        { name: 'key-auth', instance_name: 'two' },
      ],
    ],
  ])('two instances of a plugin in one scope, %s', async (_name, plugins) => {
    const errors = await refusals(given, { plugins })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(
      /^plugins\.2: uniqueness violation: 'plugins' entity with primary key set to '[0-9a-f-]{36}' already declared$/,
    )
  })

  test('the same plugin in other scopes, and equal names in other collections, are no violation', async () => {
    const answer = await configure(given, {
      services: [service({ name: 'a', plugins: [{ name: 'key-auth' }] })],
      routes: [{ name: 'a', paths: ['/a'], service: 'a', plugins: [{ name: 'key-auth' }] }],
      plugins: [{ name: 'key-auth' }],
      upstreams: [{ name: 'a' }],
      consumers: [{ username: 'a' }, { custom_id: 'a' }],
    })
    expect(answer.status).toBe(201)
  })
})
