import { definePlugin, type AnyPluginDefinition, type RequestView } from '@pratu/plugin-kit'
import { givenExchange, recordingSink, type ExchangeGiven } from '@pratu/plugin-kit/testing'
import { field, parseConfiguration, Secret, type NodeSettings } from '../../config/index.ts'
import {
  createMetrics,
  createNoAccessLog,
  createSilentLogger,
  type Metrics,
} from '../../observe/index.ts'
import type { ClientChannel } from '../../pipeline/index.ts'
import type {
  AdminDependencies,
  AppliedConfiguration,
  CacheAdministration,
  ConfigurationResult,
  GivenConfiguration,
  RefusedConfiguration,
  WorkerState,
} from '../index.ts'
import { createAdmin } from '../index.ts'

const MB = 1024 * 1024

/** A plugin with the kinds of fields that schemas and configurations must show. */
export const limiter: AnyPluginDefinition = definePlugin({
  name: 'rate-limiting',
  priority: 910,
  schema: field.record({
    minute: field.optional(field.number({ gt: 0 })),
    policy: field.enumeration(['local', 'redis'], 'local'),
    error_code: field.defaulted(field.integer({ between: [100, 599] }), 429),
    header_name: field.optional(field.string()),
    redis: field.filled(
      field.record({
        host: field.optional(field.string()),
        password: field.optional(field.secret()),
      }),
    ),
  }),
  create: () => ({}),
})

export const SETTINGS: NodeSettings = {
  configuration: { kind: 'path', path: '/etc/kong/kong.yml' },
  compatibility: 'pratu',
  proxyListen: [{ host: '0.0.0.0', port: 8000 }],
  adminListen: [{ host: '::', port: 8080 }],
  statusListen: [],
  workers: 1,
  logLevel: 'info',
  proxyAccessLog: '/dev/stdout',
  adminAccessLog: 'off',
  errorLog: '/dev/stderr',
  trustedIps: [],
  realIpHeader: 'X-Real-IP',
  realIpRecursive: false,
  plugins: 'bundled',
  pluginModules: [],
  headers: {
    serverTokens: true,
    latencyTokens: true,
    requestId: true,
    upstreamStatus: false,
    upstreamRequestId: false,
    debug: false,
  },
  limits: {
    headerBytes: 16_384,
    headerFields: 100,
    urlBytes: 8192,
    bodyBytes: 10 * MB,
    aiBodyBytes: 50 * MB,
    jsonDepth: 64,
    jsonMembers: 10_000,
    headersTimeoutMs: 400,
    bodyTimeoutMs: 400,
    bodyFloorBytesPerSecond: 1024,
    bodyGraceMs: 100,
    keepAliveTimeoutMs: 400,
    writeStallMs: 400,
    maxConnections: 100,
    requestBufferBytes: MB,
  },
  upstream: {
    keepalivePoolSize: 512,
    keepaliveMaxRequests: 1000,
    keepaliveIdleTimeoutMs: 55_000,
    maxAgeMs: 300_000,
    dnsTimeoutMs: 3000,
    dnsTtlMs: 30_000,
    dnsStaleMs: 60_000,
    caBundle: undefined,
    overrides: new Map(),
    httpProxy: undefined,
    httpsProxy: undefined,
    noProxy: [],
    maxHeaderBytes: 32_768,
  },
  memory: {
    limitBytes: 512 * MB,
    requestBytes: undefined,
    cacheBytes: 64 * MB,
    bufferBytes: 64 * MB,
  },
  cacheTtlSeconds: undefined,
  drain: { minimumMs: 0, timeoutMs: 100 },
  adminToken: undefined,
  journal: {
    sink: 'off',
    directory: undefined,
    redisUrl: undefined,
    stream: 'journal',
    sync: '1s',
    maxBytes: 64 * MB,
    retentionDays: 35,
    bufferBytes: MB,
    traffic: 'ai',
    onError: 'continue',
  },
  redaction: { fields: new Map(), key: undefined },
  namespace: undefined,
  hostname: 'gateway-0',
  containerMetrics: false,
  readyWithoutRedis: true,
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON. */
  readonly json: () => unknown
}

export interface GivenAdmin {
  readonly metrics: Metrics
  readonly process: {
    draining: boolean
    withdrawn: boolean
    storeAway: boolean
    applying: boolean
    workers: WorkerState[]
  }
  readonly dependencies: AdminDependencies
  /** Requests come from loopback, to an address, unless said otherwise. */
  readonly call: (method: string, target: string, given?: ExchangeGiven) => Promise<Answer>
  readonly load: (
    text: string,
    format?: GivenConfiguration['format'],
  ) => Promise<ConfigurationResult>
}

/** What a test replaces. */
export type GivenDependencies = Partial<Omit<AdminDependencies, 'plugins'>> & {
  readonly adminToken?: string
  readonly plugins?: readonly AnyPluginDefinition[]
}

