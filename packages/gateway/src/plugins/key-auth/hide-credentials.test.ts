import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KONG, start } from './testing/start.ts'

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

describe('S18 a service with a provider', () => {
  const provider = { provider: 'openai' }

  test('gets no key of any configured name, though hide_credentials is off', async () => {
    const { upstream, exchange } = await start({
      key_names: ['apikey', 'team-key'],
      key_in_body: true,
    }).request({
      method: 'POST',
      service: provider,
      target: '/?a=1&team-key=alice-key',
      headers: { apikey: 'alice-key', 'Team-Key': 'x', 'Content-Type': 'application/json' },
      body: { apikey: 'alice-key', model: 'm', 'team-key': 'alice-key' },
    })
    expect(exchange.consumer?.username).toBe('alice')
    expect(exchange.upstream.query).toBe('?a=1')
    expect(Object.keys(upstream)).toEqual(expect.not.arrayContaining(['apikey', 'team-key']))
    expect(Buffer.from(await exchange.request.body.bytes(1024)).toString()).toBe('{"model":"m"}')
  })

  test.each([
    ['a known caller', {}, { apikey: 'alice-key' }],
    ['the anonymous consumer', { anonymous: 'guest' }, {}],
  ])('is not told who %s is, nor what the client claims', async (_who, config, headers) => {
    const { upstream } = await start(config).request({
      service: provider,
      headers: { ...headers, 'X-Consumer-Username': 'root', 'X-Anonymous-Consumer': 'false' },
    })
    expect(Object.keys(upstream).filter((name) => /consumer|credential/.test(name))).toEqual([])
  })
})
