import { describe, expect, test } from 'vitest'

import { deriveId, sha256Hex, uuidV5 } from './ids.ts'
import { accept, refuse } from './testing/parse.ts'

describe('kong.md §1.3 nested and flat', () => {
  const nested = `
services:
- name: s
  host: h
  routes:
  - name: r
    paths: [/x]
    plugins: [{name: rate-limiting, config: {minute: 1}}]
  plugins: [{name: rate-limiting, config: {minute: 2}}]
consumers:
- username: alice
  plugins: [{name: rate-limiting, service: s, config: {minute: 3}}]
  keyauth_credentials: [{key: k}]
  acls: [{group: a}, {group: b}]
upstreams:
- name: u
  targets: [{target: "a:80"}, {target: "b:81", weight: 0}]
`
  const flat = `
targets: [{upstream: u, target: "a:80"}, {upstream: u, target: "b:81", weight: 0}]
acls: [{consumer: alice, group: a}, {consumer: alice, group: b}]
keyauth_credentials: [{consumer: alice, key: k}]
plugins:
- {name: rate-limiting, route: r, config: {minute: 1}}
- {name: rate-limiting, service: s, config: {minute: 2}}
- {name: rate-limiting, service: s, consumer: alice, config: {minute: 3}}
routes: [{name: r, service: s, paths: [/x]}]
upstreams: [{name: u}]
services: [{name: s, host: h}]
consumers: [{username: alice}]
`

  test('both forms mean the same', () => {
    const [one, other] = [accept(nested), accept(flat)]
    for (const key of ['services', 'routes', 'consumers', 'credentials'] as const)
      expect(other[key]).toEqual(one[key])
    const scopes = (entities: typeof one) =>
      entities.plugins
        .map(({ routeId, serviceId, consumerId, config }) => ({
          routeId,
          serviceId,
          consumerId,
          config,
        }))
        .toSorted((a, b) => JSON.stringify(a.config).localeCompare(JSON.stringify(b.config)))
    expect(scopes(other)).toEqual(scopes(one))
    expect(one.upstreams[0]?.targets.map(({ host, port, weight }) => [host, port, weight])).toEqual(
      [
        ['a', 80, 100],
        ['b', 81, 0],
      ],
    )
    expect(one.consumers[0]?.groups).toEqual(['a', 'b'])
  })

  test('references go by name, then by id; objects are refused', () => {
    const id = '11111111-2222-4333-8444-555555555555'
    const { routes } = accept(`
services: [{id: ${id.toUpperCase()}, host: h}]
routes: [{service: ${id}, paths: [/a]}]
`)
    expect(routes[0]?.serviceId).toBe(id)
    expect(
      refuse(`services: [{name: s, host: h}]\nroutes: [{service: {name: s}, paths: [/a]}]`),
    ).toEqual(['routes[0].service: expected a string'])
  })

  test('a dangling reference says which, and what is near', () => {
    expect(
      refuse(
        'services: [{name: orders, host: h}]\nroutes: [{name: r, service: oders, paths: [/a]}]',
      ),
    ).toEqual([
      "routes[0].service: invalid reference 'service: oders' (no such entry in 'services')",
    ])
  })

  test('a reference to an entry that is wrong itself is not a second mistake', () => {
    expect(refuse('services: [{name: s}]\nroutes: [{service: s, paths: [/a]}]')).toEqual([
      'services[0].host: required field missing',
    ])
  })

  test('credentials and targets need an owner', () => {
    expect(
      refuse('keyauth_credentials: [{key: k}]\ntargets: [{target: "a:1"}]\nsnis: [{name: a.com}]'),
    ).toEqual([
      'keyauth_credentials[0].consumer: required field missing',
      'targets[0].upstream: required field missing',
      'snis[0].certificate: required field missing',
    ])
  })
})

