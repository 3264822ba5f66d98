import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { admin, at, configure, givenKong, refusals, type AdminAnswer } from './support.ts'

let given: GivenGateway

const EXAMPLE = {
  services: [
    {
      name: 'svc',
      host: 'h.test',
      tags: ['a', 'b'],
      routes: [{ name: 'r', paths: ['/r'], tags: ['a'], plugins: [{ name: 'correlation-id' }] }],
      plugins: [{ name: 'key-auth' }],
    },
    { name: 'other', host: 'o.test', tags: ['b'] },
  ],
  consumers: [
    {
      username: 'ann',
      custom_id: 'c-1',
      keyauth_credentials: [{ key: 'k' }],
      basicauth_credentials: [{ username: 'b', password: 'p' }],
      jwt_secrets: [{ key: 'j', secret: 's' }],
      hmacauth_credentials: [{ username: 'h', secret: 's' }],
      acls: [{ group: 'g' }],
      plugins: [{ name: 'rate-limiting', config: { hour: 5, policy: 'local' } }],
    },
  ],
  upstreams: [
    {
      name: 'pool',
      healthchecks: { passive: { unhealthy: { http_failures: 3 } } },
      targets: [{ target: '10.0.0.1:80' }, { target: '10.0.0.2:80' }],
    },
  ],
}

beforeAll(async () => {
  given = await givenKong(EXAMPLE)
})
afterAll(() => given[Symbol.asyncDispose]())

const list = async (path: string): Promise<unknown[]> =>
  at((await admin(given, path)).json, 'data') as unknown[]

describe('kong.md §4.1 rules', () => {
  test('type, Server and latency of every answer', async () => {
    for (const path of ['/', '/services', '/nowhere']) {
      const { headers } = await admin(given, path)
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(headers.get('server')).toBe('kong/3.9.1')
      expect(headers.get('x-kong-admin-latency')).toMatch(/^\d+$/)
    }
  })

  test.each([
    ['POST', '/routes', 'create', 'routes'],
    ['PUT', '/services/svc', 'create or update', 'services'],
    ['PATCH', '/consumers/ann', 'update', 'consumers'],
    ['DELETE', '/upstreams/pool', 'remove', 'upstreams'],
    ['POST', '/services/svc/plugins', 'create', 'plugins'],
    ['POST', '/consumers/ann/key-auth', 'create', 'keyauth_credentials'],
  ])('%s %s: 405 with code 12', async (method, path, verb, entity) => {
    const { status, json } = await admin(given, path, { method, body: '{}' })
    expect(status).toBe(405)
    expect(json).toEqual({
      code: 12,
      name: 'operation unsupported',
      message: `cannot ${verb} '${entity}' entities when not using a database`,
    })
  })

  test('a method without handler, a path without endpoint, a body without JSON', async () => {
    const method = await admin(given, '/status', { method: 'DELETE' })
    expect([method.status, method.json]).toEqual([405, { message: 'Method not allowed' }])
    const path = await admin(given, '/nowhere')
    expect([path.status, path.json]).toEqual([404, { message: 'Not found' }])
    const body = await admin(given, '/config', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{',
    })
    expect([body.status, body.json]).toEqual([400, { message: 'Cannot parse JSON body' }])
  })
})

