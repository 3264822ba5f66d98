import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import { ask, givenKong, givenPratu, givenUpstream, type GivenUpstream } from './support.ts'

let upstream: GivenUpstream
let kong: GivenGateway
let pratu: GivenGateway

beforeAll(async () => {
  upstream = await givenUpstream()
  const service = (name: string, route: object) => ({
    name,
    url: `${upstream.url}/${name}`,
    routes: [{ name, strip_path: false, ...route }],
  })
  const configuration = {
    services: [
      service('a', { paths: ['/a'] }),
      service('b', { paths: ['/b'] }),
      service('colon', { paths: ['/x:y', '/x%3Ay'] }),
      service('host', { hosts: ['Case.test'] }),
      service('port', { hosts: ['port.test:8080'] }),
      service('method', { methods: ['PURGE'] }),
    ],
  }
  kong = await givenKong(configuration)
  pratu = await givenPratu(configuration)
})
afterAll(async () => {
  await kong[Symbol.asyncDispose]()
  await pratu[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function targetOf(given: GivenGateway, path: string): Promise<string> {
  const { status } = await ask(given.port, { path })
  return status === 200 ? upstream.last.target : String(status)
}

describe('kong.md §2.1 the path that is matched', () => {
  test.each([
    ['/a?x=/b', '/a/a?x=/b', 'ends at the first ?'],
    ['/a?x=1?y=2', '/a/a?x=1?y=2', 'and not at another one'],
    ['/%61/c', '/a/a/c', 'unreserved escapes are decoded'],
    ['/a/%7euser%2D1', '/a/a/~user-1', 'also of punctuation without a meaning'],
    ['/a%21%2A%27%28%29', '/a/a%21%2A%27%28%29', 'those of reserved characters stay'],
    ['/a/%3a%3F%23%5b%5D%40', '/a/a/%3A%3F%23%5B%5D%40', 'with upper-case digits'],
    ['/a//b///c', '/a/a/b/c', 'repeated slashes are one'],
    ['/x%3ay', '/colon/x%3Ay', 'an escaped colon is not a colon'],
    ['/x:y', '/colon/x:y', 'and a colon is not an escaped one'],
    ['/a/%E6%BC%A2', '/a/a/%E6%BC%A2', 'bytes beyond ASCII go out escaped'],
  ])('%s: %s, %s', async (path, target) => {
    expect(await targetOf(kong, path)).toBe(target)
    expect(await targetOf(pratu, path)).toBe(target)
  })

  test.each([
    ['/a/../b/c', '/b/b/c', 'dot segments are removed'],
    ['/a/%2e%2E/b', '/b/b', 'also escaped ones'],
    ['/a/./d', '/a/a/d', 'single dots too'],
    ['/../../a', '/a/a', 'and none climbs above the root'],
    ['/a/b/..', '/a/a/', 'one at the end leaves a slash'],
    ['/a/%2Fb', '/a/a/%2Fb', 'an escaped slash stays'],
    ['/a/b\\c', '/a/a/b%5Cc', 'a backslash is a character'],
  ])('%s: %s under compatibility: kong (%s), refused otherwise (S06)', async (path, target) => {
    expect(await targetOf(kong, path)).toBe(target)
    expect(await targetOf(pratu, path)).toBe('400')
  })

  test('`compatibility: kong` in the file does the same as in the environment', async () => {
    await using given = await givenPratu({
      compatibility: 'kong',
      services: [{ url: upstream.url, routes: [{ paths: ['/b'], strip_path: false }] }],
    })
    expect(await targetOf(given, '/a/../b')).toBe('/b')
  })
})

describe('kong.md §2.1 the host that is matched', () => {
  test.each([
    ['Case.test', 200],
    ['case.test', 404],
    ['Case.test:9999', 200],
    ['port.test:8080', 200],
    ['port.test:81', 404],
    // The listener's own port counts where the header names none.
    ['port.test', 404],
  ])('%s: %i', async (host, status) => {
    expect((await ask(kong.port, { path: '/', host })).status).toBe(status)
  })

  test('the listener’s port counts where the header has none', async () => {
    await using given = await givenKong({})
    await using other = await givenKong({
      services: [{ url: upstream.url, routes: [{ hosts: [`port.test:${given.port}`] }] }],
    })
    expect((await ask(other.port, { host: 'port.test' })).status).toBe(404)
    expect((await ask(other.port, { host: `port.test:${given.port}` })).status).toBe(200)
  })
})

test('kong.md §2.1 the method is compared with its case', async () => {
  expect((await ask(kong.port, { method: 'PURGE' })).status).toBe(200)
  expect((await ask(kong.port, { method: 'purge' })).status).toBe(404)
})

test('kong.md §2.1 the scheme is that of the listener, not X-Forwarded-Proto', async () => {
  await using given = await givenKong(
    { services: [{ url: upstream.url, routes: [{ paths: ['/'], snis: ['secure.test'] }] }] },
    { KONG_TRUSTED_IPS: '127.0.0.1' },
  )
  // Were it https, the server name would have to match.
  const answer = await ask(given.port, { headers: { 'X-Forwarded-Proto': 'https' } })
  expect(answer.status).toBe(200)
})
