import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import type { HostFacts } from './host-facts.ts'
import { NodeSettingsError, readNodeSettings } from './read-node-settings.ts'
import { VARIABLES, type Variable } from './variables.ts'

const MIB = 1024 * 1024

const facts: HostFacts = {
  hostname: 'pod-1',
  cpus: 4,
  memoryLimitBytes: undefined,
  namespace: undefined,
  readText(path) {
    if (path.endsWith('.pem')) return `-----BEGIN CERTIFICATE-----\n${path}\n`
    if (path.endsWith('.txt')) return 'no certificate'
    throw new Error('ENOENT')
  },
}

function read(
  environment: Record<string, string>,
  flags: Record<string, string> = {},
  host: Partial<HostFacts> = {},
) {
  return readNodeSettings(flags, environment, { ...facts, ...host })
}

function problems(environment: Record<string, string>, flags: Record<string, string> = {}) {
  try {
    read(environment, flags)
    return []
  } catch (error) {
    if (error instanceof NodeSettingsError) return error.problems
    throw error
  }
}

test('without anything set, the defaults are those of the fault catalogue', () => {
  const { settings, warnings } = read({})
  expect(warnings).toEqual([])
  expect(settings).toMatchObject({
    configuration: undefined,
    compatibility: 'pratu',
    proxyListen: [{ host: '0.0.0.0', port: 8000 }],
    adminListen: [{ host: '127.0.0.1', port: 8080 }],
    statusListen: [],
    workers: 1,
    logLevel: 'info',
    plugins: 'bundled',
    cacheTtlSeconds: undefined,
    adminToken: undefined,
    hostname: 'pod-1',
    headers: {
      serverTokens: true,
      latencyTokens: true,
      requestId: true,
      upstreamStatus: false,
      upstreamRequestId: true,
      debug: false,
    },
    drain: { minimumMs: 10_000, timeoutMs: 25_000 },
    memory: { cacheBytes: 128 * MIB },
  })
  expect(settings.limits).toMatchObject({
    headerBytes: 16_384,
    headerFields: 100,
    urlBytes: 8192,
    bodyBytes: 10 * MIB,
    aiBodyBytes: 50 * MIB,
    jsonDepth: 64,
    headersTimeoutMs: 10_000,
    bodyTimeoutMs: 60_000,
    bodyFloorBytesPerSecond: 1024,
    bodyGraceMs: 5000,
    keepAliveTimeoutMs: 75_000,
    writeStallMs: 60_000,
  })
})

test('the article’s environment is honoured without a word', () => {
  const { settings, warnings } = read({
    KONG_DATABASE: 'off',
    KONG_DECLARATIVE_CONFIG: '/etc/kong/kong.yml',
    KONG_PLUGINS: 'key-auth,rate-limiting, proxy-cache,correlation-id',
    KONG_LOG_LEVEL: 'info',
    KONG_PROXY_ACCESS_LOG: '/dev/stdout',
    KONG_ADMIN_ACCESS_LOG: 'off',
    KONG_MEM_CACHE_MAX_SIZE: '256m',
    KONG_MEM_CACHE_TTL: '3600',
    KONG_NGINX_WORKER_PROCESSES: 'auto',
  })
  expect(warnings).toEqual([])
  expect(settings).toMatchObject({
    configuration: { kind: 'path', path: '/etc/kong/kong.yml' },
    plugins: ['key-auth', 'rate-limiting', 'proxy-cache', 'correlation-id'],
    adminAccessLog: 'off',
    memory: { cacheBytes: 256 * MIB },
    cacheTtlSeconds: 3600,
    workers: 4,
  })
})

test('flags win over PRATU_*, those over KONG_*, and the loser is told', () => {
  const environment = { PRATU_WORKERS: '2', KONG_NGINX_WORKER_PROCESSES: '3' }
  const both = read(environment)
  expect(both.settings.workers).toBe(2)
  expect(both.warnings).toEqual([
    'KONG_NGINX_WORKER_PROCESSES has no effect: PRATU_WORKERS is set as well and wins',
  ])
  expect(read(environment, { workers: '5' }).settings.workers).toBe(5)
  expect(read({ KONG_PROXY_LISTEN: '127.0.0.1:1' }, { port: '0' })).toMatchObject({
    settings: { proxyListen: [{ host: '0.0.0.0', port: 0 }] },
    warnings: ['KONG_PROXY_LISTEN has no effect: --port wins'],
  })
})

