import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { EXAMPLE, givenAdmin } from './testing/given-admin.ts'

const YAML = { headers: { 'content-type': 'application/yaml' } }
const JSON_BODY = { headers: { 'content-type': 'application/json' } }
const SMALL = '_format_version: "3.0"\nservices: [{name: a, host: a.test}]\n'

describe('kong.md §4.4 POST /config: bodies', () => {
  test.each([
    ['application/yaml', SMALL],
    ['text/yaml; charset=utf-8', SMALL],
    [
      'application/json',
      JSON.stringify({ _format_version: '3.0', services: [{ name: 'a', host: 'a.test' }] }),
    ],
    ['application/json', JSON.stringify({ config: SMALL })],
    [
      'application/json',
      JSON.stringify({
        config: '{"_format_version":"3.0","services":[{"name":"a","host":"a.test"}]}',
      }),
    ],
  ])('%s is read', async (type, body) => {
    const admin = givenAdmin()
    const answer = await admin.call('POST', '/config', { headers: { 'content-type': type }, body })
    expect(answer.status).toBe(201)
    expect(admin.dependencies.state.current()?.entities.services[0]?.name).toBe('a')
  })

  test.each([
    ['application/x-www-form-urlencoded', new URLSearchParams({ config: SMALL }).toString()],
    [
      'multipart/form-data; boundary=XX',
      `--XX\r\nContent-Disposition: form-data; name="config"\r\n\r\n${SMALL}\r\n--XX--\r\n`,
    ],
    [
      'multipart/form-data; boundary=XX',
      `--XX\r\nContent-Disposition: form-data; name="config"; filename="kong.yml"\r\nContent-Type: application/yaml\r\n\r\n${SMALL}\r\n--XX--\r\n`,
    ],
  ])('%s is read when the token comes with it', async (type, body) => {
    const admin = givenAdmin({ adminToken: 't0ken' })
    const headers = { 'content-type': type, 'kong-admin-token': 't0ken' }
    expect((await admin.call('POST', '/config', { headers, body })).status).toBe(201)
  })

  test.each([
    ['application/json', '{"broken', 400, 'Cannot parse JSON body'],
    ['application/json', '{}', 400, 'expected a declarative configuration'],
    ['application/json', '[]', 400, 'expected a declarative configuration'],
    ['application/json', 'null', 400, 'expected a declarative configuration'],
    ['application/json', '{"config":""}', 400, 'expected a declarative configuration'],
    ['application/json', '{"config":{"_format_version":3}}', 400, undefined],
    ['application/json', '', 400, 'expected a declarative configuration'],
    ['application/yaml', ' \n', 400, 'expected a declarative configuration'],
    ['application/xml', '<x/>', 415, 'Unsupported media type'],
  ])('%s %s is %i %s', async (type, body, status, text) => {
    const admin = givenAdmin()
    const answer = await admin.call('POST', '/config', { headers: { 'content-type': type }, body })
    expect(answer.status).toBe(status)
    if (text !== undefined) expect(answer.json()).toEqual({ message: text })
    expect(admin.dependencies.state.current()).toBeUndefined()
  })

  test('bytes that are not UTF-8 are told', async () => {
    const answer = await givenAdmin().call('POST', '/config', {
      ...YAML,
      body: Buffer.from([0xff, 0xfe, 0x41]),
    })
    expect([answer.status, answer.json()]).toEqual([
      400,
      { message: 'the configuration is not valid UTF-8' },
    ])
  })

  test('a body above 10 MB is 413', async () => {
    const answer = await givenAdmin().call('POST', '/config', {
      ...YAML,
      body: Buffer.alloc(10 * 1024 * 1024 + 1, 35),
    })
    expect([answer.status, answer.json()]).toEqual([413, { message: 'Payload too large' }])
  })
})

