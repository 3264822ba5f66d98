import { describePlugin, givenBody, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { keyAuth } from './plugin.ts'
import { ALICE, GUEST, KNOWN, start } from './testing/start.ts'

describePlugin(keyAuth, {
  validConfig: {},
  context: KNOWN,
  defaults: {
    keyNames: [{ name: 'apikey', header: 'apikey' }],
    hideCredentials: false,
    anonymous: undefined,
    keyInHeader: true,
    keyInQuery: true,
    keyInBody: false,
    runOnPreflight: true,
    realm: undefined,
  },
  invalidConfigs: [
    {
      config: { key_names: ['api key'] },
      message: "bad header name 'api key', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
      path: 'key_names.0',
    },
    { config: { key_names: 'apikey' }, message: 'expected an array', path: 'key_names' },
    { config: { key_names: [null] }, message: 'required field missing', path: 'key_names.0' },
    { config: { key_in_body: 'yes' }, message: 'expected a boolean', path: 'key_in_body' },
    { config: { anonymous: '' }, message: 'length must be at least 1', path: 'anonymous' },
    { config: { realm: 'a\r\nb' }, message: 'invalid value: a\r\nb', path: 'realm' },
  ],
  refusals: [
    {
      name: 'no key',
      exchange: {},
      status: 401,
      code: 'missing_api_key',
      message: 'No API key found in request',
    },
    {
      name: 'a key twice',
      exchange: { headers: { apikey: ['alice-key', 'alice-key'] } },
      status: 401,
      code: 'duplicate_api_key',
      message: 'Duplicate API key found',
    },
    {
      name: 'an unknown key',
      exchange: { headers: { apikey: 'mallory' } },
      status: 401,
      code: 'invalid_api_key',
      message: 'Unauthorized',
    },
  ],
})

describe('kong.md §3.2 where the key is looked for', () => {
  test('in the header, in any case of its name', async () => {
    const { exchange } = await start().request({ headers: { ApiKey: 'alice-key' } })
    expect(exchange.consumer?.username).toBe('alice')
    expect(exchange.credential?.kind).toBe('keyauth_credentials')
  })

  test('in the query, where the name is compared exactly and the value is decoded', async () => {
    const { request } = start()
    expect((await request({ target: '/?x=1&apikey=alice%2Dkey' })).exchange.consumer?.id).toBe(
      ALICE.id,
    )
    expect((await request({ target: '/?ApiKey=alice-key' })).message).toBe(
      'No API key found in request',
    )
  })

  test('in the body only when asked to', async () => {
    const given = (): ExchangeGiven => ({
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: { apikey: 'alice-key' },
    })
    expect((await start().request(given())).status).toBe(401)
    expect((await start({ key_in_body: true }).request(given())).exchange.consumer?.id).toBe(
      ALICE.id,
    )
  })

  test.each([
    ['application/json; charset=utf-8', '{"a":[1,{"apikey":"no"}],"apikey":"alice-key"}'],
    ['application/x-www-form-urlencoded', 'a=1&apikey=alice%2dkey&b'],
    [
      'multipart/form-data; boundary="xx yy"',
      '--xx yy\r\nContent-Disposition: form-data; name="a"\r\n\r\n--xx yy inside\r\n' +
        '--xx yy\r\ncontent-disposition: form-data; name="apikey"\r\n\r\nalice-key\r\n--xx yy--\r\n',
    ],
  ])('as a member of a body of type %s', async (contentType, body) => {
    for (const pending of [false, true]) {
      const { exchange } = await start({ key_in_body: true }).request({
        method: 'POST',
        headers: { 'Content-Type': contentType },
        body: givenBody(body, { pending }),
      })
      expect(exchange.consumer?.id).toBe(ALICE.id)
    }
  })

  test.each([
    ['application/json', '{"apikey":'],
    ['application/json', '"apikey"'],
    ['application/json', '{"apikey":7}'],
    ['text/plain', 'apikey=alice-key'],
    [
      'multipart/form-data',
      '--x\r\ncontent-disposition: form-data; name=apikey\r\n\r\nalice-key\r\n--x--',
    ],
    ['multipart/form-data; boundary=x', '--x\r\nname="apikey"'],
  ])('nothing in a body of type %s that is %s: it counts as no key', async (contentType, body) => {
    const { message } = await start({ key_in_body: true }).request({
      method: 'POST',
      headers: { 'Content-Type': contentType },
      body,
    })
    expect(message).toBe('No API key found in request')
  })

  test('a body too large to be searched counts as one without a key', async () => {
    const { message } = await start({ key_in_body: true }).request({
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: givenBody({ apikey: 'alice-key', more: 'x'.repeat(1024 * 1024) }, { chunked: true }),
    })
    expect(message).toBe('No API key found in request')
  })

  test('name by name: header, then query, then body, and the first text wins', async () => {
    const { request } = start({ key_names: ['one', 'two'], key_in_body: true })
    const body = { method: 'POST', body: { one: 'alice-key' } } as const
    const json = { 'Content-Type': 'application/json' }
    expect((await request({ headers: { one: 'alice-key', two: 'x' } })).status).toBe(200)
    expect((await request({ headers: { two: 'alice-key' }, target: '/?one=x' })).status).toBe(401)
    expect((await request({ ...body, headers: { ...json, two: 'x' } })).status).toBe(200)
    expect((await request({ ...body, headers: json, target: '/?one=x' })).status).toBe(401)
  })

  test.each([
    [{ key_in_header: false }, { headers: { apikey: 'alice-key' } }],
    [{ key_in_query: false }, { target: '/?apikey=alice-key' }],
  ])('not where %o forbids it', async (raw, given) => {
    expect((await start(raw).request(given)).message).toBe('No API key found in request')
  })

  test('a query name without a value is no text; an empty value is a missing key', async () => {
    const { request } = start({ key_names: ['one', 'two'] })
    expect((await request({ target: '/?one&two=alice-key' })).status).toBe(200)
    expect((await request({ target: '/?one=&two=alice-key' })).message).toBe(
      'No API key found in request',
    )
    expect((await request({ headers: { one: '' } })).message).toBe('No API key found in request')
  })

  test.each([
    [{ target: '/?apikey=alice-key&apikey=alice-key' }],
    [{ target: '/?apikey=alice-key&apikey' }],
    [
      {
        headers: [
          ['apikey', 'alice-key'],
          ['ApiKey', 'x'],
        ] as const,
      },
    ],
    [
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: { apikey: ['alice-key'] },
      },
    ],
    [
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'apikey=a&apikey=b',
      },
    ],
  ])('a repeated key is refused, even when all are right: %o', async (given) => {
    expect((await start({ key_in_body: true }).request(given)).message).toBe(
      'Duplicate API key found',
    )
  })
})