test('kong.md §1.1 any database but off is refused, and a file wins over a text', () => {
  expect(problems({ KONG_DATABASE: 'postgres' })[0]).toMatch(
    /KONG_DATABASE: 'postgres' is not supported.*write off/,
  )
  expect(
    read({ KONG_DECLARATIVE_CONFIG: 'a.yml', KONG_DECLARATIVE_CONFIG_STRING: '{}' }).settings
      .configuration,
  ).toEqual({ kind: 'path', path: 'a.yml' })
  expect(read({ KONG_DECLARATIVE_CONFIG_STRING: '{}' }).settings.configuration).toEqual({
    kind: 'text',
    text: '{}',
  })
})

test('kong.md §5 listen syntax: several addresses, IPv6, off, flags; ssl is not served', () => {
  const { settings, warnings } = read({
    KONG_PROXY_LISTEN:
      '0.0.0.0:8000 reuseport backlog=16384, [::]:8001, 0.0.0.0:8443 http2 ssl reuseport',
    KONG_ADMIN_LISTEN: 'off',
    KONG_STATUS_LISTEN: '0.0.0.0:8100 proxy_protocol deferred',
  })
  expect(settings.proxyListen).toEqual([
    { host: '0.0.0.0', port: 8000 },
    { host: '::', port: 8001 },
  ])
  expect(settings.adminListen).toEqual([])
  expect(settings.statusListen).toEqual([{ host: '0.0.0.0', port: 8100 }])
  expect(warnings).toEqual([
    "KONG_PROXY_LISTEN: the listener '0.0.0.0:8443 ssl' is not served by this version",
    "KONG_STATUS_LISTEN: 'proxy_protocol' on 0.0.0.0:8100 is not served by this version",
    "KONG_STATUS_LISTEN: 'deferred' on 0.0.0.0:8100 has no meaning here",
  ])
  expect(problems({ KONG_PROXY_LISTEN: '0.0.0.0:8443 ssl' })[0]).toMatch(/leaves no listener/)
})

test('every malformed value names variable, value and what is accepted, all at once', () => {
  const wrong = problems(
    {
      KONG_PROXY_LISTEN: '8000',
      KONG_LOG_LEVEL: 'loud',
      KONG_MEM_CACHE_MAX_SIZE: '256 potatoes',
      PRATU_DRAIN_TIMEOUT: 'soon',
      KONG_REAL_IP_RECURSIVE: 'maybe',
      KONG_TRUSTED_IPS: '10.0.0.0/33',
      PRATU_UPSTREAM_OVERRIDES: 'a=b',
      KONG_HEADERS: 'constructor',
      PRATU_MAX_HEADER_FIELDS: '-1',
      HTTPS_PROXY: 'socks5://user:hunter2@proxy',
      PRATU_CA_BUNDLE: 'missing,empty.txt',
      PRATU_COMPATIBILITY: 'nginx',
    },
    { workers: 'many' },
  )
  expect(wrong.toSorted()).toEqual([
    "--workers: 'many' is not acceptable; write auto, or a whole number from 1 to 256",
    "HTTPS_PROXY: 'socks5://[secret]@proxy' is not acceptable; write a URL such as http://proxy.example.com:3128",
    expect.stringMatching(
      /^KONG_HEADERS: 'constructor' is not acceptable; write a comma-separated list/,
    ),
    expect.stringMatching(/^KONG_LOG_LEVEL: 'loud' is not acceptable; write one of debug, info/),
    "KONG_MEM_CACHE_MAX_SIZE: '256 potatoes' is not acceptable; write a size such as 512k, 256m or 1g",
    "KONG_PROXY_LISTEN: '8000' is not acceptable; write off, or addresses such as 0.0.0.0:8000, [::]:8000 separated by commas",
    "KONG_REAL_IP_RECURSIVE: 'maybe' is not acceptable; write on, off, true or false",
    "KONG_TRUSTED_IPS: '10.0.0.0/33' is not acceptable; write a comma-separated list, each an address or a range in CIDR notation",
    'PRATU_CA_BUNDLE: empty.txt holds no certificate; write files in PEM form, or system',
    'PRATU_CA_BUNDLE: missing cannot be read (ENOENT)',
    "PRATU_COMPATIBILITY: 'nginx' is not acceptable; write one of pratu, kong",
    "PRATU_DRAIN_TIMEOUT: 'soon' is not acceptable; write seconds, or a number with ms, s, m or h such as 500ms",
    "PRATU_MAX_HEADER_FIELDS: '-1' is not acceptable; write a whole number from 1 to 10000",
    expect.stringMatching(/^PRATU_UPSTREAM_OVERRIDES: 'a=b' is not acceptable/),
  ])
})

