import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admin, ask, at, givenKong, givenUpstream, type GivenUpstream } from './support.ts'

let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(() => upstream[Symbol.asyncDispose]())

const configuration = () => ({
  services: [{ name: 'svc', url: upstream.url, routes: [{ name: 'r', paths: ['/a'] }] }],
  routes: [{ paths: ['/nameless'] }],
})
const NAMES = ['kong-route-id', 'kong-route-name', 'kong-service-id', 'kong-service-name']

describe('kong.md §2.6 debug headers', () => {
  test('with KONG_ALLOW_DEBUG_HEADER and Kong-Debug of any value: route and service', async () => {
    await using given = await givenKong(configuration(), { KONG_ALLOW_DEBUG_HEADER: 'on' })
    const { headers } = await ask(given.port, { path: '/a', headers: { 'Kong-Debug': '0' } })
    const route = at((await admin(given, '/routes/r')).json, 'id')
    const service = at((await admin(given, '/services/svc')).json, 'id')
    expect(NAMES.map((name) => headers.get(name))).toEqual([route, 'r', service, 'svc'])
  })

  test('on answers of the gateway’s own, what there is', async () => {
    await using given = await givenKong(configuration(), { KONG_ALLOW_DEBUG_HEADER: 'on' })
    const debug = { headers: { 'Kong-Debug': '1' } }
    const nameless = await ask(given.port, { path: '/nameless', ...debug })
    expect(nameless.status).toBe(503)
    expect(NAMES.map((name) => nameless.headers.has(name))).toEqual([true, false, false, false])
    const none = await ask(given.port, { path: '/none', ...debug })
    expect(NAMES.some((name) => none.headers.has(name))).toBe(false)
  })

  test('not unless the request asks, and not by default', async () => {
    await using allowed = await givenKong(configuration(), { KONG_ALLOW_DEBUG_HEADER: 'on' })
    await using given = await givenKong(configuration())
    const silent = await ask(allowed.port, { path: '/a' })
    const refused = await ask(given.port, { path: '/a', headers: { 'Kong-Debug': '1' } })
    for (const { headers } of [silent, refused])
      expect(NAMES.some((name) => headers.has(name))).toBe(false)
  })
})
