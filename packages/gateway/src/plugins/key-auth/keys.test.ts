import { createHash } from 'node:crypto'
import type { ExchangeGiven } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { WRONG_KEYS_PER_MINUTE } from './plugin.ts'
import { ALICE, KONG, start } from './testing/start.ts'

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