test('an unknown PRATU_* is an error with the nearest name; Kubernetes’ service links are none', () => {
  expect(problems({ PRATU_DRAIN_TIMOUT: '5' })).toEqual([
    "PRATU_DRAIN_TIMOUT: there is no such setting; did you mean 'PRATU_DRAIN_TIMEOUT'?",
  ])
  expect(
    problems({
      PRATU_SERVICE_HOST: '10.0.0.1',
      PRATU_SERVICE_PORT_PROXY: '80',
      PRATU_PORT: 'tcp://10.0.0.1:80',
      PRATU_ADMIN_PORT_8080_TCP_ADDR: '10.0.0.1',
    }),
  ).toEqual([])
})

test('every KONG_* without meaning is named once, doubled prefixes are explained', () => {
  const { warnings } = read({
    KONG_ROUTER_FLAVOR: 'traditional',
    KONG_KONG_LOG_LEVEL: 'info',
    KONG_PLUGIN: 'x',
    KONG_PROXY_PORT_80_TCP: 'tcp://10.0.0.1:80',
  })
  expect(warnings).toEqual([
    'KONG_KONG_LOG_LEVEL has no meaning here; the prefix is doubled: KONG_LOG_LEVEL was probably meant',
    "KONG_PLUGIN has no meaning here and is ignored; did you mean 'KONG_PLUGINS'?",
    'KONG_ROUTER_FLAVOR has no meaning here and is ignored',
  ])
})

test('S12 an empty admin token refuses to start', () => {
  expect(problems({ PRATU_ADMIN_TOKEN: ' ' })[0]).toMatch(/^PRATU_ADMIN_TOKEN: it is empty/)
  expect(problems({ PRATU_ADMIN_TOKEN: 'undefined' })).toHaveLength(1)
  expect(read({ PRATU_ADMIN_TOKEN: 's3cret' }).settings.adminToken?.reveal()).toBe('s3cret')
})