describe('kong.md §4.4 POST /config: answers', () => {
  test('201 with the loaded entities by id', async () => {
    const admin = givenAdmin()
    const answer = await admin.call('POST', '/config', { ...YAML, body: EXAMPLE })
    expect(answer.status).toBe(201)
    const loaded = JSON.parse(answer.text)
    const [service] = Object.values(loaded.services)
    expect(service).toMatchObject({ name: 'llm', host: 'api.example.com', port: 443 })
    expect(Object.keys(loaded).toSorted()).toEqual([
      'acls',
      'consumers',
      'keyauth_credentials',
      'plugins',
      'routes',
      'services',
      'targets',
      'upstreams',
    ])
    expect(answer.text).not.toContain('canary')
  })

  test('check_hash=1 with the same text is 304 and empty; with another it is applied', async () => {
    const admin = givenAdmin()
    await admin.call('POST', '/config', { ...YAML, body: SMALL })
    const same = await admin.call('POST', '/config?check_hash=1', { ...YAML, body: SMALL })
    expect([same.status, same.text, same.headers['content-length']]).toEqual([304, '', undefined])
    expect(admin.dependencies.state.current()?.generation).toBe(1)
    const other = await admin.call('POST', '/config?check_hash=1', { ...YAML, body: EXAMPLE })
    expect(other.status).toBe(201)
    const again = await admin.call('POST', '/config', { ...YAML, body: EXAMPLE })
    expect(again.status).toBe(201)
  })

  test('F55 400 with code 14, the tree and its Lua form; nothing changes', async () => {
    const admin = givenAdmin()
    await admin.load(SMALL)
    const body =
      '_format_version: "3.0"\nservices:\n- {name: ok, host: h}\n- {name: a, host: h, protocol: gopher}\n'
    const answer = await admin.call('POST', '/config', { ...YAML, body })
    expect(answer.status).toBe(400)
    const message = 'expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp'
    expect(answer.json()).toEqual({
      code: 14,
      name: 'invalid declarative configuration',
      message: `declarative config is invalid: {services={[2]={protocol="${message}"}}}`,
      fields: { services: [null, { protocol: message }] },
    })
    expect(admin.dependencies.state.current()?.generation).toBe(1)
  })

  test('flatten_errors lists each entity with its errors, and keeps only the rest in the tree', async () => {
    const body = `
_format_version: "3.0"
services:
- name: a
  host: h
  routes:
  - name: r
    paths: [no-slash]
    tags: [t1]
nonsense: 1
`
    const answer = await givenAdmin().call('POST', '/config?flatten_errors=1', { ...YAML, body })
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({
      code: 14,
      fields: { nonsense: 'unknown field' },
      flattened_errors: [
        {
          entity_type: 'route',
          entity_name: 'r',
          entity_tags: ['t1'],
          errors: [
            {
              type: 'field',
              field: 'paths.1',
              message: expect.stringContaining('should start with: /'),
            },
          ],
        },
      ],
    })
  })

  test('S22 a refused configuration is not quoted with its secrets', async () => {
    const body = `
_format_version: "3.0"
consumers:
- username: a
  keyauth_credentials:
  - key: canary-client-key
    nonsense: 1
`
    for (const query of ['', '?flatten_errors=1']) {
      const answer = await givenAdmin().call('POST', `/config${query}`, { ...YAML, body })
      expect(answer.status).toBe(400)
      expect(answer.text).not.toContain('canary-client-key')
    }
  })

  test('429 while another is being applied, 503 while the process goes down', async () => {
    const admin = givenAdmin()
    admin.process.applying = true
    const busy = await admin.call('POST', '/config', { ...YAML, body: SMALL })
    expect([busy.status, busy.json(), busy.headers['retry-after']]).toEqual([
      429,
      { message: 'Currently loading previous configuration' },
      '1',
    ])
    admin.process.draining = true
    const leaving = await admin.call('POST', '/config', { ...YAML, body: SMALL })
    expect([leaving.status, leaving.json()]).toEqual([503, { message: 'Kong currently exiting' }])
  })

  test('504 when an application takes too long', async () => {
    const admin = givenAdmin({ apply: () => new Promise(() => undefined), applyTimeoutMs: 20 })
    const answer = await admin.call('POST', '/config', { ...YAML, body: SMALL })
    expect([answer.status, answer.json()]).toEqual([
      504,
      { message: 'Timed out while loading configuration' },
    ])
  })

  test('S23 an unexpected failure is a plain 500', async () => {
    const admin = givenAdmin({ apply: () => Promise.reject(new Error('/secret/path exploded')) })
    const answer = await admin.call('POST', '/config', {
      ...JSON_BODY,
      body: '{"_format_version":"3.0"}',
    })
    expect([answer.status, answer.json()]).toEqual([
      500,
      { message: 'An unexpected error occurred' },
    ])
  })
})

describe('kong.md §4.4 GET /config', () => {
  test('is the configuration in use as YAML, in flat form, without a secret', async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    const answer = await admin.call('GET', '/config')
    expect(answer.status).toBe(200)
    const { config } = JSON.parse(answer.text)
    const document = parse(config)
    expect(document._format_version).toBe('3.0')
    expect(document.services).toHaveLength(2)
    expect(document.routes[0].service).toBe(document.services[0].id)
    expect(document.keyauth_credentials[0]).toMatchObject({
      consumer: document.consumers[0].id,
      key_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(config).not.toContain('canary')
  })

  test('what was read can be posted again and means the same', async () => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    const before = await admin.call('GET', '/config')
    const again = await admin.call('POST', '/config', { ...JSON_BODY, body: before.text })
    expect([again.status, again.status === 201 ? '' : again.text]).toEqual([201, ''])
    const after = await admin.call('GET', '/config')
    expect(after.json()).toEqual(before.json())
  })

  test('before the first configuration it is empty', async () => {
    const answer = await givenAdmin().call('GET', '/config')
    expect(answer.json()).toEqual({ config: '_format_version: "3.0"\n' })
  })

  test('other methods are refused', async () => {
    const answer = await givenAdmin().call('DELETE', '/config')
    expect([answer.status, answer.json()]).toEqual([405, { message: 'Method not allowed' }])
  })
})