/** An admin room over the real configuration reader, and no sockets. */
export function givenAdmin(more: GivenDependencies = {}): GivenAdmin {
  const { adminToken, plugins = [limiter], ...rest } = more
  const metrics = createMetrics()
  const process: GivenAdmin['process'] = {
    draining: false,
    withdrawn: false,
    storeAway: false,
    applying: false,
    workers: [],
  }
  let current: AppliedConfiguration | undefined
  let failure: RefusedConfiguration | undefined

  const load: GivenAdmin['load'] = (text, format = 'yaml') => {
    const parsed = parseConfiguration([{ name: 'body', text, format }], {
      plugins,
      enabledPlugins: 'bundled',
      environment: { REDIS_PASSWORD: 'canary-redis-password' },
    })
    if (!parsed.ok) {
      const { problems } = parsed
      failure = {
        atMs: 1_700_000_100_000,
        origin: 'admin',
        message: 'the configuration is not valid',
        problems,
      }
      return Promise.resolve({ ok: false, failure })
    }
    const generation = (current?.generation ?? 0) + 1
    current = { ...parsed, generation, appliedAtMs: 1_700_000_000_000 }
    failure = undefined
    process.workers = [{ worker: 0, generation }]
    return Promise.resolve({ ok: true, applied: current })
  }

  const dependencies: AdminDependencies = {
    state: {
      current: () => current,
      failure: () => failure,
      applying: () => process.applying,
      draining: () => process.draining,
      withdrawn: () => process.withdrawn,
      storeAway: () => process.storeAway,
      workers: () => process.workers,
    },
    apply: ({ text, format }) => load(text, format),
    withdraw: () => {
      process.withdrawn = true
    },
    cache: NO_CACHE,
    limits: { read: () => Promise.resolve([]), reset: () => Promise.resolve(0) },
    token: adminToken === undefined ? undefined : new Secret(adminToken),
    metrics,
    accessLog: createNoAccessLog(),
    logger: createSilentLogger(),
    settings: SETTINGS,
    plugins,
    nodeId: '11111111-2222-4333-8444-555555555555',
    version: '0.1.0',
    kongVersion: '3.9.1',
    ...rest,
  }
  const handler = createAdmin(dependencies)
  const call: GivenAdmin['call'] = async (method, target, given = {}) => {
    const { request } = givenExchange({
      method,
      target,
      host: '127.0.0.1:8080',
      peerIp: '127.0.0.1',
      port: 8080,
      ...given,
    })
    return answerOf(request, handler)
  }
  return { metrics, process, dependencies, call, load }
}

const NO_CACHE: CacheAdministration = {
  read: () => Promise.resolve(undefined),
  remove: () => Promise.resolve(false),
  purge: () => Promise.resolve(),
}

/** Runs one request against a handler. */
export async function answerOf(
  request: RequestView,
  handler: (request: RequestView, client: ClientChannel) => void,
): Promise<Answer> {
  const sink = recordingSink()
  const finished: (() => void)[] = []
  const client: ClientChannel = {
    headSent: false,
    get bytesSent() {
      return sink.body.length
    },
    bytesReceived: 0,
    departed: undefined,
    onDeparture: () => undefined,
    onFinished: (listener) => finished.push(listener),
    head: (head) => sink.head(head),
    write: (chunk) => sink.write(chunk),
    onDrain: (resume) => sink.onDrain(resume),
    end: () => sink.end(),
    fail: (error) => sink.fail(error),
  }
  handler(request, client)
  await sink.finished
  for (const listener of finished) listener()
  const headers: Record<string, string> = {}
  const flat = sink.headSent?.headers.flat ?? []
  for (let index = 0; index < flat.length; index += 2) {
    headers[(flat[index] ?? '').toLowerCase()] = flat[index + 1] ?? ''
  }
  const text = Buffer.from(sink.body).toString('utf8')
  return {
    status: sink.headSent?.status ?? 0,
    headers,
    text,
    json: (): unknown => JSON.parse(text),
  }
}

/** Two services, three routes, consumers with credentials, an upstream, plugins; tags here and there. */
export const EXAMPLE = `
_format_version: "3.0"
services:
- name: llm
  url: https://api.example.com/v1/chat/completions
  tags: [ai, team-a]
  routes:
  - name: chat
    paths: [/v1/chat]
    strip_path: false
    tags: [ai]
  plugins:
  - name: rate-limiting
    config:
      minute: 100
      redis: {host: redis, password: $(REDIS_PASSWORD)}
- name: plain
  host: backend
  port: 80
  tags: [team-a]
  routes:
  - name: one
    paths: [/one]
  - name: two
    paths: [/two]
    methods: [GET]
    headers: {x-team: [a, b]}
upstreams:
- name: backend
  targets:
  - target: 10.0.0.1:80
  - target: 10.0.0.2:80
    weight: 50
consumers:
- username: alice
  custom_id: a-1
  keyauth_credentials:
  - key: canary-client-key
  acls:
  - group: admins
`
