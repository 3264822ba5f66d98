import { describe, expect, test } from 'vitest'
import { admin, ask, at, configure, refusals, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

const LIMIT = { name: 'rate-limiting', config: { year: 5 } }

function nested(): Readonly<Record<string, unknown>> {
  return {
    services: [
      {
        name: 'svc',
        url: upstream.url,
        plugins: [{ name: 'key-auth' }],
        routes: [{ name: 'r', paths: ['/a'], plugins: [{ ...LIMIT, consumer: 'alice' }] }],
      },
    ],
    consumers: [
      {
        username: 'alice',
        keyauth_credentials: [{ key: 'alice-key' }],
        acls: [{ group: 'g' }],
        plugins: [{ name: 'correlation-id' }],
      },
    ],
    upstreams: [{ name: 'u', targets: [{ target: 'h:80' }] }],
  }
}

function flat(): Readonly<Record<string, unknown>> {
  return {
    services: [{ name: 'svc', url: upstream.url }],
    routes: [{ name: 'r', service: 'svc', paths: ['/a'] }],
    plugins: [
      { name: 'key-auth', service: 'svc' },
      { ...LIMIT, route: 'r', consumer: 'alice' },
      { name: 'correlation-id', consumer: 'alice' },
    ],
    consumers: [{ username: 'alice' }],
    keyauth_credentials: [{ consumer: 'alice', key: 'alice-key' }],
    acls: [{ consumer: 'alice', group: 'g' }],
    upstreams: [{ name: 'u' }],
    targets: [{ upstream: 'u', target: 'h:80' }],
  }
}

describe('kong.md §1.3 nested and flat form', () => {
  test.each([
    ['nested', nested],
    ['flat', flat],
  ])('%s: parents are found, and the request is treated accordingly', async (_name, make) => {
    expect((await configure(given, make())).status).toBe(201)
    expect((await ask(given.port, { path: '/a' })).status).toBe(401)
    const answer = await ask(given.port, { path: '/a', headers: { apikey: 'alice-key' } })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('ratelimit-limit')).toBe('5')
    expect(upstream.last.headers.get('x-consumer-username')).toBe('alice')

    const [services, routes, plugins, targets, acls] = await Promise.all(
      ['/services', '/routes', '/plugins', '/upstreams/u/targets', '/consumers/alice/acls'].map(
        async (path) => at((await admin(given, path)).json, 'data'),
      ),
    )
    const service = { id: at(services, 0, 'id') }
    expect(routes).toMatchObject([{ service }])
    const consumer = { id: at((await admin(given, '/consumers/alice')).json, 'id') }
    expect(plugins).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'key-auth', service, route: null, consumer: null }),
        expect.objectContaining({
          name: 'rate-limiting',
          service: null,
          route: { id: at(routes, 0, 'id') },
          consumer,
        }),
        expect.objectContaining({ name: 'correlation-id', consumer }),
      ]),
    )
    expect(targets).toMatchObject([{ target: 'h:80' }])
    expect(acls).toMatchObject([{ group: 'g', consumer }])
  })

  test('a foreign key is a name or an id as a text, an object is refused', async () => {
    const id = '11111111-1111-4111-8111-111111111111'
    const services = [{ id, name: 'svc', url: upstream.url }]
    const routeOf = (service: unknown) => ({ services, routes: [{ paths: ['/b'], service }] })
    for (const service of ['svc', id]) {
      expect((await configure(given, routeOf(service))).status).toBe(201)
      expect((await ask(given.port, { path: '/b' })).status).toBe(200)
    }
    expect(await refusals(given, routeOf({ id }))).toEqual(['routes.1.service: expected a string'])
    expect(await refusals(given, routeOf({ name: 'svc' }))).toEqual([
      'routes.1.service: expected a string',
    ])
  })

  test('a name goes before an id', async () => {
    const id = '22222222-2222-4222-8222-222222222222'
    const answer = await configure(given, {
      services: [
        { id, name: 'first', host: 'first.test' },
        { name: id, host: 'second.test' },
      ],
      routes: [{ name: 'r', paths: ['/c'], service: id }],
    })
    expect(answer.status).toBe(201)
    expect((await admin(given, '/routes/r/service')).json).toMatchObject({ host: 'second.test' })
  })

  test.each([
    [
      { routes: [{ name: 'r', paths: ['/a'], service: 'nope' }] },
      "routes.r.service: invalid reference 'service: nope' (no such entry in 'services')",
    ],
    [
      { keyauth_credentials: [{ key: 'k', consumer: 'nope' }] },
      "keyauth_credentials.1.consumer: invalid reference 'consumer: nope' (no such entry in 'consumers')",
    ],
    [
      { targets: [{ target: 'h:1', upstream: 'nope' }] },
      "targets.1.upstream: invalid reference 'upstream: nope' (no such entry in 'upstreams')",
    ],
    [
      { plugins: [{ name: 'key-auth', route: 'nope' }] },
      "plugins.key-auth.route: invalid reference 'route: nope' (no such entry in 'routes')",
    ],
  ])('a reference to nothing is refused: %j', async (configuration, error) => {
    expect(await refusals(given, configuration)).toEqual([error])
  })

  test('certificates nest their server names as objects', async () => {
    expect(
      await refusals(given, { certificates: [{ cert: 'c', key: 'k', snis: ['a.test'] }] }),
    ).toContain('certificates.1.snis.1: expected a record')
  })
})