describe('kong.md §4.2 collections', () => {
  test.each([
    ['/services', 2],
    ['/routes', 1],
    ['/consumers', 1],
    ['/plugins', 3],
    ['/upstreams', 1],
    ['/certificates', 0],
    ['/snis', 0],
    ['/ca_certificates', 0],
    ['/vaults', 0],
    ['/keys', 0],
    ['/key-sets', 0],
    ['/key-auths', 1],
    ['/basic-auths', 1],
    ['/jwts', 1],
    ['/hmac-auths', 1],
    ['/acls', 1],
    ['/oauth2', 0],
    ['/tags', 4],
    ['/tags/a', 2],
    ['/services/svc/routes', 1],
    ['/services/svc/plugins', 1],
    ['/routes/r/plugins', 1],
    ['/consumers/ann/plugins', 1],
    ['/consumers/ann/key-auth', 1],
    ['/consumers/ann/basic-auth', 1],
    ['/consumers/ann/jwt', 1],
    ['/consumers/ann/acls', 1],
    ['/upstreams/pool/targets', 2],
    ['/upstreams/pool/targets/all', 2],
    ['/upstreams/pool/health', 2],
  ])('GET %s: %i entities, and no next page', async (path, count) => {
    const { status, json } = await admin(given, path)
    expect(status).toBe(200)
    expect(at(json, 'data')).toHaveLength(count)
    expect(at(json, 'next')).toBe(null)
  })

  test('pages: size, offset and next, which keeps size and tags', async () => {
    const first = (await admin(given, '/services?size=1&tags=b')).json
    expect(at(first, 'data')).toMatchObject([{ name: 'svc' }])
    const next = String(at(first, 'next'))
    expect(next).toContain(`offset=${encodeURIComponent(String(at(first, 'offset')))}`)
    const second = (await admin(given, next)).json
    expect(at(second, 'data')).toMatchObject([{ name: 'other' }])
    expect(at(second, 'next')).toBe(null)
  })

  test('tags: a,b means both, a/b either; custom_id finds a consumer', async () => {
    expect(await list('/services?tags=a,b')).toHaveLength(1)
    expect(await list('/services?tags=a/b')).toHaveLength(2)
    expect(await list('/consumers?custom_id=c-1')).toHaveLength(1)
    expect(await list('/consumers?custom_id=c-2')).toHaveLength(0)
  })

  test('an offset that is none: 400 with code 7', async () => {
    const { status, json } = await admin(given, '/services?offset=x')
    expect(status).toBe(400)
    expect(json).toEqual({
      code: 7,
      name: 'invalid offset',
      message: "'x' is not a valid offset: bad base64 encoding",
    })
  })

  test('one entity by id or name, explicit nulls, references as {id}; 404 otherwise', async () => {
    const service = (await admin(given, '/services/svc')).json
    expect(service).toMatchObject({ name: 'svc', path: null, client_certificate: null })
    const byId = (await admin(given, `/services/${String(at(service, 'id'))}`)).json
    expect(byId).toEqual(service)
    expect(at((await admin(given, '/routes/r')).json, 'service')).toEqual({ id: at(service, 'id') })
    const missing = await admin(given, '/services/nope')
    expect([missing.status, missing.json]).toEqual([404, { message: 'Not found' }])
  })

  test('plugins show deprecated names beside the new ones; upstreams their health checks', async () => {
    const [limit] = await list('/consumers/ann/plugins')
    expect(at(limit, 'config')).toMatchObject({ redis_port: 6379, redis: { port: 6379 } })
    expect((await admin(given, '/upstreams/pool')).json).toMatchObject({
      healthchecks: { passive: { unhealthy: { http_failures: 3, timeouts: 0 } } },
    })
  })
})

