import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { admin, ask, at, configure, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

/** RFC 9562 §5.5, written anew so that the product is not compared with itself. */
function uuid5(namespace: string, name: string): string {
  const digest = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
    .subarray(0, 16)
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

const kongId = (entity: string, key: string): string =>
  uuid5(uuid5('fd02801f-0957-4a15-a55a-c8d9606f30b5', entity), key)

async function idOf(path: string): Promise<unknown> {
  const { json } = await admin(given, path)
  return at(json, 'id') ?? at(json, 'data', 0, 'id')
}

const SERVICE = kongId('services', 'svc')
const ROUTE = kongId('routes', 'r')
const ALICE = kongId('consumers', 'alice')
const UPSTREAM = kongId('upstreams', 'u')

describe('kong.md §1.4 ids follow from names', () => {
  test('services, routes, consumers, upstreams and server names by their name', async () => {
    await configure(given, {
      services: [{ name: 'svc', url: upstream.url, routes: [{ name: 'r', paths: ['/a'] }] }],
      consumers: [{ username: 'alice' }],
      upstreams: [{ name: 'u' }],
    })
    expect(await idOf('/services/svc')).toBe(SERVICE)
    expect(await idOf('/routes/r')).toBe(ROUTE)
    expect(await idOf('/consumers/alice')).toBe(ALICE)
    expect(await idOf('/upstreams/u')).toBe(UPSTREAM)
  })

  test('targets: with the upstream’s id when nested, its name as written when flat', async () => {
    await configure(given, {
      upstreams: [{ name: 'u', targets: [{ target: 'nested:80' }] }],
      targets: [{ upstream: 'u', target: 'flat:80' }],
    })
    const { json } = await admin(given, '/upstreams/u/targets')
    const ids = Object.fromEntries(
      (at(json, 'data') as { target: string; id: string }[]).map(({ target, id }) => [target, id]),
    )
    expect(ids).toEqual({
      'nested:80': kongId('targets', `targets:*:${UPSTREAM}:nested:80`),
      'flat:80': kongId('targets', 'targets:*:u:flat:80'),
    })
  })

  test.each([
    ['global', {}, '', '', ''],
    ['of a route by name', { route: 'r' }, 'r', '', ''],
    ['of a service by name', { service: 'svc' }, '', 'svc', ''],
    ['of all three', { route: 'r', service: 'svc', consumer: 'alice' }, 'r', 'svc', 'alice'],
  ])('flat plugins %s', async (_name, scope, route, service, consumer) => {
    await configure(given, {
      services: [{ name: 'svc', url: upstream.url }],
      routes: [{ name: 'r', paths: ['/a'], service: 'svc' }],
      consumers: [{ username: 'alice' }],
      plugins: [{ name: 'correlation-id', ...scope }],
    })
    expect(await idOf('/plugins')).toBe(
      kongId('plugins', `plugins:*:correlation-id:${route}:${service}:${consumer}`),
    )
  })

  test('nested plugins: with the parent’s id, and other scopes as written', async () => {
    await configure(given, {
      services: [
        {
          name: 'svc',
          url: upstream.url,
          routes: [
            {
              name: 'r',
              paths: ['/a'],
              plugins: [{ name: 'correlation-id', consumer: 'alice' }],
            },
          ],
        },
      ],
      consumers: [{ username: 'alice' }],
    })
    expect(await idOf('/plugins')).toBe(
      kongId('plugins', `plugins:*:correlation-id:${ROUTE}::alice`),
    )
  })

  test('basic and HMAC credentials by their username, groups by consumer and group', async () => {
    await configure(given, {
      consumers: [{ username: 'alice', acls: [{ group: 'nested' }] }],
      basicauth_credentials: [{ consumer: 'alice', username: 'b', password: 'p' }],
      hmacauth_credentials: [{ consumer: 'alice', username: 'h' }],
    })
    expect(await idOf('/consumers/alice/basic-auth')).toBe(
      kongId('basicauth_credentials', 'basicauth_credentials:*:b'),
    )
    expect(await idOf('/consumers/alice/hmac-auth')).toBe(
      kongId('hmacauth_credentials', 'hmacauth_credentials:*:h'),
    )
    expect(await idOf('/consumers/alice/acls')).toBe(kongId('acls', `acls:*:${ALICE}:nested`))
  })

  test('an id of the file is kept', async () => {
    const id = '33333333-3333-4333-8333-333333333333'
    await configure(given, { services: [{ id, name: 'svc', url: upstream.url }] })
    expect(await idOf('/services/svc')).toBe(id)
  })

  test('what Kong gives a random id keeps its own over reloads here: keys, nameless routes', async () => {
    const configuration = {
      services: [
        { url: upstream.url, plugins: [{ name: 'key-auth' }], routes: [{ paths: ['/a'] }] },
      ],
      consumers: [{ username: 'alice', keyauth_credentials: [{ key: 'k' }] }],
    }
    const ids = async () => [
      await idOf('/services'),
      await idOf('/routes'),
      await idOf('/key-auths'),
    ]
    await configure(given, configuration)
    const before = await ids()
    await configure(given, { ...configuration, upstreams: [{ name: 'another' }] })
    expect(await ids()).toEqual(before)
    expect(new Set(before).size).toBe(3)
  })

  test('upstreams are told these ids', async () => {
    const id = '44444444-4444-4444-8444-444444444444'
    await configure(given, {
      services: [
        { url: upstream.url, plugins: [{ name: 'key-auth' }], routes: [{ paths: ['/a'] }] },
      ],
      consumers: [{ username: 'alice', keyauth_credentials: [{ id, key: 'k' }] }],
    })
    await ask(given.port, { path: '/a', headers: { apikey: 'k' } })
    expect(upstream.last.headers.get('x-consumer-id')).toBe(ALICE)
    expect(upstream.last.headers.get('x-credential-identifier')).toBe(id)
  })
})
