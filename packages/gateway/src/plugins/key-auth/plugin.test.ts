import { createHash } from 'node:crypto'
import {
  describePlugin,
  givenBody,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ContextGiven,
  type ExchangeGiven,
  type ExchangeResult,
  type TestContext,
  type TestExchange,
} from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WRONG_KEYS_PER_MINUTE, keyAuth } from './plugin.ts'

const ALICE = {
  id: 'a11ce000-0000-4000-8000-000000000000',
  username: 'alice',
  customId: 'crm-7',
  keys: ['alice-key', 'alice-second-key'],
}
const GUEST = { id: '90e57000-0000-4000-8000-000000000000', username: 'guest' }
const KNOWN: ContextGiven = { consumers: [ALICE, GUEST] }

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

interface Run {
  readonly context: TestContext
  readonly request: (given: ExchangeGiven) => Promise<Answered>
}

interface Answered extends ExchangeResult {
  readonly exchange: TestExchange
  readonly message: string | undefined
  readonly upstream: Record<string, string>
}

function start(raw: Readonly<Record<string, unknown>> = {}, given: ContextGiven = {}): Run {
  const context = givenContext({ ...KNOWN, ...given })
  const plugin = keyAuth.create(parseConfig(keyAuth, raw), context)
  return {
    context,
    request: async (exchangeGiven) => {
      const exchange = givenExchange(exchangeGiven)
      const result = await runExchange(plugin, exchange)
      const message = result.reply?.kind === 'refusal' ? result.reply.message : undefined
      return { ...result, exchange, message, upstream: exchange.upstream.headers.toObject() }
    },
  }
}

const KONG: ContextGiven = { compatibility: 'kong' }

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

describe('kong.md §3.2 hide_credentials', () => {
  const hidden = { hide_credentials: true, key_names: ['apikey', 'other'], key_in_body: true }

  test('without it the key passes on as it came', async () => {
    const { upstream, exchange } = await start().request({
      headers: { apikey: 'alice-key' },
      target: '/?apikey=alice-key',
    })
    expect(upstream['apikey']).toBe('alice-key')
    expect(exchange.upstream.query).toBe('?apikey=alice-key')
  })

  test('removes header and query argument of the name it was found by, and nothing else', async () => {
    const { upstream, exchange } = await start(hidden).request({
      headers: { apikey: 'alice-key', other: 'kept' },
      target: '/?a=%7e+b&apikey=alice-key&other=kept&flag',
    })
    expect(upstream).not.toHaveProperty('apikey')
    expect(upstream['other']).toBe('kept')
    expect(exchange.upstream.query).toBe('?a=%7e+b&other=kept&flag')
  })

  test('leaves no question mark behind', async () => {
    const { exchange } = await start(hidden).request({ target: '/p?apikey=alice-key' })
    expect(exchange.upstream.query).toBe('')
  })

  test.each([
    [
      'application/json',
      '{ "apikey" : "alice-key" , "n": 1e400, "b": [1]}',
      '{  "n": 1e400, "b": [1]}',
    ],
    [
      'application/json',
      '{"n": 12345678901234567890, "apikey":"alice-key"}',
      '{"n": 12345678901234567890}',
    ],
    ['application/json', '{"\\u0061pikey":"alice-key"}', '{}'],
    ['application/x-www-form-urlencoded', 'a=%7E&apikey=alice-key&b=+', 'a=%7E&b=+'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name=apikey\r\n\r\nalice-key\r\n--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n--x--\r\n',
      '--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n--x--\r\n',
    ],
  ])('cuts it out of a body of type %s: %s', async (contentType, body, expected) => {
    const { exchange } = await start(hidden).request({
      method: 'POST',
      headers: { 'Content-Type': contentType },
      body,
    })
    const sent = await exchange.request.body.bytes(1024)
    expect(Buffer.from(sent).toString()).toBe(expected)
  })

  test('a key cut out of any JSON object leaves the same object without it', async () => {
    const name = fc
      .string({ maxLength: 6 })
      .filter((key) => key !== 'apikey' && key !== '__proto__')
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
        fc.nat(4),
        fc.constantFrom(0, 1, '\t'),
        async (others, at, indent) => {
          const entries = Object.entries(others)
          const rest = Object.fromEntries(entries)
          const before = Object.keys(rest).slice(0, at)
          const whole = Object.fromEntries([
            ...before.map((key) => [key, rest[key]]),
            ['apikey', 'alice-key'],
            ...Object.entries(rest).filter(([key]) => !before.includes(key)),
          ])
          const { exchange } = await start(hidden).request({
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify(whole, null, indent),
          })
          const sent = Buffer.from(await exchange.request.body.bytes(100_000)).toString()
          expect(JSON.parse(sent)).toEqual(JSON.parse(JSON.stringify(rest)))
        },
      ),
      { numRuns: 200 },
    )
  })

  test('takes the key out of the headers of AI clients too, but no other caller’s', async () => {
    const { request } = start({ hide_credentials: true })
    const bearer = await request({ headers: { Authorization: 'Bearer alice-key' } })
    expect(bearer.upstream).not.toHaveProperty('authorization')
    const both = await request({
      headers: {
        apikey: 'alice-key',
        Authorization: 'Bearer sk-provider',
        'x-api-key': 'alice-key',
      },
    })
    expect(both.upstream['authorization']).toBe('Bearer sk-provider')
    expect(both.upstream).not.toHaveProperty('x-api-key')
  })

  test('under compatibility: kong other names are untouched', async () => {
    const { upstream } = await start({ hide_credentials: true }, KONG).request({
      headers: { apikey: 'alice-key', 'x-api-key': 'alice-key' },
    })
    expect(upstream['x-api-key']).toBe('alice-key')
  })
})

