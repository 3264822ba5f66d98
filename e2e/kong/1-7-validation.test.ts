import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { admin, at, configure, givenKong, refusals } from './support.ts'

let given: GivenGateway

beforeAll(async () => {
  given = await givenKong({})
})
afterAll(() => given[Symbol.asyncDispose]())

const service = (more: object) => ({ services: [{ host: 'h', ...more }] })
const route = (more: object) => ({ routes: [{ paths: ['/a'], ...more }] })
const plugin = (name: string, config: unknown) => ({ plugins: [{ name, config }] })
const upstream = (more: object) => ({ upstreams: [{ name: 'u', ...more }] })

describe('kong.md §1.7 nothing is coerced', () => {
  test.each([
    ['a number in quotes', service({ port: '80' }), 'services.1.port: expected an integer'],
    ['a boolean in quotes', service({ enabled: 'true' }), 'services.1.enabled: expected a boolean'],
    ['a number for a text', service({ name: 80 }), 'services.1.name: expected a string'],
    [
      'a fraction for a whole number',
      service({ retries: 0.5 }),
      'services.1.retries: expected an integer',
    ],
    [
      'a text for a number',
      plugin('rate-limiting', { minute: '5' }),
      'plugins.1.config.minute: expected a number',
    ],
    ['a text for a list', route({ hosts: 'a' }), 'routes.1.hosts: expected an array'],
    ['a text for a set', route({ methods: 'GET' }), 'routes.1.methods: expected a set'],
    ['a list for a map', route({ headers: ['a'] }), 'routes.1.headers: expected a map'],
    [
      'a list for a record',
      upstream({ healthchecks: [] }),
      'upstreams.1.healthchecks: expected a record',
    ],
    ['a text for an entity', { services: ['a'] }, 'services.1: expected a record'],
    ['a record for a list of entities', { services: {} }, 'services: expected an array'],
    ['a text for a configuration', plugin('key-auth', 'x'), 'plugins.1.config: expected a record'],
  ])('%s', async (_name, configuration, error) => {
    expect(await refusals(given, configuration)).toEqual([error])
  })

  test('a number without a fraction is whole', async () => {
    const text = '_format_version: "3.0"\nservices: [{host: h, retries: 3.0, port: 8.08e+3}]\n'
    expect((await configure(given, text)).status).toBe(201)
    const { json } = await admin(given, '/services')
    expect(at(json, 'data', 0)).toMatchObject({ retries: 3, port: 8080 })
  })
})

describe('kong.md §1.7 what is absent', () => {
  test('null counts as absent: the default, or the refusal of a required field', async () => {
    const configuration = service({ port: null, path: null, tags: null, retries: null })
    expect((await configure(given, configuration)).status).toBe(201)
    const { json } = await admin(given, '/services')
    expect(at(json, 'data', 0)).toMatchObject({ port: 80, path: null, retries: 5 })
    expect(await refusals(given, service({ host: null }))).toEqual([
      'services.1.host: required field missing',
    ])
  })

  test('a missing record is filled with its defaults, a part of one with the rest', async () => {
    const plugins = [
      { name: 'proxy-cache', config: { strategy: 'memory', response_headers: { age: false } } },
    ]
    expect((await configure(given, { plugins })).status).toBe(201)
    const { json } = await admin(given, '/plugins')
    expect(at(json, 'data', 0, 'config')).toMatchObject({
      memory: { dictionary_name: 'kong_db_cache' },
      response_headers: { age: false, 'X-Cache-Status': true, 'X-Cache-Key': true },
    })
  })

  test('the configuration of a plugin is filled first, and then judged', async () => {
    expect(await refusals(given, { plugins: [{ name: 'proxy-cache' }] })).toEqual([
      'plugins.1.config.strategy: required field missing',
    ])
    expect(await refusals(given, { plugins: [{ name: 'rate-limiting' }] })).toEqual([
      "plugins.1.config.@entity: at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'",
    ])
  })

  test('an element of a list may not be null', async () => {
    expect(await refusals(given, route({ paths: ['/a', null] }))).toEqual([
      'routes.1.paths.2: required field missing',
    ])
    expect(await refusals(given, { services: [null] })).toEqual([
      'services.1: required field missing',
    ])
  })
})