describe('kong.md §4.3 information', () => {
  test('GET /', async () => {
    const { json, text } = await admin(given, '/')
    expect(json).toMatchObject({
      version: '3.9.1',
      edition: 'community',
      timers: { running: 0, pending: 0 },
      configuration: { database: 'off', declarative_config_string: '******' },
      pids: { master: process.pid },
    })
    for (const name of ['tagline', 'hostname', 'node_id', 'lua_version'])
      expect(typeof at(json, name)).toBe('string')
    expect(at(json, 'plugins', 'available_on_server', 'key-auth')).toMatchObject({ priority: 1250 })
    expect(at(json, 'plugins', 'enabled_in_cluster')).toEqual(
      expect.arrayContaining(['key-auth', 'correlation-id', 'rate-limiting']),
    )
    expect(text).not.toContain('h.test')
  })

  test('GET /status with unit and scale; the hash is the MD5 of the configuration', async () => {
    const { json } = await admin(given, '/status?unit=k&scale=1')
    expect(String(at(json, 'memory', 'workers_lua_vms', 0, 'http_allocated_gc'))).toMatch(
      /^\d+\.\d KiB$/,
    )
    expect(String(at(json, 'configuration_hash'))).toMatch(/^[0-9a-f]{32}$/)
    expect(json).not.toHaveProperty('database')
    for (const name of ['active', 'reading', 'writing', 'waiting', 'accepted', 'handled'])
      expect(typeof at(json, 'server', `connections_${name}`)).toBe('number')
    expect(typeof at(json, 'server', 'total_requests')).toBe('number')
  })

  test('GET /endpoints', async () => {
    expect(await list('/endpoints')).toEqual(
      expect.arrayContaining(['/config', '/services', '/schemas/{entity}']),
    )
  })

  test('schemas: fields with their defaults; what is not there by name', async () => {
    const { json } = await admin(given, '/schemas/services')
    expect(at(json, 'fields')).toContainEqual(
      expect.objectContaining({ retries: expect.objectContaining({ default: 5 }) }),
    )
    const plugin = await admin(given, '/schemas/plugins/rate-limiting')
    expect(plugin.text).toContain('"config":{"type":"record"')
    expect((await admin(given, '/schemas/plugins/x')).json).toEqual({
      message: "No plugin named 'x'",
    })
    expect((await admin(given, '/schemas/x')).json).toEqual({ message: "No entity named 'x'" })
  })

  const judge = (path: string, value: unknown): Promise<AdminAnswer> =>
    admin(given, path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(value),
    })

  test('POST /schemas/…/validate', async () => {
    for (const [path, value] of [
      ['/schemas/plugins/validate', { name: 'key-auth' }],
      ['/schemas/services/validate', { host: 'h.test' }],
      ['/schemas/consumers/validate', { username: 'a' }],
    ] as const) {
      const good = await judge(path, value)
      expect([good.status, good.json]).toEqual([200, { message: 'schema validation successful' }])
    }
    const bad = await judge('/schemas/plugins/validate', {
      name: 'key-auth',
      config: { key_names: 1 },
    })
    expect(bad.status).toBe(400)
    expect(bad.json).toMatchObject({ code: 2, name: 'schema violation' })
  })
})

describe('kong.md §4.4 /config', () => {
  let own: GivenGateway
  beforeAll(async () => {
    own = await givenKong(EXAMPLE)
  })
  afterAll(() => own[Symbol.asyncDispose]())

  const post = (type: string, body: string, query = ''): Promise<AdminAnswer> =>
    admin(own, `/config${query}`, { method: 'POST', headers: { 'Content-Type': type }, body })
  const YAML = '_format_version: "3.0"\nconsumers: [{username: posted}]\n'
  const AS_JSON = '{"_format_version":"3.0","consumers":[{"username":"posted"}]}'

  test.each([
    ['application/yaml', YAML],
    ['text/yaml', YAML],
    ['application/json', AS_JSON],
    ['application/json', JSON.stringify({ config: YAML })],
    ['application/json', JSON.stringify({ config: AS_JSON })],
  ])('%s: 201 with the entities by id', async (type, body) => {
    const { status, json } = await post(type, body)
    expect(status).toBe(201)
    expect(Object.values(at(json, 'consumers') as object)).toMatchObject([{ username: 'posted' }])
    expect(json).not.toHaveProperty('services')
  })

  test('another type is 415, nothing is 400', async () => {
    expect((await post('text/plain', YAML)).status).toBe(415)
    const empty = await post('application/json', '{}')
    expect([empty.status, empty.json]).toEqual([
      400,
      { message: 'expected a declarative configuration' },
    ])
  })

  test('check_hash=1: 304 and empty for the same text', async () => {
    await post('application/yaml', YAML)
    const same = await post('application/yaml', YAML, '?check_hash=1')
    expect([same.status, same.text]).toEqual([304, ''])
    expect((await post('application/yaml', `${YAML}# more\n`, '?check_hash=1')).status).toBe(201)
  })

  test('GET /config: the entities in use as text, which can be posted again', async () => {
    const [{ basicauth_credentials: _passwords, ...ann }] = EXAMPLE.consumers as [
      (typeof EXAMPLE.consumers)[number],
    ]
    await configure(own, { ...EXAMPLE, consumers: [ann] })
    const before = (await admin(own, '/config')).json
    const again = await post('application/json', JSON.stringify(before))
    expect(again.status).toBe(201)
    expect(at((await admin(own, '/routes')).json, 'data')).toMatchObject([{ name: 'r' }])
    expect(at((await admin(own, '/key-auths')).json, 'data')).toHaveLength(1)
  })

  test('S12 passwords are not in it: it is refused then, never loaded with something guessable', async () => {
    await configure(own, EXAMPLE)
    const { json, text } = await admin(own, '/config')
    expect(text).not.toContain('password: \\"p\\"')
    expect(await refusals(own, String(at(json, 'config')))).toEqual([
      'basicauth_credentials.1.password: required field missing',
    ])
  })
})

