import { describe, expect, test } from 'vitest'
import { admin, ask, at, configure, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

/** Where releases of Kong differ, 3.9 is the profile. */
describe('kong.md §0 the profile is Kong 3.9', () => {
  test('a wrong key is Unauthorized, with a challenge and the request’s id (3.5, 3.6)', async () => {
    await configure(given, {
      services: [{ url: upstream.url, routes: [{ paths: ['/'] }] }],
      plugins: [{ name: 'key-auth' }],
    })
    const { text, headers } = await ask(given.port, { headers: { apikey: 'wrong' } })
    expect(JSON.parse(text)).toEqual({
      message: 'Unauthorized',
      request_id: headers.get('x-kong-request-id'),
    })
    expect(headers.get('www-authenticate')).toBe('Key')
  })

  test('Via has the protocol’s version, on requests too (3.8)', async () => {
    await configure(given, { services: [{ url: upstream.url, routes: [{ paths: ['/'] }] }] })
    const { headers } = await ask(given.port)
    expect(headers.get('via')).toBe('1.1 kong/3.9.1')
    expect(upstream.last.headers.get('via')).toBe('1.1 kong/3.9.1')
  })

  test('redis fields are nested, the flat ones still known (3.6); cache headers have switches (3.5)', async () => {
    const plugins = [
      { name: 'rate-limiting', config: { minute: 1, policy: 'redis', redis_host: 'r.test' } },
      { name: 'proxy-cache', config: { strategy: 'memory', response_headers: { age: false } } },
    ]
    expect((await configure(given, { plugins })).status).toBe(201)
    const shown = at((await admin(given, '/plugins')).json, 'data') as { name: string }[]
    const limit = shown.find(({ name }) => name === 'rate-limiting')
    expect(at(limit, 'config', 'redis', 'host')).toBe('r.test')
  })

  test('correlation-id runs first (3.9), server names may have wildcards (3.7)', async () => {
    const { json } = await admin(given, '/')
    expect(at(json, 'plugins', 'available_on_server', 'correlation-id', 'priority')).toBe(100_001)
    const routes = ['*.a.test', 'a.*'].map((sni) => ({ paths: ['/'], snis: [sni] }))
    expect((await configure(given, { routes })).status).toBe(201)
  })
})
