import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { EXAMPLE, givenAdmin, type GivenAdmin } from './testing/given-admin.ts'

let admin: GivenAdmin
beforeEach(async () => {
  admin = givenAdmin()
  await admin.load(EXAMPLE)
})

async function get(target: string) {
  const { status, text } = await admin.call('GET', target)
  return { status, body: JSON.parse(text) }
}

describe('kong.md §4.2 collections', () => {
  test("entities have Kong's names, explicit nulls and foreign keys as objects", async () => {
    const services = (await get('/services')).body.data
    const { body } = await get('/routes/two')
    expect(body).toEqual({
      id: expect.any(String),
      name: 'two',
      service: { id: services[1].id },
      protocols: ['http', 'https'],
      hosts: null,
      paths: ['/two'],
      methods: ['GET'],
      headers: { 'x-team': ['a', 'b'] },
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
      tags: null,
      created_at: 1_700_000_000,
      updated_at: 1_700_000_000,
    })
    expect(services[0]).toMatchObject({
      name: 'llm',
      protocol: 'https',
      host: 'api.example.com',
      port: 443,
      path: '/v1/chat/completions',
      retries: 5,
      connect_timeout: 60_000,
      client_certificate: null,
      ca_certificates: null,
      tags: ['ai', 'team-a'],
    })
  })

  test.each([
    '/services',
    '/routes',
    '/consumers',
    '/plugins',
    '/upstreams',
    '/certificates',
    '/snis',
    '/ca_certificates',
    '/vaults',
    '/keys',
    '/key-sets',
    '/key-auths',
    '/basic-auths',
    '/jwts',
    '/hmac-auths',
    '/acls',
    '/oauth2',
    '/tags',
    '/tags/ai',
    '/services/llm/routes',
    '/services/llm/plugins',
    '/routes/chat/plugins',
    '/consumers/alice/plugins',
    '/consumers/alice/key-auth',
    '/consumers/alice/basic-auth',
    '/consumers/alice/jwt',
    '/consumers/alice/acls',
    '/upstreams/backend/targets',
    '/upstreams/backend/targets/all',
    '/upstreams/backend/health',
  ])('%s is a list', async (path) => {
    const { status, body } = await get(path)
    expect(status).toBe(200)
    expect(Array.isArray(body.data)).toBe(true)
    expect(body.next).toBeNull()
    expect(body.offset).toBeUndefined()
  })

  test('also before the first configuration', async () => {
    admin = givenAdmin()
    expect(await get('/services')).toEqual({ status: 200, body: { data: [], next: null } })
  })

  test.each([
    '/services/llm',
    '/routes/chat',
    '/consumers/alice',
    '/upstreams/backend',
    '/routes/chat/service',
  ])('%s is one entity, by name and by id', async (path) => {
    const { status, body } = await get(path)
    expect(status).toBe(200)
    const byId = await get(
      path.endsWith('/service') ? `/services/${body.id}` : `/${path.split('/')[1]}/${body.id}`,
    )
    expect(byId.body).toEqual(body)
  })

  test('nested lists hold only what belongs to the parent', async () => {
    expect(
      (await get('/services/plain/routes')).body.data.map((one: { name: string }) => one.name),
    ).toEqual(['one', 'two'])
    const targets = (await get('/upstreams/backend/targets')).body.data
    expect(
      targets.map((one: { target: string; weight: number }) => [one.target, one.weight]),
    ).toEqual([
      ['10.0.0.1:80', 100],
      ['10.0.0.2:80', 50],
    ])
    const health = (await get('/upstreams/backend/health')).body
    expect(health.node_id).toBe('11111111-2222-4333-8444-555555555555')
    expect(health.data[0]).toMatchObject({ target: '10.0.0.1:80', health: 'HEALTHCHECKS_OFF' })
    expect((await get('/consumers/alice/acls')).body.data[0]).toMatchObject({ group: 'admins' })
  })

  test.each([
    '/services/nope',
    '/routes/nope/plugins',
    '/nope',
    '/services/llm/nope',
    '/services/llm/routes/nope',
    '/services/%zz',
  ])('%s is 404 Not found', async (path) => {
    expect(await get(path)).toEqual({ status: 404, body: { message: 'Not found' } })
  })

  test('S22 credentials are shown as digests, plugin secrets by their reference', async () => {
    const keys = await get('/consumers/alice/key-auth')
    expect(keys.body.data[0]).toMatchObject({ key_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(keys.body.data[0]).not.toHaveProperty('key')
    const [plugin] = (await get('/plugins')).body.data
    expect(plugin).toMatchObject({
      name: 'rate-limiting',
      enabled: true,
      protocols: ['grpc', 'grpcs', 'http', 'https'],
      config: {
        minute: 100,
        policy: 'local',
        error_code: 429,
        redis: { host: 'redis', password: '$(REDIS_PASSWORD)' },
      },
    })
    for (const path of ['/services', '/plugins', '/consumers', '/key-auths', '/']) {
      expect(JSON.stringify((await get(path)).body)).not.toContain('canary')
    }
  })
})

describe('kong.md §4.2 pages and tags', () => {
  test('following next visits every entity exactly once, whatever the size', async () => {
    const routes = Array.from({ length: 57 }, (_, index) => ({
      name: `r${index}`,
      paths: [`/r${index}`],
      tags: ['all'],
    }))
    await admin.load(
      JSON.stringify({ _format_version: '3.0', services: [{ name: 's', host: 'h', routes }] }),
      'json',
    )
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 70 }), async (size) => {
        const seen: string[] = []
        let next: string | null = `/routes?size=${size}&tags=all`
        while (next !== null) {
          const page: { data: { name: string }[]; next: string | null; offset?: string } = (
            await get(next)
          ).body
          expect(page.data.length).toBeLessThanOrEqual(size)
          expect(page.next === null).toBe(page.offset === undefined)
          seen.push(...page.data.map((one) => one.name))
          next = page.next
        }
        expect(seen).toEqual(routes.map(({ name }) => name))
      }),
      { numRuns: 30 },
    )
  })

  test('next keeps tags and size', async () => {
    const { body } = await get('/services?size=1&tags=team-a')
    expect(body.next).toMatch(/^\/services\?offset=[^&]+&tags=team-a&size=1$/)
  })

  test('a,b means both, a/b either', async () => {
    const names = async (query: string) =>
      (await get(`/services?${query}`)).body.data.map((one: { name: string }) => one.name)
    expect(await names('tags=team-a')).toEqual(['llm', 'plain'])
    expect(await names('tags=ai,team-a')).toEqual(['llm'])
    expect(await names('tags=ai/team-a')).toEqual(['llm', 'plain'])
    expect(await names('tags=nobody')).toEqual([])
    expect((await get('/services?tags=a,b/c')).body).toMatchObject({
      code: 11,
      name: 'invalid options',
    })
  })

  test('custom_id finds a consumer', async () => {
    expect((await get('/consumers?custom_id=a-1')).body.data).toHaveLength(1)
    expect((await get('/consumers?custom_id=zzz')).body.data).toEqual([])
  })

  test.each([
    'x',
    '!!',
    Buffer.from('[-1]').toString('base64'),
    Buffer.from('{}').toString('base64'),
  ])('the offset %s is refused', async (offset) => {
    const answer = await get(`/routes?offset=${encodeURIComponent(offset)}`)
    expect(answer).toEqual({
      status: 400,
      body: {
        code: 7,
        name: 'invalid offset',
        message: `'${offset}' is not a valid offset: bad base64 encoding`,
      },
    })
  })

  test.each(['0', '1001', '1.5', 'x', ''])('the size %s is refused', async (size) => {
    const answer = await get(`/routes?size=${size}`)
    expect([answer.status, answer.body.code]).toEqual([400, 9])
  })

  test('/tags names every tagged entity', async () => {
    const { body } = await get('/tags/ai')
    expect(
      body.data.map((one: { entity_name: string; tag: string }) => [one.entity_name, one.tag]),
    ).toEqual([
      ['services', 'ai'],
      ['routes', 'ai'],
    ])
  })
})