describe('kong.md §4.5 the status listener', () => {
  /** The admin listener's address comes first, the status listener's after it. */
  const statusUrl = (of: GivenGateway): string =>
    `http://127.0.0.1:${of.gateway.adminAddresses[1]?.port ?? 0}`

  test('metrics, status, readiness and upstreams, read only; nothing else', async () => {
    await using own = await givenKong(EXAMPLE, { KONG_STATUS_LISTEN: '127.0.0.1:0' })
    const statuses = async (method: string, ...paths: string[]): Promise<number[]> => {
      const answers = paths.map((path) => fetch(statusUrl(own) + path, { method }))
      return (await Promise.all(answers)).map(({ status }) => status)
    }
    expect(
      await statuses('GET', '/metrics', '/status', '/status/ready', '/upstreams/pool/health'),
    ).toEqual([200, 200, 200, 200])
    expect(
      await statuses('GET', '/', '/services', '/config', '/key-auths', '/schemas/services'),
    ).toEqual([404, 404, 404, 404, 404])
    expect(await statuses('POST', '/config')).toEqual([404])
    expect(await statuses('DELETE', '/upstreams/pool', '/proxy-cache')).toEqual([405, 404])
  })

  test('/status/ready', async () => {
    expect((await admin(given, '/status/ready')).json).toEqual({ message: 'ready' })
    await using empty = await givenKong({})
    const { status, json } = await admin(empty, '/status/ready')
    expect([status, json]).toEqual([
      503,
      { message: 'no configuration available (empty configuration present)' },
    ])
  })
})

describe('kong.md §4.6 what decK asks', () => {
  test('ping: a version that it can parse', async () => {
    expect(String(at((await admin(given, '/')).json, 'version'))).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('dump: every list that it cannot do without, in pages of 1000', async () => {
    const id = String(at((await admin(given, '/upstreams/pool')).json, 'id'))
    for (const path of [
      '/services',
      '/routes',
      '/plugins',
      '/consumers',
      '/upstreams',
      `/upstreams/${id}/targets`,
      '/certificates',
      '/snis',
    ]) {
      const { status, json } = await admin(given, `${path}?size=1000`)
      expect([path, status]).toEqual([path, 200])
      expect(Array.isArray(at(json, 'data'))).toBe(true)
      expect(at(json, 'offset')).toBeUndefined()
    }
  })

  test('dump: what it tolerates to be missing is there, or 404', async () => {
    for (const path of [
      '/consumer_groups',
      '/partials',
      '/licenses',
      '/filter-chains',
      '/mtls-auths',
    ])
      expect((await admin(given, `${path}?size=1000`)).status).toBe(404)
  })

  test('diff: schemas of entities, and of every plugin', async () => {
    const plugins = Object.keys(
      at((await admin(given, '/')).json, 'plugins', 'available_on_server') as object,
    )
    expect(plugins.length).toBeGreaterThan(5)
    for (const path of [
      'services',
      'routes',
      'upstreams',
      'targets',
      ...plugins.map((name) => `plugins/${name}`),
    ]) {
      const { status, json } = await admin(given, `/schemas/${path}`)
      expect([path, status]).toEqual([path, 200])
      expect(Array.isArray(at(json, 'fields'))).toBe(true)
    }
    expect((await admin(given, '/schemas/consumer_group_plugins')).status).toBe(404)
  })
})
