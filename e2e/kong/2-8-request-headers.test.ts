import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  ask,
  givenKong,
  givenPratu,
  givenUpstream,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream
let untrusting: GivenGateway
let trusting: GivenGateway

const configuration = () => ({
  services: [
    {
      name: 's',
      url: `${upstream.url}/base`,
      routes: [
        { paths: ['/a'] },
        { paths: ['/kept'], strip_path: false },
        { paths: ['/preserved'], preserve_host: true },
        { paths: ['~/v\\d+'] },
      ],
    },
    { url: `${upstream.url}/root`, routes: [{ paths: ['/'] }] },
  ],
})

beforeAll(async () => {
  upstream = await givenUpstream()
  untrusting = await givenKong(configuration())
  trusting = await givenKong(configuration(), {
    KONG_TRUSTED_IPS: '127.0.0.0/8',
    KONG_REAL_IP_HEADER: 'X-Forwarded-For',
  })
})
afterAll(async () => {
  await untrusting[Symbol.asyncDispose]()
  await trusting[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** What the upstream saw of one field; `undefined` when it did not come. */
async function seen(given: GivenGateway, name: string, asked: Asked): Promise<string | undefined> {
  const { status, text } = await ask(given.port, { path: '/a/b', ...asked })
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return upstream.last.headers.get(name)
}

describe('kong.md §2.8 Host', () => {
  test('is the service’s, with its port unless that is the scheme’s', async () => {
    expect(await seen(untrusting, 'host', {})).toBe(`127.0.0.1:${upstream.port}`)
  })

  test('is the client’s own with preserve_host, as it came', async () => {
    const asked = { path: '/preserved', host: 'Some.Test:8000' }
    expect(await seen(untrusting, 'host', asked)).toBe('Some.Test:8000')
  })

  test.each([
    [{ host_header: 'fixed.test' }, 'fixed.test'],
    [{}, undefined],
  ])('of an upstream %j: %s, else the target’s', async (fields, host) => {
    await using given = await givenKong({
      upstreams: [{ name: 'pool', ...fields, targets: [{ target: `127.0.0.1:${upstream.port}` }] }],
      services: [{ host: 'pool', routes: [{ paths: ['/'] }] }],
    })
    expect(await seen(given, 'host', {})).toBe(host ?? `127.0.0.1:${upstream.port}`)
  })

  test('leaves the port out when it is the scheme’s own', async () => {
    await using given = await givenKong(
      { services: [{ url: 'http://plain.test/x', routes: [{ paths: ['/'] }] }] },
      { PRATU_UPSTREAM_OVERRIDES: `http://plain.test=${upstream.url}` },
    )
    expect(await seen(given, 'host', {})).toBe('plain.test')
  })
})

describe('kong.md §2.8 forwarding headers', () => {
  const CLAIMED: Asked = {
    host: 'Own.Test:81',
    headers: {
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'claimed.test',
      'X-Forwarded-Port': '4443',
      'X-Forwarded-Path': '/claimed',
      'X-Forwarded-Prefix': '/prefix',
      'X-Real-IP': '203.0.113.9',
    },
  }
  const BARE: Asked = { host: 'Own.Test:81' }

  test.each([
    ['x-forwarded-for', '203.0.113.7, 127.0.0.1'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', 'own.test'],
    ['x-forwarded-path', '/a/b'],
    ['x-forwarded-prefix', '/a'],
    ['x-real-ip', '127.0.0.1'],
  ])('%s of a peer that is not trusted: our own value, %s', async (name, value) => {
    expect(await seen(untrusting, name, CLAIMED)).toBe(value)
  })

  test.each([
    ['x-forwarded-for', '203.0.113.7, 127.0.0.1'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', 'claimed.test'],
    ['x-forwarded-port', '4443'],
    ['x-forwarded-path', '/claimed'],
    ['x-forwarded-prefix', '/prefix'],
    ['x-real-ip', '203.0.113.7'],
  ])('%s of a trusted peer: what it says, %s', async (name, value) => {
    expect(await seen(trusting, name, CLAIMED)).toBe(value)
  })

  test.each([
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-proto', 'http'],
    ['x-forwarded-host', 'own.test'],
    ['x-forwarded-path', '/a/b'],
    ['x-forwarded-prefix', '/a'],
    ['x-real-ip', '127.0.0.1'],
  ])('%s when nobody says anything: %s', async (name, value) => {
    expect(await seen(untrusting, name, BARE)).toBe(value)
    expect(await seen(trusting, name, BARE)).toBe(value)
  })

  test('the port is that of the listener', async () => {
    expect(await seen(untrusting, 'x-forwarded-port', CLAIMED)).toBe(String(untrusting.port))
  })

  test('the path is told as it came, without the query', async () => {
    const path = '/a/%62/../c//d?q=1'
    expect(await seen(untrusting, 'x-forwarded-path', { path })).toBe('/a/%62/../c//d')
  })

  test.each<[path: string, value: string | undefined, why: string]>([
    ['/kept/x', undefined, 'nothing is stripped'],
    ['/x', undefined, 'the prefix is /'],
    ['/v12/x', '/v12', 'the whole match of a pattern'],
  ])('X-Forwarded-Prefix for %s: %s, %s', async (path, value) => {
    expect(await seen(untrusting, 'x-forwarded-prefix', { path })).toBe(value)
  })

  test('real_ip_recursive looks for the last address that is not trusted', async () => {
    await using given = await givenKong(configuration(), {
      KONG_TRUSTED_IPS: '127.0.0.0/8, 10.0.0.0/8',
      KONG_REAL_IP_HEADER: 'X-Forwarded-For',
      KONG_REAL_IP_RECURSIVE: 'on',
    })
    const asked = { headers: { 'X-Forwarded-For': '198.51.100.1, 203.0.113.7, 10.1.2.3' } }
    expect(await seen(given, 'x-real-ip', asked)).toBe('203.0.113.7')
    expect(await seen(trusting, 'x-real-ip', asked)).toBe('10.1.2.3')
  })

  test('X-Real-IP is the header that is believed by default', async () => {
    await using given = await givenKong(configuration(), { KONG_TRUSTED_IPS: '127.0.0.0/8' })
    expect(await seen(given, 'x-real-ip', CLAIMED)).toBe('203.0.113.9')
  })
})

describe('kong.md §2.8 what else is written', () => {
  test.each([
    ['', '1.1 kong/3.9.1'],
    ['1.0 before', '1.0 before, 1.1 kong/3.9.1'],
  ])('Via after %j: %s', async (before, value) => {
    const headers: Record<string, string> = before === '' ? {} : { Via: before }
    expect(await seen(untrusting, 'via', { headers })).toBe(value)
  })

  test('X-Kong-Request-Id: 32 hexadecimal digits, the same as in the answer, never the client’s', async () => {
    const headers = { 'X-Kong-Request-Id': 'mine' }
    const answer = await ask(untrusting.port, { path: '/a', headers })
    const id = upstream.last.headers.get('x-kong-request-id')
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(answer.headers.get('x-kong-request-id')).toBe(id)
  })

  test('KONG_HEADERS_UPSTREAM=off leaves it out', async () => {
    await using given = await givenKong(configuration(), { KONG_HEADERS_UPSTREAM: 'off' })
    expect(await seen(given, 'x-kong-request-id', {})).toBeUndefined()
  })

  test('TE: trailers only if the client asked for them', async () => {
    expect(await seen(untrusting, 'te', {})).toBeUndefined()
    expect(await seen(untrusting, 'te', { headers: { TE: 'gzip' } })).toBeUndefined()
    expect(await seen(untrusting, 'te', { headers: { TE: 'gzip, trailers' } })).toBe('trailers')
  })

  test('HTTP/1.1 is spoken, over connections that are kept', async () => {
    expect(await seen(untrusting, 'connection', { headers: { Connection: 'close' } })).toBe(
      'keep-alive',
    )
  })
})

describe('kong.md §2.8 what is taken out', () => {
  test.each([
    ['X-Secret', { Connection: 'close, x-secret', 'X-Secret': '1' }],
    ['Proxy', { Proxy: 'http://evil.test' }],
    ['Proxy-Connection', { 'Proxy-Connection': 'keep-alive' }],
    ['Keep-Alive', { 'Keep-Alive': 'timeout=5' }],
    ['Upgrade', { Connection: 'upgrade', Upgrade: 'h2c' }],
  ])('%s', async (name, headers) => {
    expect(await seen(untrusting, name.toLowerCase(), { headers })).toBeUndefined()
  })

  test('names with underscores are no reason', async () => {
    expect(await seen(untrusting, 'x_under', { headers: { X_Under: '1' } })).toBe('1')
  })

  test('all other fields pass in their order and spelling, repeated ones too', async () => {
    await ask(untrusting.port, {
      path: '/a',
      headers: [
        ['X-One', '1'],
        ['x-TWO', 'a'],
        ['x-TWO', 'b'],
        ['Authorization', 'Bearer mine'],
      ],
    })
    const own = ['X-One', 'x-TWO', 'Authorization']
    expect(upstream.last.names.filter((name) => own.includes(name))).toEqual([
      'X-One',
      'x-TWO',
      'x-TWO',
      'Authorization',
    ])
    expect(upstream.last.headers.get('x-two')).toBe('a, b')
  })
})

test('kong.md §2.8 Pratu names itself, and Kong only under `compatibility: kong`', async () => {
  await using given = await givenPratu(configuration())
  expect(await seen(given, 'via', {})).toMatch(/^1\.1 pratu\/\d/)
  await using inFile = await givenPratu({ compatibility: 'kong', ...configuration() })
  expect(await seen(inFile, 'via', {})).toBe('1.1 kong/3.9.1')
})