test('memory is sized from the request when given, else from the limit', () => {
  const limited = read({}, {}, { memoryLimitBytes: 256 * MIB }).settings.memory
  expect(limited).toEqual({
    limitBytes: 256 * MIB,
    requestBytes: undefined,
    cacheBytes: 64 * MIB,
    bufferBytes: 32 * MIB,
  })
  const requested = read({ PRATU_MEMORY_REQUEST: '512Mi' }, {}, { memoryLimitBytes: 1024 * MIB })
    .settings.memory
  expect(requested).toMatchObject({
    requestBytes: 512 * MIB,
    cacheBytes: 128 * MIB,
    bufferBytes: 64 * MIB,
  })
  const { warnings } = read(
    { KONG_MEM_CACHE_MAX_SIZE: '200m' },
    {},
    { memoryLimitBytes: 256 * MIB },
  )
  expect(warnings[0]).toMatch(/200 MiB, more than half of the container's 256 MiB/)
})

test('sizes, times and lists are read in the units that people write', () => {
  const { settings } = read({
    KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: '0',
    PRATU_MAX_AI_BODY_SIZE: '1g',
    PRATU_DRAIN_TIMEOUT: '500ms',
    PRATU_HEADERS_TIMEOUT: '1.5s',
    KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT: '30',
    KONG_HEADERS: 'off',
    KONG_HEADERS_UPSTREAM: 'off',
    KONG_TRUSTED_IPS: '10.0.0.0/8, ::1',
    KONG_LUA_SSL_TRUSTED_CERTIFICATE: 'system,a.pem,b.pem',
    PRATU_UPSTREAM_OVERRIDES:
      'https://api.example.com=http://127.0.0.1:9001, http://a:8080/=http://b',
    NO_PROXY: 'localhost,.svc',
    https_proxy: 'proxy.corp:3128',
    KONG_LOG_LEVEL: 'crit',
    KONG_PLUGINS: 'off',
    POD_NAMESPACE: 'ai',
  })
  expect(settings).toMatchObject({
    limits: { bodyBytes: Number.MAX_SAFE_INTEGER, aiBodyBytes: 1024 * MIB, headersTimeoutMs: 1500 },
    drain: { timeoutMs: 500, minimumMs: 500 },
    upstream: {
      keepaliveIdleTimeoutMs: 30_000,
      httpsProxy: 'http://proxy.corp:3128',
      noProxy: ['localhost', '.svc'],
      overrides: new Map([
        ['https://api.example.com', 'http://127.0.0.1:9001'],
        ['http://a:8080', 'http://b'],
      ]),
    },
    headers: {
      serverTokens: false,
      latencyTokens: false,
      requestId: false,
      upstreamRequestId: false,
      debug: false,
    },
    trustedIps: ['10.0.0.0/8', '::1'],
    logLevel: 'fatal',
    plugins: [],
    namespace: 'ai',
  })
  expect(settings.upstream.caBundle).toMatch(/a\.pem[^]*b\.pem/)
})

describe('the usage journal', () => {
  const journal = (environment: Record<string, string>) => read(environment).settings.journal

  test('a place switches it on; without one it is off', () => {
    expect(journal({})).toMatchObject({ sink: 'off', sync: '1s', retentionDays: 35 })
    expect(journal({ PRATU_JOURNAL_DIR: '/data' })).toMatchObject({
      sink: 'file',
      directory: '/data',
    })
    const remote = journal({
      PRATU_JOURNAL_REDIS_URL: 'rediss://u:secret@redis:6380/2',
      PRATU_JOURNAL_DIR: '/spool',
    })
    expect(remote).toMatchObject({ sink: 'redis-stream', directory: '/spool' })
    expect(remote.redisUrl?.reveal()).toBe('rediss://u:secret@redis:6380/2')
    expect(JSON.stringify(remote)).not.toContain('secret@')
    expect(journal({ PRATU_JOURNAL_DIR: '/data', PRATU_JOURNAL: 'off' }).sink).toBe('off')
  })

  test('a sink without its place stops the start', () => {
    expect(problems({ PRATU_JOURNAL: 'file' })).toEqual([
      "PRATU_JOURNAL: 'file' needs a directory; set PRATU_JOURNAL_DIR",
    ])
    expect(problems({ PRATU_JOURNAL: 'redis-stream' })).toEqual([
      "PRATU_JOURNAL: 'redis-stream' needs a Redis; set PRATU_JOURNAL_REDIS_URL",
    ])
  })

  test('S22 a URL that cannot be read is told without its password', () => {
    const [problem] = problems({ PRATU_JOURNAL_REDIS_URL: 'http://:s3cret@redis' })
    expect(problem).toContain('PRATU_JOURNAL_REDIS_URL')
    expect(problem).not.toContain('s3cret')
  })
})

test('S47 fields are redacted by name, with hash or drop', () => {
  const { redaction } = read({
    PRATU_REDACT_FIELDS: 'client_ip:hash, header.X-User:drop',
    PRATU_REDACT_KEY: 'k',
  }).settings
  expect([...redaction.fields]).toEqual([
    ['client_ip', 'hash'],
    ['header.x-user', 'drop'],
  ])
  expect(problems({ PRATU_REDACT_FIELDS: 'prompt:drop' })).toHaveLength(1)
})

test('docs/node-settings.md names every variable and flag', () => {
  const page = readFileSync(
    new URL('../../../../../docs/node-settings.md', import.meta.url),
    'utf8',
  )
  for (const { flag, pratu, kong = [], common = [] } of Object.values<Variable>(VARIABLES)) {
    if (flag !== undefined) expect(page).toContain(`\`--${flag}\``)
    for (const name of [...(pratu === undefined ? [] : [pratu]), ...kong, ...common])
      expect(page).toContain(`\`${name}\``)
  }
})
