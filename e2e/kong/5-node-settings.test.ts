import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createServer } from 'node:https'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { givenGateway, type GivenGateway } from '../gateway.ts'
import {
  admin,
  ask,
  at,
  document,
  givenKong,
  givenUpstream,
  refusals,
  type GivenUpstream,
} from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'kong-settings-'))
const TLS = fileURLToPath(
  new URL('../../packages/gateway/src/upstream/testdata/tls/', import.meta.url),
)
let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await upstream[Symbol.asyncDispose]()
})

const configuration = () => ({
  services: [{ url: upstream.url, routes: [{ paths: ['/a'] }] }],
})
const A = { path: '/a' }

/** A gateway with these variables and none of the test's own for the same setting. */
const given = (
  environment: Readonly<Record<string, string>>,
  without: readonly string[] = [],
): Promise<GivenGateway> =>
  givenGateway({
    configuration: document(configuration()),
    environment: { ...Object.fromEntries(without.map((name) => [name, ''])), ...environment },
  })

const linesOf = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line))

describe('kong.md §5 variables of Kong that have their effect', () => {
  test('KONG_DATABASE: off, or the node does not start', async () => {
    await using gateway = await given({ KONG_DATABASE: 'off' })
    expect((await ask(gateway.port, A)).status).toBe(200)
    await expect(given({ KONG_DATABASE: 'postgres' })).rejects.toThrow(
      "KONG_DATABASE: 'postgres' is not supported",
    )
  })

  test('KONG_DECLARATIVE_CONFIG and KONG_DECLARATIVE_CONFIG_STRING', async () => {
    const path = join(folder, 'kong.json')
    writeFileSync(path, document(configuration()))
    const none = ['PRATU_CONFIG_STRING']
    await using file = await given({ KONG_DECLARATIVE_CONFIG: path }, none)
    await using text = await given(
      { KONG_DECLARATIVE_CONFIG_STRING: document(configuration()) },
      none,
    )
    for (const gateway of [file, text]) expect((await ask(gateway.port, A)).status).toBe(200)
  })

  test('KONG_PROXY_LISTEN, KONG_ADMIN_LISTEN and KONG_STATUS_LISTEN, with Kong’s flags', async () => {
    await using gateway = await given(
      {
        KONG_PROXY_LISTEN: '127.0.0.1:0 reuseport backlog=16384, 127.0.0.1:0',
        KONG_ADMIN_LISTEN: '127.0.0.1:0 reuseport backlog=16384',
        KONG_STATUS_LISTEN: '127.0.0.1:0',
      },
      ['PRATU_PROXY_LISTEN', 'PRATU_ADMIN_LISTEN'],
    )
    const { proxyAddresses, adminAddresses } = gateway.gateway
    expect([proxyAddresses.length, adminAddresses.length]).toEqual([2, 2])
    for (const { port } of proxyAddresses) expect((await ask(port, A)).status).toBe(200)
    for (const { port } of adminAddresses)
      expect((await fetch(`http://127.0.0.1:${port}/status`)).status).toBe(200)
  })

  test('KONG_PROXY_ACCESS_LOG, KONG_ADMIN_ACCESS_LOG, KONG_PROXY_ERROR_LOG and KONG_LOG_LEVEL', async () => {
    const [access, admins, errors] = ['access', 'admin', 'error'].map((name) => join(folder, name))
    await using gateway = await given(
      {
        KONG_PROXY_ACCESS_LOG: access ?? '',
        KONG_ADMIN_ACCESS_LOG: admins ?? '',
        KONG_PROXY_ERROR_LOG: errors ?? '',
        KONG_LOG_LEVEL: 'notice',
      },
      ['PRATU_PROXY_ACCESS_LOG', 'PRATU_ADMIN_ACCESS_LOG', 'PRATU_ERROR_LOG'],
    )
    await ask(gateway.port, A)
    await admin(gateway, '/services')
    await expect.poll(() => linesOf(access ?? '').length).toBe(1)
    expect(linesOf(access ?? '')).toMatchObject([{ request: { uri: '/a' } }])
    await expect.poll(() => linesOf(admins ?? '').length).toBe(1)
    await expect
      .poll(() => linesOf(errors ?? ''))
      .toContainEqual(expect.objectContaining({ msg: 'listening' }))

    const quiet = join(folder, 'quiet')
    await using silent = await given({ KONG_PROXY_ERROR_LOG: quiet, KONG_LOG_LEVEL: 'crit' }, [
      'PRATU_ERROR_LOG',
    ])
    await ask(silent.port, A)
    expect(linesOf(quiet)).toEqual([])
  })

  test('KONG_PLUGINS restricts Kong’s names', async () => {
    await using gateway = await given({ KONG_PLUGINS: 'key-auth, cors' })
    expect(await refusals(gateway, { plugins: [{ name: 'correlation-id' }] })).toEqual([
      "plugins.1.name: plugin 'correlation-id' not enabled; add it to the 'plugins' configuration property",
    ])
  })

  test('KONG_HEADERS', async () => {
    await using gateway = await given({ KONG_HEADERS: 'latency_tokens' })
    const { headers } = await ask(gateway.port, A)
    expect(headers.has('x-kong-proxy-latency')).toBe(true)
    expect(headers.has('via')).toBe(false)
    expect(headers.has('x-kong-request-id')).toBe(false)
  })

  test('KONG_TRUSTED_IPS, KONG_REAL_IP_HEADER and KONG_REAL_IP_RECURSIVE', async () => {
    await using gateway = await given({
      KONG_TRUSTED_IPS: '127.0.0.1, 10.0.0.0/8',
      KONG_REAL_IP_HEADER: 'X-Client',
      KONG_REAL_IP_RECURSIVE: 'on',
    })
    await ask(gateway.port, { ...A, headers: { 'X-Client': '203.0.113.7, 10.0.0.1' } })
    expect(upstream.last.headers.get('x-real-ip')).toBe('203.0.113.7')
  })

  test.each([
    ['KONG_UPSTREAM_KEEPALIVE_POOL_SIZE', '0', 3],
    ['KONG_UPSTREAM_KEEPALIVE_MAX_REQUESTS', '1', 3],
    ['KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT', '60', 1],
  ])('%s=%s: %i connections for three requests', async (name, value, connections) => {
    const sockets = new Set<number>()
    await using counting = await givenUpstream((_request, response) => {
      sockets.add(response.socket?.remotePort ?? 0)
      response.end('ok')
    })
    await using gateway = await givenGateway({
      configuration: document({ services: [{ url: counting.url, routes: [{ paths: ['/'] }] }] }),
      environment: { [name]: value },
    })
    for (let i = 0; i < 3; i++) await ask(gateway.port)
    expect(sockets.size).toBe(connections)
  })

  test('KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE; 0 lifts the limit', async () => {
    const post = (size: number) => ({ ...A, method: 'POST', body: 'x'.repeat(size) })
    await using small = await given({ KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: '1k' })
    expect((await ask(small.port, post(1024))).status).toBe(200)
    expect((await ask(small.port, post(1025))).status).toBe(413)
    await using none = await given({ KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: '0' })
    expect((await ask(none.port, post(11 * 1024 * 1024))).status).toBe(200)
  })

  test('KONG_NGINX_WORKER_PROCESSES', async () => {
    await using gateway = await given({ KONG_NGINX_WORKER_PROCESSES: '2' })
    expect((await ask(gateway.port, A)).status).toBe(200)
    expect(at((await admin(gateway, '/status')).json, 'pratu', 'workers')).toHaveLength(2)
  })

  test('KONG_LUA_SSL_TRUSTED_CERTIFICATE: one more authority', async () => {
    const server = createServer(
      { key: readFileSync(`${TLS}server.key`), cert: readFileSync(`${TLS}server.pem`) },
      (_request, response) => response.end('ok'),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const secure = document({
        services: [{ protocol: 'https', host: '127.0.0.1', port, routes: [{ paths: ['/'] }] }],
      })
      const statusWith = async (environment: Readonly<Record<string, string>>): Promise<number> => {
        await using gateway = await givenGateway({ configuration: secure, environment })
        return (await ask(gateway.port)).status
      }
      expect(await statusWith({})).toBe(502)
      expect(await statusWith({ KONG_LUA_SSL_TRUSTED_CERTIFICATE: `${TLS}ca.pem` })).toBe(200)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  test.each(['KONG_MEM_CACHE_SIZE', 'KONG_MEM_CACHE_MAX_SIZE'])(
    '%s bounds the caches',
    async (name) => {
      await using gateway = await given({ [name]: '64m' })
      const { json } = await admin(gateway, '/')
      expect(at(json, 'configuration', 'mem_cache_size')).toBe(String(64 * 1024 * 1024))
    },
  )

  test('KONG_MEM_CACHE_TTL is the default of proxy-cache', async () => {
    await using gateway = await givenGateway({
      configuration: document({
        ...configuration(),
        plugins: [{ name: 'proxy-cache', config: { strategy: 'memory' } }],
      }),
      environment: { KONG_MEM_CACHE_TTL: '7' },
    })
    const { headers } = await ask(gateway.port, A)
    const { json } = await admin(gateway, `/proxy-cache/${headers.get('x-cache-key') ?? ''}`)
    expect(at(json, 'ttl')).toBe(7)
  })
})

describe('kong.md §5 how variables are read', () => {
  test('values are trimmed, an empty one is unset, lists are comma-separated', async () => {
    await using gateway = await givenKong(configuration(), {
      KONG_HEADERS: '  server_tokens ,  x-kong-upstream-status  ',
      KONG_TRUSTED_IPS: '',
    })
    const { headers } = await ask(gateway.port, A)
    expect(headers.get('x-kong-upstream-status')).toBe('200')
    expect(headers.get('via')).toBe('1.1 kong/3.9.1')
    expect(headers.has('x-kong-proxy-latency')).toBe(false)
  })

  test('architecture §4 a variable without meaning here is named once, where Kong says nothing', async () => {
    const log = join(folder, 'stray')
    await using gateway = await given(
      {
        KONG_PROXY_ERROR_LOG: log,
        KONG_PG_HOST: 'db',
        KONG_KONG_LOG_LEVEL: 'debug',
        KONG_SERVICE_HOST: '10.0.0.1',
      },
      ['PRATU_ERROR_LOG'],
    )
    await ask(gateway.port, A)
    const told = (): string[] =>
      linesOf(log)
        .map((line) => String(at(line, 'msg')))
        .filter((message) => /KONG_(?:PG|KONG|SERVICE)/.test(message))
    await expect.poll(() => told().length).toBe(2)
    expect(told().toSorted()).toEqual([
      expect.stringContaining('KONG_LOG_LEVEL was probably meant'),
      expect.stringMatching(/^KONG_PG_HOST has no meaning here and is ignored/),
    ])
  })
})