test('kong.md §1.7 sets drop repetitions and keep their order, lists keep them', async () => {
  const configuration = route({
    methods: ['POST', 'GET', 'POST'],
    protocols: ['https', 'http', 'https'],
    hosts: ['b.test', 'a.test', 'b.test'],
  })
  expect((await configure(given, configuration)).status).toBe(201)
  const { json } = await admin(given, '/routes')
  expect(at(json, 'data', 0)).toMatchObject({
    methods: ['POST', 'GET'],
    protocols: ['https', 'http'],
    hosts: ['b.test', 'a.test', 'b.test'],
  })
})

describe('kong.md §1.7 messages', () => {
  test.each([
    ['required field missing', { services: [{}] }],
    ['unknown field', service({ hots: 1 })],
    ['expected a string', service({ path: 1 })],
    ['expected a number', service({ created_at: 'x' })],
    ['expected an integer', service({ retries: 'x' })],
    ['expected a boolean', service({ enabled: 1 })],
    ['expected a record', plugin('key-auth', 1)],
    ['expected an array', route({ paths: 1 })],
    ['expected a set', service({ tags: 1 })],
    ['expected a map', route({ headers: 1 })],
    ['expected one of: v0, v1', route({ path_handling: 'x' })],
    ['value should be between 0 and 32767', service({ retries: -1 })],
    ['value must be greater than 0', plugin('rate-limiting', { second: 0 })],
    ['length must be at least 1', service({ name: '' })],
    ['invalid value: a b', service({ host: 'a b' })],
    ['expected a valid UUID', service({ id: '1' })],
    [
      "at least one of these fields must be non-empty: 'custom_id', 'username'",
      { consumers: [{}] },
    ],
    [
      "exactly one of these fields must be non-empty: 'allow', 'deny'",
      plugin('acl', { allow: ['a'], deny: ['b'] }),
    ],
    [
      "all or none of these fields must be set: 'cert_alt', 'key_alt'",
      { certificates: [{ cert: 'c', key: 'k', key_alt: 'k' }] },
    ],
    [
      "values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'",
      upstream({
        hash_on: 'header',
        hash_on_header: 'X-A',
        hash_fallback: 'header',
        hash_fallback_header: 'X-A',
      }),
    ],
    [
      "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp'), ('tls_passthrough'), ('grpc', 'grpcs')",
      route({ protocols: ['http', 'grpc'] }),
    ],
    [
      "failed conditional validation given value of field 'protocol'",
      service({ protocol: 'tcp', path: '/a' }),
    ],
    ['value must be null', service({ protocol: 'tcp', path: '/a' })],
  ])('%s', async (message, configuration) => {
    const messages = (await refusals(given, configuration)).map((one) =>
      one.slice(one.indexOf(': ') + 2),
    )
    expect(messages).toContain(message)
  })

  test('the first check of a field that fails is told, the type before the rest', async () => {
    expect(await refusals(given, service({ path: '' }))).toEqual([
      'services.1.path: length must be at least 1',
    ])
    expect(await refusals(given, service({ path: 'a//b' }))).toEqual([
      'services.1.path: should start with: /',
    ])
    expect(await refusals(given, service({ retries: 40_000.5 }))).toHaveLength(1)
  })

  test('all fields of all entities are told at once, rules between fields under @entity', async () => {
    const errors = await refusals(given, {
      services: [
        { port: 'x', retries: -1 },
        { host: 'ok', tls_verify: true },
      ],
      consumers: [{}],
    })
    expect(errors.toSorted()).toEqual([
      "consumers.1.@entity: at least one of these fields must be non-empty: 'custom_id', 'username'",
      'services.1.host: required field missing',
      'services.1.port: expected an integer',
      'services.1.retries: value should be between 0 and 32767',
      "services.2.@entity: failed conditional validation given value of field 'protocol'",
      'services.2.tls_verify: value must be null',
    ])
  })
})