describe('kong.md §4.1 writes and methods', () => {
  test.each([
    ['POST', '/routes', 'create', 'routes'],
    ['PUT', '/services/llm', 'create or update', 'services'],
    ['PATCH', '/plugins/x', 'update', 'plugins'],
    ['DELETE', '/consumers/alice', 'remove', 'consumers'],
    ['POST', '/services/llm/routes', 'create', 'routes'],
    ['POST', '/consumers/alice/key-auth', 'create', 'keyauth_credentials'],
    ['DELETE', '/upstreams/backend/targets/x', 'remove', 'targets'],
    ['POST', '/key-auths', 'create', 'keyauth_credentials'],
  ])('%s %s is 405: cannot %s', async (method, path, verb, entity) => {
    const answer = await admin.call(method, path)
    expect(answer.status).toBe(405)
    expect(answer.json()).toEqual({
      code: 12,
      name: 'operation unsupported',
      message: `cannot ${verb} '${entity}' entities when not using a database`,
    })
  })

  test.each([
    ['DELETE', '/services'],
    ['PATCH', '/routes'],
    ['POST', '/services/llm'],
    ['POST', '/'],
    ['POST', '/tags'],
    ['TRACE', '/services'],
    ['POST', '/endpoints'],
    ['POST', '/schemas/routes'],
    ['GET', '/schemas/routes/validate'],
  ])('%s %s is 405 Method not allowed', async (method, path) => {
    const answer = await admin.call(method, path)
    expect([answer.status, answer.json()]).toEqual([405, { message: 'Method not allowed' }])
    expect(answer.headers['allow']).toBeDefined()
  })

  test('HEAD answers like GET without a body; OPTIONS is empty', async () => {
    const head = await admin.call('HEAD', '/services')
    expect([head.status, head.text]).toEqual([200, ''])
    expect(Number(head.headers['content-length'])).toBeGreaterThan(100)
    const options = await admin.call('OPTIONS', '/services')
    expect([options.status, options.text]).toEqual([204, ''])
  })
})

test('kong.md §4.3 GET / is enough for deck gateway ping, and shows no secret', async () => {
  admin = givenAdmin({ adminToken: 'canary-admin-token' })
  await admin.load(EXAMPLE)
  const answer = await admin.call('GET', '/', {
    headers: { 'kong-admin-token': 'canary-admin-token' },
  })
  expect(answer.text).not.toContain('canary')
  expect(answer.json()).toMatchObject({
    version: '3.9.1',
    edition: 'community',
    hostname: 'gateway-0',
    node_id: '11111111-2222-4333-8444-555555555555',
    plugins: {
      available_on_server: { 'rate-limiting': { priority: 910, version: '3.9.1' } },
      enabled_in_cluster: ['rate-limiting'],
    },
    configuration: {
      database: 'off',
      declarative_config: '/etc/kong/kong.yml',
      proxy_listen: ['0.0.0.0:8000'],
      admin_listen: ['[::]:8080'],
      headers: ['server_tokens', 'latency_tokens', 'X-Kong-Request-Id'],
    },
    pids: { master: process.pid },
    pratu: { version: '0.1.0' },
  })
})

test('GET /endpoints lists the paths', async () => {
  const { body } = await get('/endpoints')
  expect(body.data).toContain('/services/{services}/routes')
  expect(body.data).toContain('/config')
})
