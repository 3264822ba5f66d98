import { describe, expect, test } from 'vitest'
import { admin, ask, at, configure, refusals, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

describe('kong.md §1.2 _format_version', () => {
  test.each(['1.1', '2.1'])(
    '%s: a path of plain characters is normalised, any other becomes a pattern',
    async (version) => {
      const answer = await configure(given, {
        _format_version: version,
        services: [
          {
            name: 'nested',
            url: upstream.url,
            routes: [{ name: 'a', paths: ['/a/./b', '/x(1|2)'] }],
          },
        ],
        routes: [{ name: 'b', service: 'nested', paths: ['/%7Etop', '/y[0-9]'] }],
      })
      expect(answer.status).toBe(201)
      const { json } = await admin(given, '/routes')
      expect(at(json, 'data', 0, 'paths')).toEqual(['/a/b', '~/x(1|2)'])
      expect(at(json, 'data', 1, 'paths')).toEqual(['/~top', '~/y[0-9]'])
      const statuses = ['/a/b', '/x1', '/x3', '/~top', '/y7', '/yy'].map(
        async (path) => (await ask(given.port, { path })).status,
      )
      expect(await Promise.all(statuses)).toEqual([200, 200, 404, 200, 200, 404])
    },
  )

  test('3.0: paths are taken as they are written', async () => {
    expect(await refusals(given, { routes: [{ name: 'a', paths: ['/a/./b'] }] })).toEqual([
      "routes.1.paths.1: non-normalized path, consider use '/a/b' instead",
    ])
  })

  test.each([
    ['another version', '_format_version: "4.0"', 'expected one of: 1.1, 2.1, 3.0'],
    ['a number', '_format_version: 3.0', 'expected a string'],
    ['none', 'services: []', 'required field missing'],
  ])('%s is refused', async (_name, text, message) => {
    expect(await refusals(given, `${text}\n`)).toEqual([`_format_version: ${message}`])
  })
})

describe('kong.md §1.2 _transform', () => {
  const consumers = [{ username: 'a', basicauth_credentials: [{ username: 'a', password: 'p' }] }]

  test.each([true, false])('%s is accepted', async (_transform) => {
    expect((await configure(given, { _transform, consumers })).status).toBe(201)
  })

  test('anything but a boolean is refused', async () => {
    expect(await refusals(given, { _transform: 'yes please', consumers })).toEqual([
      '_transform: expected a boolean',
    ])
  })
})

describe('kong.md §1.2 _comment and _ignore', () => {
  test('stand at the top and inside any entity, and mean nothing', async () => {
    const noise = { _comment: 'for people', _ignore: [{ anything: [1] }, 'x'] }
    const answer = await configure(given, {
      ...noise,
      services: [
        {
          ...noise,
          url: upstream.url,
          routes: [
            {
              ...noise,
              paths: ['/c'],
              plugins: [{ ...noise, name: 'correlation-id', config: { echo_downstream: true } }],
            },
          ],
        },
      ],
      consumers: [{ ...noise, username: 'a', keyauth_credentials: [{ ...noise, key: 'k' }] }],
      upstreams: [{ ...noise, name: 'u', targets: [{ ...noise, target: 'h:1' }] }],
      vaults: [{ ...noise, prefix: 'my-env', name: 'env' }],
    })
    expect(answer.status).toBe(201)
    const proxied = await ask(given.port, { path: '/c' })
    expect(proxied.status).toBe(200)
    expect(proxied.headers.has('kong-request-id')).toBe(true)
    expect((await admin(given, '/services')).text).not.toContain('_comment')
  })

  test('have a type', async () => {
    expect(
      await refusals(given, {
        _comment: 1,
        _ignore: 'x',
        consumers: [{ username: 'a', _comment: 1 }],
      }),
    ).toEqual([
      '_comment: expected a string',
      '_ignore: expected an array',
      'consumers.1._comment: expected a string',
    ])
  })
})

describe('kong.md §1.2 collections', () => {
  const CORE = [
    'services',
    'routes',
    'consumers',
    'plugins',
    'upstreams',
    'targets',
    'certificates',
    'snis',
    'ca_certificates',
    'vaults',
    'keys',
    'key_sets',
    'filter_chains',
    'parameters',
    'workspaces',
    'clustering_data_planes',
  ]
  const OF_PLUGINS = [
    'keyauth_credentials',
    'basicauth_credentials',
    'jwt_secrets',
    'hmacauth_credentials',
    'acls',
    'oauth2_credentials',
    'oauth2_tokens',
    'oauth2_authorization_codes',
    'sessions',
    'ratelimiting_metrics',
    'response_ratelimiting_metrics',
    'acme_storage',
  ]

  test('every collection of the core and of bundled plugins is known, empty or null', async () => {
    const names = [...CORE, ...OF_PLUGINS]
    const empty = Object.fromEntries(names.map((name) => [name, []]))
    const nothing = Object.fromEntries(names.map((name) => [name, null]))
    expect((await configure(given, empty)).status).toBe(201)
    expect((await configure(given, nothing)).status).toBe(201)
  })

  test.each(['services', 'consumers', 'keyauth_credentials'])('%s must be a list', async (name) => {
    expect(await refusals(given, { [name]: { a: 1 } })).toEqual([`${name}: expected an array`])
  })

  test.each([
    '_info',
    '_workspace',
    '_konnect',
    '_plugin_configs',
    'consumer_groups',
    'consumer_group_plugins',
    'licenses',
    'rbac_roles',
    'partials',
    'servces',
  ])('%s is no key of Kong’s own', async (name) => {
    expect(await refusals(given, { [name]: [] })).toEqual([`${name}: unknown field`])
  })

  test('an unknown key is refused at any level', async () => {
    expect(
      await refusals(given, {
        services: [
          {
            url: upstream.url,
            retrys: 1,
            routes: [
              {
                paths: ['/a'],
                strip: true,
                plugins: [{ name: 'key-auth', ordering: {}, config: { key_name: 'k' } }],
              },
            ],
          },
        ],
        upstreams: [{ name: 'u', healthchecks: { active: { healthy: { every: 1 } } } }],
      }),
    ).toEqual([
      'services.1.retrys: unknown field',
      'services.1.routes.1.strip: unknown field',
      'services.1.routes.1.plugins.1.ordering: unknown field',
      'upstreams.1.healthchecks.active.healthy.every: unknown field',
    ])
  })

  test('so is one inside the configuration of a plugin', async () => {
    expect(
      await refusals(given, { plugins: [{ name: 'key-auth', config: { key_name: 'k' } }] }),
    ).toEqual(['plugins.1.config.key_name: unknown field'])
  })
})
