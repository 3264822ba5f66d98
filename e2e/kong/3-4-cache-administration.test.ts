import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  admin,
  ask,
  at,
  configure,
  givenKong,
  givenUpstream,
  type AdminAnswer,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream

const ID = 'dddddddd-dddd-4ddd-8ddd-dddddddddddd'
const OTHER_ID = 'eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee'

beforeAll(async () => {
  upstream = await givenUpstream((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'X-Two': ['a', 'b'] }).end('kept')
  })
})
afterAll(() => upstream[Symbol.asyncDispose]())

const cache = (id: string, route: string) => ({
  id,
  name: 'proxy-cache',
  route,
  config: { strategy: 'memory', cache_ttl: 60 },
})
const configuration = () => ({
  services: [
    {
      url: upstream.url,
      routes: [
        { name: 'r', paths: ['/r'] },
        { name: 'q', paths: ['/q'] },
      ],
    },
  ],
  plugins: [cache(ID, 'r'), cache(OTHER_ID, 'q')],
})

/** Asks once, and tells the key that the answer is kept under. */
async function keep(given: GivenGateway, path: string): Promise<string> {
  const { headers } = await ask(given.port, { path })
  return headers.get('x-cache-key') ?? ''
}
const statusOf = async (given: GivenGateway, path: string) =>
  (await ask(given.port, { path })).headers.get('x-cache-status')
const remove = (given: GivenGateway, path: string): Promise<AdminAnswer> =>
  admin(given, path, { method: 'DELETE' })

describe('kong.md §3.4 the cache on the Admin API', () => {
  test('GET /proxy-cache/{key}: the cached object', async () => {
    await using given = await givenKong(configuration())
    const key = await keep(given, '/r')
    const { status, json } = await admin(given, `/proxy-cache/${key}`)
    expect(status).toBe(200)
    expect(json).toMatchObject({
      status: 200,
      headers: { 'X-Two': ['a', 'b'], 'Content-Type': 'text/plain' },
      body: 'kept',
      body_len: 4,
      ttl: 60,
      version: 1,
      req_body: null,
    })
    expect(Math.abs(Number(at(json, 'timestamp')) - Date.now() / 1000)).toBeLessThan(10)
  })

  test('DELETE /proxy-cache/{key}: 204, then 404', async () => {
    await using given = await givenKong(configuration())
    const key = await keep(given, '/r')
    expect((await remove(given, `/proxy-cache/${key}`)).status).toBe(204)
    expect((await remove(given, `/proxy-cache/${key}`)).status).toBe(404)
    expect((await admin(given, `/proxy-cache/${key}`)).status).toBe(404)
    expect(await statusOf(given, '/r')).toBe('Miss')
  })

  test('/proxy-cache/{plugin}/caches/{key}: only what that plugin keeps', async () => {
    await using given = await givenKong(configuration())
    const key = await keep(given, '/r')
    const of = (id: string): string => `/proxy-cache/${id}/caches/${key}`
    expect((await admin(given, of(OTHER_ID))).status).toBe(404)
    expect((await admin(given, of('ffffffff-ffff-4fff-8fff-ffffffffffff'))).status).toBe(404)
    expect((await admin(given, of(ID))).status).toBe(200)
    expect((await remove(given, of(ID))).status).toBe(204)
    expect(await statusOf(given, '/r')).toBe('Miss')
  })

  test('DELETE /proxy-cache: everything goes', async () => {
    await using given = await givenKong(configuration())
    await keep(given, '/r')
    await keep(given, '/q')
    expect([await statusOf(given, '/r'), await statusOf(given, '/q')]).toEqual(['Hit', 'Hit'])
    expect((await remove(given, '/proxy-cache')).status).toBe(204)
    expect([await statusOf(given, '/r'), await statusOf(given, '/q')]).toEqual(['Miss', 'Miss'])
  })

  test('in every worker', async () => {
    await using given = await givenKong(configuration(), { KONG_NGINX_WORKER_PROCESSES: '2' })
    const key = await keep(given, '/r')
    expect((await admin(given, `/proxy-cache/${key}`)).status).toBe(200)
    expect((await remove(given, '/proxy-cache')).status).toBe(204)
    for (const emptied of [`/proxy-cache/${key}`, '/proxy-cache']) {
      let misses = 0
      const asked = async (): Promise<number> => {
        if ((await statusOf(given, '/r')) === 'Miss') misses++
        return misses
      }
      // A connection goes to either worker; each misses once when nothing was left in it.
      await expect.poll(asked, { interval: 1, timeout: 5000 }).toBe(2)
      expect((await remove(given, emptied)).status).toBe(204)
      expect((await admin(given, `/proxy-cache/${key}`)).status).toBe(404)
    }
  })

  test('what a plugin kept goes with it: one that comes back starts anew', async () => {
    await using given = await givenKong(configuration())
    const key = await keep(given, '/r')
    const { plugins, ...without } = configuration()
    expect((await configure(given, { plugins, ...without })).status).toBe(201)
    expect(await statusOf(given, '/r')).toBe('Hit')
    expect((await configure(given, without)).status).toBe(201)
    expect((await configure(given, configuration())).status).toBe(201)
    expect((await admin(given, `/proxy-cache/${key}`)).status).toBe(404)
    expect(await statusOf(given, '/r')).toBe('Miss')
  })

  test('other methods and paths are refused', async () => {
    await using given = await givenKong(configuration())
    expect((await admin(given, '/proxy-cache')).status).toBe(405)
    expect((await admin(given, '/proxy-cache/k', { method: 'POST' })).status).toBe(405)
    expect((await admin(given, `/proxy-cache/${ID}/caches`)).status).toBe(404)
  })
})