describe('the headers of AI clients', () => {
  test.each([
    [{ Authorization: 'Bearer alice-key' }],
    [{ authorization: 'bearer   alice-key ' }],
    [{ 'x-api-key': 'alice-key' }],
    [{ 'api-key': 'alice-key' }],
    [{ 'x-goog-api-key': 'alice-key' }],
  ])('%o identifies the caller, but not under compatibility: kong', async (headers) => {
    const { exchange, upstream } = await start().request({ headers })
    expect(exchange.consumer?.username).toBe('alice')
    expect(upstream).toMatchObject(
      Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v])),
    )
    expect((await start({}, KONG).request({ headers })).message).toBe('No API key found in request')
  })

  test('a configured name wins over them, right or wrong', async () => {
    const headers = { apikey: 'wrong', Authorization: 'Bearer alice-key' }
    expect((await start().request({ headers })).message).toBe('Unauthorized')
  })

  test('key_names: [authorization] takes the whole value as Kong does, and understands Bearer besides', async () => {
    const raw = { key_names: ['Authorization'], hide_credentials: true }
    const whole = { consumers: [{ username: 'w', keys: ['Bearer whole'] }] }
    const headers = { Authorization: 'Bearer whole' }
    for (const compatibility of ['pratu', 'kong'] as const) {
      expect((await start(raw, { ...whole, compatibility }).request({ headers })).status).toBe(200)
    }
    const bare = { headers: { Authorization: 'Bearer alice-key' } }
    const understood = await start(raw).request(bare)
    expect(understood.exchange.consumer?.username).toBe('alice')
    expect(understood.upstream).not.toHaveProperty('authorization')
    expect((await start(raw, KONG).request(bare)).message).toBe('Unauthorized')
  })

  test('repeated, they are refused like any other', async () => {
    const twice = { headers: { Authorization: ['Bearer alice-key', 'Bearer x'] } }
    expect((await start().request(twice)).message).toBe('Duplicate API key found')
  })

  test('Basic credentials are nobody’s key', async () => {
    const { message } = await start().request({ headers: { Authorization: 'Basic YTpi' } })
    expect(message).toBe('No API key found in request')
  })

  test.each(['Bearer', 'Bearer ', 'Bearer undefined', 'Bearer null', 'bearer  null'])(
    'S12 "%s" is a missing key, also when a consumer has it as a key',
    async (authorization) => {
      const { request } = start({}, { consumers: [{ keys: ['undefined', 'null', ''] }] })
      const { status, message } = await request({ headers: { Authorization: authorization } })
      expect([status, message]).toEqual([401, 'No API key found in request'])
    },
  )
})

