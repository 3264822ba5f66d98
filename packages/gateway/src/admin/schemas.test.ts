import { describe, expect, test } from 'vitest'
import { luaDump, luaToJson } from './lua-dump.ts'
import { givenAdmin } from './testing/given-admin.ts'

const JSON_BODY = { 'content-type': 'application/json' }

/** `[{name: {…}}, …]` as one object, as decK reads it. */
function fieldsOf(schema: unknown): Record<string, Record<string, unknown>> {
  const fields: unknown =
    typeof schema === 'object' && schema !== null && 'fields' in schema ? schema.fields : []
  return Object.assign({}, ...(Array.isArray(fields) ? fields : []))
}

describe('kong.md §4.6 schemas that decK reads for defaults', () => {
  test.each([
    'services',
    'routes',
    'upstreams',
    'targets',
    'consumers',
    'plugins',
    'certificates',
    'snis',
    'ca_certificates',
  ])('/schemas/%s', async (entity) => {
    const answer = await givenAdmin().call('GET', `/schemas/${entity}`)
    expect(answer.status).toBe(200)
    expect(fieldsOf(answer.json())).toHaveProperty('id')
  })

  test('have the defaults of kong.md §1.6', async () => {
    const admin = givenAdmin()
    const defaults = async (entity: string) => {
      const fields = fieldsOf((await admin.call('GET', `/schemas/${entity}`)).json())
      return Object.fromEntries(
        Object.entries(fields).flatMap(([name, field]) =>
          'default' in field ? [[name, field['default']]] : [],
        ),
      )
    }
    expect(await defaults('services')).toEqual({
      retries: 5,
      protocol: 'http',
      port: 80,
      connect_timeout: 60_000,
      write_timeout: 60_000,
      read_timeout: 60_000,
      enabled: true,
    })
    expect(await defaults('routes')).toEqual({
      protocols: ['http', 'https'],
      https_redirect_status_code: 426,
      strip_path: true,
      preserve_host: false,
      request_buffering: true,
      response_buffering: true,
      regex_priority: 0,
      path_handling: 'v0',
    })
    expect(await defaults('targets')).toEqual({ weight: 100 })
    expect(await defaults('upstreams')).toMatchObject({
      slots: 10_000,
      algorithm: 'round-robin',
      hash_on: 'none',
    })
  })

  test('a plugin is described from its own schema', async () => {
    const answer = await givenAdmin().call('GET', '/schemas/plugins/rate-limiting')
    const { config } = fieldsOf(answer.json())
    expect(config).toMatchObject({ type: 'record', required: true })
    const fields = fieldsOf(config)
    expect(fields['minute']).toEqual({ type: 'number', gt: 0 })
    expect(fields['policy']).toEqual({
      type: 'string',
      default: 'local',
      one_of: ['local', 'redis'],
    })
    expect(fields['error_code']).toEqual({ type: 'integer', default: 429, between: [100, 599] })
    expect(fields['redis']).toMatchObject({ type: 'record' })
    expect(fieldsOf(fields['redis'])['password']).toMatchObject({
      type: 'string',
      referenceable: true,
    })
  })

  test('what is not there is 404 with its name', async () => {
    const admin = givenAdmin()
    const plugin = await admin.call('GET', '/schemas/plugins/nope')
    expect([plugin.status, plugin.json()]).toEqual([404, { message: "No plugin named 'nope'" }])
    const entity = await admin.call('GET', '/schemas/nope')
    expect([entity.status, entity.json()]).toEqual([404, { message: "No entity named 'nope'" }])
  })
})

describe('kong.md §4.3 POST /schemas/…/validate', () => {
  test('a plugin is judged by its schema', async () => {
    const admin = givenAdmin()
    const validate = async (body: string) => {
      const answer = await admin.call('POST', '/schemas/plugins/validate', {
        headers: JSON_BODY,
        body,
      })
      return [answer.status, answer.json()]
    }
    expect(await validate('{"name":"rate-limiting","config":{"minute":5,"policy":null}}')).toEqual([
      200,
      { message: 'schema validation successful' },
    ])
    expect(await validate('{"name":"rate-limiting","config":{"error_code":9}}')).toEqual([
      400,
      {
        code: 2,
        name: 'schema violation',
        message: 'schema violation (config.error_code: value should be between 100 and 599)',
        fields: { config: { error_code: 'value should be between 100 and 599' } },
      },
    ])
    expect(await validate('{"name":"nope"}')).toMatchObject([
      400,
      { fields: { name: expect.stringContaining('not enabled') } },
    ])
    expect(await validate('{"config":{}}')).toMatchObject([
      400,
      { fields: { name: 'required field missing' } },
    ])
    expect(await validate('{')).toEqual([400, { message: 'Cannot parse JSON body' }])
  })

  test('an entity is judged as in a file, without what it refers to', async () => {
    const admin = givenAdmin()
    const validate = async (entity: string, value: unknown): Promise<unknown[]> => {
      const answer = await admin.call('POST', `/schemas/${entity}/validate`, {
        headers: JSON_BODY,
        body: JSON.stringify(value),
      })
      return [answer.status, answer.json()]
    }
    expect(await validate('services', { name: 'a', url: 'http://a.example' })).toEqual([
      200,
      { message: 'schema validation successful' },
    ])
    const service = { id: '11111111-2222-4333-8444-555555555555' }
    expect(await validate('routes', { paths: ['/a', 'b'], service })).toEqual([
      400,
      {
        code: 2,
        name: 'schema violation',
        message: 'schema violation (paths.2: should start with: / (fixed path) or ~/ (regex path))',
        fields: { paths: [null, 'should start with: / (fixed path) or ~/ (regex path)'] },
      },
    ])
    const missing =
      "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'"
    expect(await validate('routes', { service })).toEqual([
      400,
      {
        code: 2,
        name: 'schema violation',
        message: `schema violation (${missing})`,
        fields: { '@entity': [missing] },
      },
    ])
    expect((await validate('keyauth_credentials', { key: 'k' }))[0]).toBe(200)
    expect(await validate('nope', {})).toEqual([404, { message: "No entity named 'nope'" }])
  })
})

describe('kong.md §1.8 error trees', () => {
  const tree = {
    services: {
      1: { host: 'required field missing', '@entity': ['a', 'b'] },
      3: { name: 'say "x"\n' },
    },
  }

  test('numeric keys become arrays in JSON', () => {
    expect(luaToJson(tree)).toEqual({
      services: [
        { host: 'required field missing', '@entity': ['a', 'b'] },
        null,
        { name: 'say "x"\n' },
      ],
    })
  })

  test('the message is the tree in Lua', () => {
    expect(luaDump(tree)).toBe(
      '{services={{host="required field missing",["@entity"]={"a","b"}},[3]={name="say \\"x\\"\\n"}}}',
    )
  })
})