describe('kong.md §1.4 ids', () => {
  const namespace = 'fd02801f-0957-4a15-a55a-c8d9606f30b5'
  const v5 = (collection: string, key: string) => uuidV5(uuidV5(namespace, collection), key)

  test('RFC 9562 name-based ids', () => {
    expect(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe(
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    )
    expect(deriveId('services', 'svc')).toBe('b9f04b04-ab65-5e2a-b4c4-f82b7d5b781c')
  })

  test('each collection’s key is Kong’s', () => {
    const { services, routes, consumers, upstreams, plugins, credentials } = accept(`
services:
- name: s
  host: h
  routes: [{name: r, paths: [/x], plugins: [{name: rate-limiting, consumer: c, config: {minute: 1}}]}]
consumers: [{username: c, basicauth_credentials: [{username: b, password: p}]}]
upstreams: [{name: u, targets: [{target: "t:1"}]}]
targets: [{upstream: u, target: "t:2"}]
plugins: [{name: rate-limiting, service: s, config: {minute: 1}}]
`)
    expect(services[0]?.id).toBe(v5('services', 's'))
    expect(routes[0]?.id).toBe(v5('routes', 'r'))
    expect(consumers[0]?.id).toBe(v5('consumers', 'c'))
    const upstreamId = v5('upstreams', 'u')
    expect(upstreams[0]?.id).toBe(upstreamId)
    expect(upstreams[0]?.targets.map(({ id }) => id)).toEqual([
      v5('targets', `targets:*:${upstreamId}:t:1`),
      v5('targets', 'targets:*:u:t:2'),
    ])
    expect(plugins.map(({ id }) => id)).toEqual([
      v5('plugins', `plugins:*:rate-limiting:${v5('routes', 'r')}::c`),
      v5('plugins', 'plugins:*:rate-limiting::s:'),
    ])
    expect(credentials[0]?.id).toBe(v5('basicauth_credentials', 'basicauth_credentials:*:b'))
  })

  test('what Kong gives a random id has one that replicas and reloads agree on', () => {
    const text = `
services: [{host: h, routes: [{paths: [/a]}, {paths: [/a]}, {paths: [/b]}]}]
consumers: [{custom_id: c, keyauth_credentials: [{key: secret-key}]}]
`
    const [first, second] = [accept(text), accept(text)]
    expect(second.routes.map(({ id }) => id)).toEqual(first.routes.map(({ id }) => id))
    expect(new Set(first.routes.map(({ id }) => id)).size).toBe(3)
    expect(first.credentials[0]?.id).toBe(
      v5('keyauth_credentials', `keyauth_credentials:*:${sha256Hex('secret-key')}`),
    )
  })

  test('an id of the file is kept, in lower case', () => {
    const { consumers } = accept(
      'consumers: [{id: ABCDEF00-0000-4000-8000-000000000000, username: u}]',
    )
    expect(consumers[0]?.id).toBe('abcdef00-0000-4000-8000-000000000000')
    expect(refuse('consumers: [{id: x, username: u}]')).toEqual([
      'consumers[0].id: expected a valid UUID',
    ])
  })
})

describe('kong.md §1.5 uniqueness', () => {
  test.each([
    [
      'services: [{name: a, host: h}, {name: a, host: i}]',
      "services[1].name: uniqueness violation: 'services' entity with name set to 'a' already declared",
    ],
    [
      'consumers: [{username: a}, {username: a}]',
      "consumers[1].username: uniqueness violation: 'consumers' entity with username set to 'a' already declared",
    ],
    [
      'consumers: [{custom_id: a}, {custom_id: a, username: b}]',
      "consumers[1].custom_id: uniqueness violation: 'consumers' entity with custom_id set to 'a' already declared",
    ],
    [
      'upstreams: [{name: a}, {name: a}]',
      "upstreams[1].name: uniqueness violation: 'upstreams' entity with name set to 'a' already declared",
    ],
  ])('%s', (text, problem) => {
    expect(refuse(text)).toEqual([problem])
  })

  test('two instances of a plugin in one scope, nested or flat, named or not', () => {
    const [problem] = refuse(`
services:
- {name: s, host: h, plugins: [{name: rate-limiting, instance_name: one, config: {minute: 1}}]}
plugins: [{name: rate-limiting, instance_name: two, service: s, config: {minute: 2}}]
`)
    expect(problem).toMatch(
      /^plugins\[0\]: uniqueness violation: 'plugins' entity with primary key set to/,
    )
    expect(
      refuse(
        'plugins: [{name: rate-limiting, config: {minute: 1}}, {name: rate-limiting, config: {minute: 1}}]',
      ),
    ).toHaveLength(1)
    expect(
      refuse(
        'services: [{name: s, host: h}]\nplugins: [{name: rate-limiting, instance_name: i, config: {minute: 1}}, {name: rate-limiting, service: s, instance_name: i, config: {minute: 1}}]',
      ),
    ).toEqual([
      "plugins[1].instance_name: uniqueness violation: 'plugins' entity with instance_name set to 'i' already declared",
    ])
  })

  test('S12 two consumers with the same key are told without the key', () => {
    const problems = refuse(`
consumers:
- {username: a, keyauth_credentials: [{key: hunter2hunter2}]}
- {username: b, keyauth_credentials: [{key_sha256: ${sha256Hex('hunter2hunter2')}}]}
`)
    expect(problems).toEqual([
      "consumers[1].keyauth_credentials[0].key_sha256: uniqueness violation: 'keyauth_credentials' entity with key set to '[secret]' already declared",
    ])
  })
})
