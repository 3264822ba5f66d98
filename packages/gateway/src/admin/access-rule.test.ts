import { describe, expect, test } from 'vitest'
import { Secret } from '../config/index.ts'
import { createAccessRule, isLoopback } from './access-rule.ts'
import { EXAMPLE, givenAdmin } from './testing/given-admin.ts'

const REMOTE = { peerIp: '10.1.2.3', host: 'gateway.test:8080' }
const OPEN = [
  '/metrics',
  '/v1/metrics/latency',
  '/status',
  '/status/ready',
  '/health',
  '/livez',
  '/readyz',
]
const GUARDED = [
  '/',
  '/config',
  '/services',
  '/plugins',
  '/schemas/routes',
  '/endpoints',
  '/no/such/path',
]

describe('S36 who may do what without a token', () => {
  test.each(OPEN)('%s is open to every peer', async (path) => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    expect((await admin.call('GET', path, REMOTE)).status).toBe(200)
  })

  test.each(GUARDED)('%s is for this machine only', async (path) => {
    const admin = givenAdmin()
    await admin.load(EXAMPLE)
    expect((await admin.call('GET', path, REMOTE)).status).toBe(403)
    expect((await admin.call('GET', path)).status).not.toBe(403)
  })

  test.each(['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'])(
    'a loopback peer that forwards for somebody (%s) is not this machine',
    async (name) => {
      const answer = await givenAdmin().call('GET', '/', { headers: { [name]: '10.9.9.9' } })
      expect(answer.status).toBe(403)
    },
  )

  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['127.0.0.1.evil.test', false],
    ['', false],
  ])('%s is loopback: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected)
  })
})

describe('S37 pages of other sites', () => {
  test.each(['evil.test', 'evil.test:8080', '', 'localhost.evil.test', '127.0.0.1.evil.test'])(
    'a rebound name (%s) is refused, for reading too',
    async (host) => {
      const answer = await givenAdmin().call('GET', '/config', { host })
      expect(answer.status).toBe(403)
    },
  )

  test.each([
    '127.0.0.1',
    '127.0.0.1:8080',
    'localhost:8080',
    'LOCALHOST',
    '[::1]:8080',
    '10.0.0.7:8080',
  ])('an address or localhost (%s) is served', async (host) => {
    expect((await givenAdmin().call('GET', '/', { host })).status).toBe(200)
  })

  test.each([
    { origin: 'https://evil.test' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('a cross-site request (%o) changes nothing', async (headers) => {
    const admin = givenAdmin()
    const answer = await admin.call('POST', '/config', {
      headers: { 'content-type': 'application/yaml', ...headers },
      body: EXAMPLE,
    })
    expect(answer.status).toBe(403)
    expect(admin.dependencies.state.current()).toBeUndefined()
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
  ])('a type that a page may send without asking (%s) is refused', async (type) => {
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type }
    const answer = await givenAdmin().call('POST', '/config', { headers, body: EXAMPLE })
    expect(answer.status).toBe(415)
  })

  test('no answer grants another origin anything', async () => {
    const admin = givenAdmin()
    for (const [method, path] of [
      ['GET', '/metrics'],
      ['OPTIONS', '/services'],
      ['GET', '/'],
    ] as const) {
      const answer = await admin.call(method, path, {
        headers: { origin: 'http://127.0.0.1:8080' },
      })
      expect(
        Object.keys(answer.headers).filter((name) => name.startsWith('access-control-')),
      ).toEqual([])
    }
  })
})

describe('with PRATU_ADMIN_TOKEN', () => {
  const TOKEN = 'canary-admin-token'

  test.each(GUARDED)('%s needs it, from loopback too', async (path) => {
    const answer = await givenAdmin({ adminToken: TOKEN }).call('GET', path)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="admin"')
    expect(answer.text).not.toContain(TOKEN)
  })

  test.each([
    { 'Kong-Admin-Token': TOKEN },
    { Authorization: `Bearer ${TOKEN}` },
    { authorization: `bearer  ${TOKEN}` },
  ])('%o opens it, from anywhere and under any name', async (headers) => {
    const answer = await givenAdmin({ adminToken: TOKEN }).call('GET', '/', { ...REMOTE, headers })
    expect(answer.status).toBe(200)
  })

  test.each([
    { 'kong-admin-token': '' },
    { 'kong-admin-token': TOKEN.slice(0, -1) },
    { 'kong-admin-token': `${TOKEN}x` },
    { authorization: 'Bearer ' },
    { authorization: 'Bearer undefined' },
    { authorization: `Basic ${TOKEN}` },
  ])('S12 %o does not', async (headers) => {
    expect((await givenAdmin({ adminToken: TOKEN }).call('GET', '/', { headers })).status).toBe(401)
  })

  test.each(OPEN)('%s stays open', async (path) => {
    const admin = givenAdmin({ adminToken: TOKEN })
    await admin.load(EXAMPLE)
    expect((await admin.call('GET', path, REMOTE)).status).toBe(200)
  })

  test('S12 an empty token refuses to start', () => {
    expect(() => createAccessRule(new Secret(''))).toThrow('the admin token is empty')
  })
})
