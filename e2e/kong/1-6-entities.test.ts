import { describe, expect, test } from 'vitest'
import { admin, ask, at, configure, givenKong, refusals, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

async function loaded(
  configuration: Readonly<Record<string, unknown>>,
  path: string,
): Promise<unknown> {
  const answer = await configure(given, configuration)
  expect(answer.text).not.toContain('"code":14')
  const { json } = await admin(given, path)
  return at(json, 'data') === undefined ? json : at(json, 'data', 0)
}

type Row = readonly [what: string, given: unknown, error: string]

/** Each row: a collection's entity, and the error that it must be refused with. */
function refuses(collection: string, rows: readonly Row[]): void {
  test.each(rows)('%s', async (_what, entity, error) => {
    expect(await refusals(given, { [collection]: [entity] })).toContain(`${collection}.1.${error}`)
  })
}

describe('kong.md §1.6 common fields', () => {
  refuses('services', [
    ['an id that is no UUID', { host: 'h', id: 'x' }, 'id: expected a valid UUID'],
    ['an empty text', { host: '' }, 'host: length must be at least 1'],
    [
      'a tag with a comma',
      { host: 'h', tags: ['a,b'] },
      "tags.1: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
    ],
    [
      'a tag with a slash',
      { host: 'h', tags: ['ok', 'a/b'] },
      "tags.2: invalid tag 'a/b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
    ],
    [
      'a name with a space',
      { host: 'h', name: 'a b' },
      "name: invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
    ],
    ['a time that is no number', { host: 'h', created_at: 'now' }, 'created_at: expected a number'],
  ])

  test('names may hold . - _ ~ and text beyond ASCII, tags spaces and text beyond ASCII', async () => {
    const service = { name: 'a.b-c_d~é漢', host: 'h', tags: ['two words', 'é', 'two words'] }
    expect(await loaded({ services: [service] }, '/services')).toMatchObject({
      name: 'a.b-c_d~é漢',
      tags: ['two words', 'é'],
    })
  })
})

describe('kong.md §1.6 services', () => {
  test('defaults', async () => {
    expect(await loaded({ services: [{ host: 'h.test' }] }, '/services')).toMatchObject({
      name: null,
      retries: 5,
      protocol: 'http',
      host: 'h.test',
      port: 80,
      path: null,
      connect_timeout: 60_000,
      write_timeout: 60_000,
      read_timeout: 60_000,
      client_certificate: null,
      tls_verify: null,
      tls_verify_depth: null,
      ca_certificates: null,
      enabled: true,
    })
  })

  test.each([
    ['https://h.test', { protocol: 'https', host: 'h.test', port: 443, path: null }],
    ['http://h.test', { protocol: 'http', port: 80, path: null }],
    ['http://h.test:8080/a/b?q=1#f', { protocol: 'http', port: 8080, path: '/a/b' }],
    ['https://h.test:80/', { protocol: 'https', port: 80, path: '/' }],
    ['//h.test:443', undefined],
  ])('the url %s', async (url, expected) => {
    if (expected === undefined) {
      expect((await configure(given, { services: [{ url }] })).status).toBe(400)
    } else {
      expect(await loaded({ services: [{ url }] }, '/services')).toMatchObject(expected)
    }
  })

  test('the url overrides what stands beside it', async () => {
    const service = {
      url: 'https://h.test/p',
      protocol: 'http',
      host: 'other.test',
      port: 1,
      path: '/other',
    }
    expect(await loaded({ services: [service] }, '/services')).toMatchObject({
      protocol: 'https',
      host: 'h.test',
      port: 443,
      path: '/p',
    })
  })

  test('https without a url keeps port 80', async () => {
    const service = { host: 'h.test', protocol: 'https' }
    expect(await loaded({ services: [service] }, '/services')).toMatchObject({ port: 80 })
  })

  const HOST = { host: 'h.test' }
  refuses('services', [
    ['no host', {}, 'host: required field missing'],
    ['a host with a port', { host: 'h.test:80' }, 'host: must not have a port'],
    ['a host with other characters', { host: 'h test' }, 'host: invalid value: h test'],
    ['a label that ends in a dash', { host: 'a-.test' }, 'host: invalid value: a-.test'],
    ['retries', { ...HOST, retries: 32_768 }, 'retries: value should be between 0 and 32767'],
    [
      'protocol',
      { ...HOST, protocol: 'ftp' },
      'protocol: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp',
    ],
    ['port', { ...HOST, port: 65_536 }, 'port: value should be between 0 and 65535'],
    ['a path without slash', { ...HOST, path: 'a' }, 'path: should start with: /'],
    ['a path with //', { ...HOST, path: '/a//b' }, 'path: must not have empty segments'],
    [
      'a path with a broken escape',
      { ...HOST, path: '/a%zz' },
      "path: invalid url-encoded value: '%zz'",
    ],
    [
      'connect_timeout',
      { ...HOST, connect_timeout: 0 },
      'connect_timeout: value should be between 1 and 2147483646',
    ],
    [
      'write_timeout',
      { ...HOST, write_timeout: 2_147_483_647 },
      'write_timeout: value should be between 1 and 2147483646',
    ],
    ['read_timeout', { ...HOST, read_timeout: 1.5 }, 'read_timeout: expected an integer'],
    [
      'tls_verify_depth',
      { ...HOST, protocol: 'https', tls_verify_depth: 65 },
      'tls_verify_depth: value should be between 0 and 64',
    ],
    [
      'ca_certificates',
      { ...HOST, protocol: 'https', ca_certificates: ['x'] },
      'ca_certificates.1: expected a valid UUID',
    ],
    ['a path for tcp', { ...HOST, protocol: 'tcp', path: '/a' }, 'path: value must be null'],
    ['a path for grpc', { ...HOST, protocol: 'grpc', path: '/a' }, 'path: value must be null'],
    ['tls_verify for http', { ...HOST, tls_verify: true }, 'tls_verify: value must be null'],
    [
      'the rule beside it',
      { ...HOST, tls_verify: true },
      "@entity.1: failed conditional validation given value of field 'protocol'".replace('.1', ''),
    ],
  ])

  test('a disabled service takes its routes out of the router', async () => {
    const service = (enabled: boolean, path: string) => ({
      url: upstream.url,
      enabled,
      routes: [{ paths: [path] }],
    })
    await configure(given, { services: [service(false, '/off'), service(true, '/on')] })
    expect((await ask(given.port, { path: '/off' })).status).toBe(404)
    expect((await ask(given.port, { path: '/on' })).status).toBe(200)
  })

  test('a less specific route of another service answers for a disabled one', async () => {
    await configure(given, {
      services: [
        { name: 'off', url: `${upstream.url}/off`, enabled: false, routes: [{ paths: ['/a/b'] }] },
        { name: 'on', url: `${upstream.url}/on`, routes: [{ paths: ['/a'] }] },
      ],
    })
    expect((await ask(given.port, { path: '/a/b' })).status).toBe(200)
    expect(upstream.last.target).toBe('/on/b')
  })
})

describe('kong.md §1.6 routes', () => {
  test('defaults', async () => {
    expect(await loaded({ routes: [{ paths: ['/a'] }] }, '/routes')).toMatchObject({
      name: null,
      service: null,
      protocols: ['http', 'https'],
      hosts: null,
      paths: ['/a'],
      methods: null,
      headers: null,
      snis: null,
      sources: null,
      destinations: null,
      regex_priority: 0,
      strip_path: true,
      path_handling: 'v0',
      preserve_host: false,
      request_buffering: true,
      response_buffering: true,
      https_redirect_status_code: 426,
    })
  })

  test('strip_path is false for gRPC', async () => {
    const route = { protocols: ['grpc'], paths: ['/a'] }
    expect(await loaded({ routes: [route] }, '/routes')).toMatchObject({ strip_path: false })
  })

  const PATH = { paths: ['/a'] }
  const HTTPS_NEEDS =
    "@entity: must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"
  refuses('routes', [
    ['nothing to match by', {}, HTTPS_NEEDS],
    ['nothing but empty lists', { paths: [], hosts: [] }, HTTPS_NEEDS],
    [
      'nothing to match by, http only',
      { protocols: ['http'] },
      "@entity: must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'",
    ],
    [
      'nothing to match by, grpc',
      { protocols: ['grpc'] },
      "@entity: must set one of 'hosts', 'headers', 'paths' when 'protocols' is 'grpc'",
    ],
    ['no protocol', { ...PATH, protocols: [] }, 'protocols: length must be at least 1'],
    [
      'protocols of two groups',
      { ...PATH, protocols: ['http', 'tcp'] },
      "protocols: these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp'), ('tls_passthrough'), ('grpc', 'grpcs')",
    ],
    [
      'a path without slash',
      { paths: ['a'] },
      'paths.1: should start with: / (fixed path) or ~/ (regex path)',
    ],
    [
      'a pattern without slash',
      { paths: ['/a', '~a'] },
      'paths.2: should start with: / (fixed path) or ~/ (regex path)',
    ],
    ['a path with //', { paths: ['/a//b'] }, 'paths.1: must not have empty segments'],
    [
      'a path that is not normalised',
      { paths: ['/a/../b'] },
      "paths.1: non-normalized path, consider use '/b' instead",
    ],
    [
      'an escape that needs none',
      { paths: ['/%61'] },
      "paths.1: non-normalized path, consider use '/a' instead",
    ],
    [
      'a wildcard inside',
      { hosts: ['a.*.b'] },
      'hosts.1: invalid wildcard: must be placed at leftmost or rightmost label',
    ],
    [
      'half a label as wildcard',
      { hosts: ['*a.test'] },
      'hosts.1: invalid wildcard: must be placed at leftmost or rightmost label',
    ],
    [
      'two wildcards',
      { hosts: ['*.a.*'] },
      'hosts.1: invalid wildcard: only one wildcard must be specified',
    ],
    ['a method in lower case', { methods: ['get'] }, 'methods.1: invalid value: get'],
    [
      'the header host',
      { headers: { Host: ['a'] } },
      "headers.Host: cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    ],
    ['a header with a text', { headers: { a: 'b' } }, 'headers.a: expected an array'],
    [
      'snis for http',
      { ...PATH, protocols: ['http'], snis: ['a.test'] },
      "snis: 'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
    ],
    [
      'sources for http',
      { ...PATH, protocols: ['http'], sources: [{ port: 1 }] },
      "sources: cannot set 'sources' when 'protocols' is 'http'",
    ],
    [
      'strip_path for gRPC',
      { ...PATH, protocols: ['grpc'], strip_path: true },
      "strip_path: cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
    ],
    ['regex_priority', { ...PATH, regex_priority: 'x' }, 'regex_priority: expected an integer'],
    ['path_handling', { ...PATH, path_handling: 'v2' }, 'path_handling: expected one of: v0, v1'],
    [
      'https_redirect_status_code',
      { ...PATH, https_redirect_status_code: 303 },
      'https_redirect_status_code: expected one of: 426, 301, 302, 307, 308',
    ],
    ['expressions', { ...PATH, expression: 'x' }, 'expression: unknown field'],
    ['priority', { ...PATH, priority: 1 }, 'priority: unknown field'],
  ])

  test('a pattern that does not compile', async () => {
    const [error] = await refusals(given, { routes: [{ paths: ['~/a('] }] })
    expect(error).toMatch(/^routes\.1\.paths\.1: invalid regex: '\/a\('/)
  })

  test('a route without service: its plugins run, then 503, unless one answered', async () => {
    await configure(given, {
      routes: [
        { name: 'none', paths: ['/none'] },
        { name: 'answered', paths: ['/answered'] },
      ],
      plugins: [
        { name: 'correlation-id', config: { echo_downstream: true } },
        { name: 'request-termination', route: 'answered', config: { status_code: 418 } },
      ],
    })
    const none = await ask(given.port, { path: '/none' })
    expect(none.status).toBe(503)
    expect(none.text).toContain('"message":"no Service found with those values"')
    expect(none.headers.has('kong-request-id')).toBe(true)
    expect((await ask(given.port, { path: '/answered' })).status).toBe(418)
  })
})

describe('kong.md §1.6 upstreams and targets', () => {
  test('defaults of upstreams, health checks included', async () => {
    expect(await loaded({ upstreams: [{ name: 'u.test' }] }, '/upstreams')).toMatchObject({
      name: 'u.test',
      algorithm: 'round-robin',
      hash_on: 'none',
      hash_fallback: 'none',
      hash_on_cookie_path: '/',
      slots: 10_000,
      host_header: null,
      client_certificate: null,
      use_srv_name: false,
      healthchecks: {
        threshold: 0,
        active: {
          type: 'http',
          timeout: 1,
          concurrency: 10,
          http_path: '/',
          https_verify_certificate: true,
          headers: null,
          https_sni: null,
          healthy: { interval: 0, http_statuses: [200, 302], successes: 0 },
          unhealthy: {
            interval: 0,
            http_statuses: [429, 404, 500, 501, 502, 503, 504, 505],
            tcp_failures: 0,
            timeouts: 0,
            http_failures: 0,
          },
        },
        passive: {
          type: 'http',
          healthy: {
            http_statuses: [
              200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306,
              307, 308,
            ],
            successes: 0,
          },
          unhealthy: {
            http_statuses: [429, 500, 503],
            tcp_failures: 0,
            timeouts: 0,
            http_failures: 0,
          },
        },
      },
    })
  })

  test.each([
    [{ hash_on: 'ip' }, 'consistent-hashing'],
    [{ hash_on: 'ip', algorithm: 'round-robin' }, 'consistent-hashing'],
    [{ hash_on: 'none', algorithm: 'consistent-hashing' }, 'round-robin'],
    [{ algorithm: 'least-connections', hash_on: 'ip' }, 'least-connections'],
    [{ algorithm: 'latency' }, 'latency'],
  ])('%j means the algorithm %s', async (fields, algorithm) => {
    const upstreams = [{ name: 'u', ...fields }]
    expect(await loaded({ upstreams }, '/upstreams')).toMatchObject({ algorithm })
  })

  const U = { name: 'u' }
  refuses('upstreams', [
    ['no name', {}, 'name: required field missing'],
    ['an address', { name: '10.0.0.1' }, 'name: invalid name: no IP addresses allowed'],
    ['a name with a port', { name: 'u:80' }, 'name: must not have a port'],
    [
      'algorithm',
      { ...U, algorithm: 'x' },
      'algorithm: expected one of: consistent-hashing, least-connections, round-robin, latency',
    ],
    ['slots', { ...U, slots: 9 }, 'slots: value should be between 10 and 65536'],
    [
      'hash_on_cookie_path',
      { ...U, hash_on_cookie_path: 'x' },
      'hash_on_cookie_path: should start with: /',
    ],
    [
      'a fallback without a primary',
      { ...U, hash_on: 'none', hash_fallback: 'ip' },
      "@entity: failed conditional validation given value of field 'hash_on': 'hash_fallback' must be 'none'",
    ],
    [
      'a header without a name',
      { ...U, hash_on: 'header' },
      "@entity: failed conditional validation given value of field 'hash_on': 'hash_on_header' is required",
    ],
    [
      'the same twice',
      { ...U, hash_on: 'ip', hash_fallback: 'ip' },
      "@entity: values of these fields must be distinct: 'hash_on', 'hash_fallback'",
    ],
    [
      'a counter',
      { ...U, healthchecks: { passive: { unhealthy: { http_failures: 256 } } } },
      'healthchecks.passive.unhealthy.http_failures: value should be between 0 and 255',
    ],
    ['a target without text', { ...U, targets: [{}] }, 'targets.1.target: required field missing'],
    [
      'a weight',
      { ...U, targets: [{ target: 'h:1', weight: 65_536 }] },
      'targets.1.weight: value should be between 0 and 65535',
    ],
  ])

  test('a target needs an upstream', async () => {
    expect(await refusals(given, { targets: [{ target: 'h:1' }] })).toEqual([
      'targets.1.upstream: required field missing',
    ])
  })

  test('a target without a port gets 8000, its weight is 100', async () => {
    const upstreams = [{ name: 'u', targets: [{ target: 'h' }] }]
    expect(await loaded({ upstreams }, '/upstreams/u/targets')).toMatchObject({
      target: 'h:8000',
      weight: 100,
    })
  })

  test('a service whose host is the name of an upstream uses its targets; its own port means nothing', async () => {
    await configure(given, {
      upstreams: [
        {
          name: 'pool',
          targets: [{ target: `127.0.0.1:${upstream.port}` }, { target: '127.0.0.1:1', weight: 0 }],
        },
      ],
      services: [{ host: 'pool', port: 9, path: '/p', routes: [{ paths: ['/a'] }] }],
    })
    for (let i = 0; i < 3; i++) {
      expect((await ask(given.port, { path: '/a/b' })).status).toBe(200)
    }
    expect(upstream.last.target).toBe('/p/b')
    expect(upstream.last.headers.get('host')).toBe(`127.0.0.1:${upstream.port}`)
  })
})

describe('kong.md §1.6 consumers and credentials', () => {
  refuses('consumers', [
    [
      'neither username nor custom_id',
      { tags: ['a'] },
      "@entity: at least one of these fields must be non-empty: 'custom_id', 'username'",
    ],
    [
      'a basic credential without password',
      { username: 'a', basicauth_credentials: [{ username: 'b' }] },
      'basicauth_credentials.1.password: required field missing',
    ],
    ['a group without name', { username: 'a', acls: [{}] }, 'acls.1.group: required field missing'],
    [
      'an unknown algorithm',
      { username: 'a', jwt_secrets: [{ algorithm: 'none' }] },
      'jwt_secrets.1.algorithm: expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, EdDSA',
    ],
    [
      'RS256 without its public key',
      { username: 'a', jwt_secrets: [{ algorithm: 'RS256' }] },
      "jwt_secrets.1.@entity: failed conditional validation given value of field 'algorithm': 'rsa_public_key' is required",
    ],
    [
      'a key that is a number',
      { username: 'a', keyauth_credentials: [{ key: 1 }] },
      'keyauth_credentials.1.key: expected a string',
    ],
  ])

  test('a credential needs its consumer', async () => {
    expect(await refusals(given, { keyauth_credentials: [{ key: 'k' }] })).toEqual([
      'keyauth_credentials.1.consumer: required field missing',
    ])
  })

  test('every kind of credential of bundled plugins loads', async () => {
    const answer = await configure(given, {
      consumers: [
        {
          custom_id: 'only-that',
          keyauth_credentials: [{ key: 'k', ttl: 4_000_000_000, tags: ['t'] }, {}],
          basicauth_credentials: [{ username: 'b', password: 'p', tags: ['t'] }],
          jwt_secrets: [{ key: 'j', secret: 's', algorithm: 'HS384' }, {}],
          acls: [{ group: 'g', tags: ['t'] }],
          hmacauth_credentials: [{ username: 'h', secret: 's' }],
          oauth2_credentials: [
            { name: 'o', client_id: 'i', client_secret: 's', redirect_uris: ['http://r.test'] },
          ],
        },
      ],
    })
    expect(answer.status).toBe(201)
  })
})

describe('kong.md §1.6 plugins', () => {
  test('defaults, and the configuration filled from its schema', async () => {
    const plugins = [{ name: 'key-auth' }]
    expect(await loaded({ plugins }, '/plugins')).toMatchObject({
      name: 'key-auth',
      instance_name: null,
      route: null,
      service: null,
      consumer: null,
      enabled: true,
      protocols: ['grpc', 'grpcs', 'http', 'https'],
      tags: null,
      config: { key_names: ['apikey'], hide_credentials: false, run_on_preflight: true },
    })
  })

  refuses('plugins', [
    ['no name', {}, 'name: required field missing'],
    [
      'a plugin that there is not',
      { name: 'key-auht' },
      "name: plugin 'key-auht' not enabled; add it to the 'plugins' configuration property",
    ],
    [
      'a protocol',
      { name: 'key-auth', protocols: ['ftp'] },
      'protocols.1: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, ws, wss',
    ],
    ['consumer_group', { name: 'key-auth', consumer_group: 'g' }, 'consumer_group: unknown field'],
    ['ordering', { name: 'key-auth', ordering: {} }, 'ordering: unknown field'],
    ['partials', { name: 'key-auth', partials: [] }, 'partials: unknown field'],
    ['condition', { name: 'key-auth', condition: 'x' }, 'condition: unknown field'],
  ])

  test.each(['acl', 'cors', 'key-auth'])('%s refuses a consumer', async (name) => {
    const config = name === 'acl' ? { allow: ['g'] } : {}
    expect(
      await refusals(given, {
        consumers: [{ username: 'a', plugins: [{ name, config }] }],
      }),
    ).toEqual(['consumers.1.plugins.1.consumer: value must be null'])
  })

  test('KONG_PLUGINS restricts which there are', async () => {
    await using restricted = await givenKong({}, { KONG_PLUGINS: 'key-auth' })
    expect(await refusals(restricted, { plugins: [{ name: 'cors' }] })).toEqual([
      "plugins.1.name: plugin 'cors' not enabled; add it to the 'plugins' configuration property",
    ])
    expect((await configure(restricted, { plugins: [{ name: 'key-auth' }] })).status).toBe(201)
  })
})

describe('kong.md §1.6 certificates, server names, vaults', () => {
  refuses('certificates', [
    ['no certificate', { key: 'k' }, 'cert: required field missing'],
    ['no key', { cert: 'c' }, 'key: required field missing'],
    [
      'half an alternative pair',
      { cert: 'c', key: 'k', cert_alt: 'c' },
      "@entity: all or none of these fields must be set: 'cert_alt', 'key_alt'",
    ],
    [
      'a server name',
      { cert: 'c', key: 'k', snis: [{ name: 'a b' }] },
      'snis.1.name: invalid value: a b',
    ],
  ])
  refuses('ca_certificates', [['no certificate', {}, 'cert: required field missing']])
  refuses('vaults', [
    ['no prefix', { name: 'env' }, 'prefix: required field missing'],
    ['a prefix in capitals', { name: 'env', prefix: 'My' }, 'prefix: invalid value: My'],
    [
      'a prefix with a dash at its end',
      { name: 'env', prefix: 'my-' },
      'prefix: invalid value: my-',
    ],
    [
      'the name of a vault type',
      { name: 'env', prefix: 'env' },
      'prefix: the name of a vault type cannot be a prefix',
    ],
    ['another vault than env', { name: 'aws', prefix: 'my' }, 'name: expected one of: env'],
  ])
})