describe('kong.md §3.2 refusals', () => {
  test('carry a challenge, with the realm when there is one, and stop the request', async () => {
    for (const given of [{}, { headers: { apikey: 'x' } }, { headers: { apikey: ['x', 'y'] } }]) {
      const bare = await start().request(given)
      expect(bare.headers.get('www-authenticate')).toBe('Key')
      expect(bare.proxied).toBe(false)
      const named = await start({ realm: 'my api' }).request(given)
      expect(named.headers.get('www-authenticate')).toBe('Key realm="my api"')
    }
  })

  test('run_on_preflight: false lets every OPTIONS request pass', async () => {
    const preflight = { method: 'OPTIONS' }
    expect((await start().request(preflight)).status).toBe(401)
    const { status, exchange } = await start({ run_on_preflight: false }).request(preflight)
    expect(status).toBe(200)
    expect(exchange.identifications).toBe(0)
    expect((await start({ run_on_preflight: false }).request({})).status).toBe(401)
  })
})

describe('kong.md §3.1 what the upstream is told', () => {
  const forged = {
    'X-Consumer-ID': 'forged',
    'X-Consumer-Custom-ID': 'forged',
    'X-Consumer-Username': 'forged',
    'X-Credential-Identifier': 'forged',
    'X-Anonymous-Consumer': 'true',
  }

  test('who the consumer is and which credential was used, in place of what the client claims', async () => {
    const { upstream, exchange } = await start().request({
      headers: { ...forged, apikey: 'alice-key' },
    })
    expect(upstream).toMatchObject({
      'x-consumer-id': ALICE.id,
      'x-consumer-custom-id': 'crm-7',
      'x-consumer-username': 'alice',
      'x-credential-identifier': exchange.credential?.id,
    })
    expect(upstream).not.toHaveProperty('x-anonymous-consumer')
  })

  test('no header for what the consumer does not have', async () => {
    const { request } = start(
      {},
      { consumers: [{ username: undefined, customId: 'only', keys: ['k'] }] },
    )
    const { upstream } = await request({ headers: { ...forged, apikey: 'k' } })
    expect(upstream['x-consumer-custom-id']).toBe('only')
    expect(upstream).not.toHaveProperty('x-consumer-username')
  })

  test('names beyond ASCII go out as UTF-8 bytes, control characters do not go out', async () => {
    const { request } = start({}, { consumers: [{ username: 'สม\r\nx: y', keys: ['k'] }] })
    const { upstream } = await request({ headers: { apikey: 'k' } })
    const sent = Buffer.from(upstream['x-consumer-username'] ?? '', 'latin1').toString('utf8')
    expect(sent).toBe('สม  x: y')
  })

  test.each([['guest'], [GUEST.id]])(
    'anonymous: %s stands in for a caller without a valid key',
    async (anonymous) => {
      for (const headers of [
        forged,
        { ...forged, apikey: 'wrong' },
        { ...forged, apikey: ['a', 'b'] },
      ]) {
        const { status, upstream, exchange } = await start({ anonymous }).request({ headers })
        expect(status).toBe(200)
        expect(exchange.consumer?.username).toBe('guest')
        expect(exchange.credential).toBeUndefined()
        expect(upstream).toMatchObject({
          'x-consumer-id': GUEST.id,
          'x-consumer-username': 'guest',
          'x-anonymous-consumer': 'true',
        })
        expect(upstream).not.toHaveProperty('x-consumer-custom-id')
        expect(upstream).not.toHaveProperty('x-credential-identifier')
      }
    },
  )

  test('an anonymous consumer that does not exist: no consumer, and the request goes on', async () => {
    const { status, upstream, exchange } = await start({ anonymous: 'nobody' }).request({
      headers: forged,
    })
    expect([status, exchange.consumer, upstream['x-anonymous-consumer']]).toEqual([
      200,
      undefined,
      'true',
    ])
    expect(upstream).not.toHaveProperty('x-consumer-id')
  })

  test('with anonymous, a caller that another plugin has identified is left alone', async () => {
    const earlier = { consumer: { username: 'bob' }, credential: { id: 'c', kind: 'jwt_secrets' } }
    const { exchange } = await start({ anonymous: 'guest' }).request({
      ...earlier,
      headers: { apikey: 'alice-key' },
    })
    expect(exchange.identifications).toBe(0)
    expect((await start().request(earlier)).status).toBe(401)
    expect(
      (await start().request({ ...earlier, headers: { apikey: 'alice-key' } })).exchange.consumer
        ?.username,
    ).toBe('alice')
  })
})