describe('keys', () => {
  test('S09 are looked up by their SHA-256 and by nothing else', async () => {
    const { context, request } = start()
    await request({ headers: { apikey: 'alice-key' } })
    const lookup = createHash('sha256').update('alice-key').digest('hex')
    expect(context.lookups).toEqual([{ kind: 'keyauth_credentials', lookup }])
  })

  test('S10 that share their beginning, or differ in case or blanks, are different keys', async () => {
    const { request } = start()
    for (const apikey of [
      'alice-ke',
      'alice-key-2',
      'Alice-Key',
      'alice-key alice-key',
      `${'alice-key'}\u00a0`,
    ]) {
      expect((await request({ headers: { apikey } })).message).toBe('Unauthorized')
    }
    expect((await request({ headers: { apikey: 'alice-second-key' } })).exchange.consumer?.id).toBe(
      ALICE.id,
    )
  })

  test('beyond ASCII are compared by their UTF-8 bytes, wherever they come from', async () => {
    const { request } = start({}, { consumers: [{ username: 'u', keys: ['clé-ก'] }] })
    const onTheWire = Buffer.from('clé-ก', 'utf8').toString('latin1')
    expect((await request({ headers: { apikey: onTheWire } })).status).toBe(200)
    expect((await request({ target: `/?apikey=${encodeURIComponent('clé-ก')}` })).status).toBe(200)
  })

  test.each([
    "' OR '1'='1",
    '*',
    '%',
    '../../etc/passwd',
    '{"$gt":""}',
    '__proto__',
    'constructor',
  ])('S08 %s is a wrong key like any other', async (apikey) => {
    const { context, request } = start()
    expect((await request({ headers: { apikey } })).message).toBe('Unauthorized')
    expect((await request({ target: `/?${encodeURIComponent(apikey)}=alice-key` })).status).toBe(
      401,
    )
    expect(context.lookups.every(({ lookup }) => /^[0-9a-f]{64}$/.test(lookup))).toBe(true)
  })

  test('S22 never appear in the log, the log line, metrics or the answer', async () => {
    const { context, request } = start({ key_in_body: true })
    for (const given of [
      { headers: { apikey: 'canary-5d1' } },
      { headers: { apikey: ['canary-5d1', 'x'] } },
      { headers: { Authorization: 'Bearer canary-5d1' } },
      { target: '/?apikey=canary-5d1' },
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"apikey":"canary-5d1"',
      },
    ]) {
      const { exchange, body, headers } = await request(given)
      const shown = JSON.stringify([
        context.logged,
        context.counted,
        [...exchange.annotations],
        body,
        headers.entries(),
      ])
      expect(shown).not.toContain('canary')
    }
  })
})

describe('S35 brute force', () => {
  const guess = (clientIp: string): ExchangeGiven => ({ clientIp, headers: { apikey: 'guess' } })

  test('an address that keeps sending wrong keys is slowed down, with the same 401 until then', async () => {
    const { context, request } = start()
    const bodies = new Set<string>()
    for (let i = 0; i < WRONG_KEYS_PER_MINUTE; i++) {
      const { status, body } = await request({
        clientIp: '203.0.113.9',
        headers: { apikey: `guess-${i}` },
      })
      expect(status).toBe(401)
      bodies.add(body)
    }
    expect(bodies.size).toBe(1)
    const slowed = await request(guess('203.0.113.9'))
    expect([
      slowed.status,
      slowed.headers.get('retry-after'),
      slowed.headers.get('x-should-retry'),
    ]).toEqual([429, '60', 'false'])

    expect(
      (await request({ clientIp: '203.0.113.9', headers: { apikey: 'alice-key' } })).status,
    ).toBe(200)
    expect((await request({ clientIp: '203.0.113.9' })).status).toBe(401)
    expect((await request(guess('203.0.113.10'))).status).toBe(401)
    context.clock.advance(60_000)
    expect((await request(guess('203.0.113.9'))).status).toBe(401)
  })

  test('S34 the address is the one behind trusted proxies, not what the client claims', async () => {
    const { request } = start()
    for (let i = 0; i <= WRONG_KEYS_PER_MINUTE; i++) {
      const headers = {
        apikey: 'guess',
        'X-Forwarded-For': `198.51.100.${i}`,
        'X-Real-IP': `198.51.100.${i}`,
      }
      const { status } = await request({ clientIp: '203.0.113.9', headers })
      expect(status).toBe(i < WRONG_KEYS_PER_MINUTE ? 401 : 429)
    }
  })

  test('under compatibility: kong every wrong key is a 401', async () => {
    const { request } = start({}, KONG)
    for (let i = 0; i <= WRONG_KEYS_PER_MINUTE; i++) {
      expect((await request(guess('203.0.113.9'))).status).toBe(401)
    }
  })
})
