import { describe, expect, test } from 'vitest'
import { ask, at, configure, givenKong, shareKong } from './support.ts'

const { upstream, given } = await shareKong()

const serving = (route: object) => ({ services: [{ url: upstream.url, routes: [route] }] })

describe('kong.md §2.5 no match', () => {
  test('404 in Kong’s words', async () => {
    await configure(given, serving({ paths: ['/a'] }))
    const answer = await ask(given.port, { path: '/b' })
    expect(answer.status).toBe(404)
    expect(at(JSON.parse(answer.text), 'message')).toBe('no Route matched with those values')
    expect(answer.headers.get('server')).toBe('kong/3.9.1')
    expect(answer.headers.has('x-kong-response-latency')).toBe(true)
  })

  test('global plugins see the response but not the request: no access, no answer, no limit', async () => {
    await configure(given, {
      ...serving({ paths: ['/a'] }),
      plugins: [
        { name: 'correlation-id', config: { echo_downstream: true, header_name: 'X-Id' } },
        { name: 'cors' },
        { name: 'key-auth' },
        { name: 'rate-limiting', config: { hour: 1 } },
        { name: 'request-termination', config: { status_code: 418 } },
      ],
    })
    for (let i = 0; i < 2; i++) {
      const answer = await ask(given.port, { path: '/b', headers: { 'X-Id': 'mine' } })
      expect(answer.status).toBe(404)
      expect(answer.headers.get('x-id')).toBe('mine')
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.has('ratelimit-limit')).toBe(false)
    }
  })
})

describe('kong.md §2.5 a route for https only', () => {
  test('426 with the upgrade that is wanted', async () => {
    await configure(given, serving({ paths: ['/a'], protocols: ['https'] }))
    const answer = await ask(given.port, { path: '/a' })
    expect(answer.status).toBe(426)
    expect(at(JSON.parse(answer.text), 'message')).toBe('Please use HTTPS protocol')
    expect(answer.headers.get('connection')?.toLowerCase()).toContain('upgrade')
    expect(answer.headers.get('upgrade')).toBe('TLS/1.2, HTTP/1.1')
  })

  test.each([301, 302, 307, 308])('%i with a Location and no body', async (status) => {
    await configure(
      given,
      serving({ paths: ['/a'], protocols: ['https'], https_redirect_status_code: status }),
    )
    const answer = await ask(given.port, { path: '/a/b?c=%20d', host: 'Some.Test:8000' })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('location')).toBe('https://some.test/a/b?c=%20d')
    expect(answer.text).toBe('')
  })

  test('X-Forwarded-Proto and -Host of a trusted peer count, of others not', async () => {
    const configuration = serving({
      paths: ['/a'],
      protocols: ['https'],
      https_redirect_status_code: 301,
    })
    await using trusting = await givenKong(configuration, { KONG_TRUSTED_IPS: '127.0.0.0/8' })
    await configure(given, configuration)
    const https = { path: '/a', headers: { 'X-Forwarded-Proto': 'https' } }
    expect((await ask(trusting.port, https)).status).toBe(200)
    expect((await ask(given.port, https)).status).toBe(301)
    const named = { path: '/a', headers: { 'X-Forwarded-Host': 'public.test' } }
    expect((await ask(trusting.port, named)).headers.get('location')).toBe('https://public.test/a')
    expect((await ask(given.port, named)).headers.get('location')).toBe('https://gateway.test/a')
  })

  test('a route for http only also takes https', async () => {
    await using trusting = await givenKong(serving({ paths: ['/a'], protocols: ['http'] }), {
      KONG_TRUSTED_IPS: '127.0.0.0/8',
    })
    const https = { path: '/a', headers: { 'X-Forwarded-Proto': 'https' } }
    expect((await ask(trusting.port, https)).status).toBe(200)
  })
})

test('kong.md §2.5 gRPC routes load and never match: they are not served', async () => {
  await configure(given, serving({ paths: ['/a'], protocols: ['grpc'] }))
  expect((await ask(given.port, { path: '/a' })).status).toBe(404)
})

test('kong.md §2.5 a route without service: access first, then 503', async () => {
  await configure(given, {
    routes: [{ paths: ['/a'] }],
    consumers: [{ username: 'a', keyauth_credentials: [{ key: 'k' }] }],
    plugins: [{ name: 'key-auth' }],
  })
  expect((await ask(given.port, { path: '/a' })).status).toBe(401)
  const answer = await ask(given.port, { path: '/a', headers: { apikey: 'k' } })
  expect(answer.status).toBe(503)
  expect(at(JSON.parse(answer.text), 'message')).toBe('no Service found with those values')
})
