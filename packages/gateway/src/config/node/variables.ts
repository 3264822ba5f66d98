/** How one setting can be given; the first that is set wins, in this order. */
export interface Variable {
  /** Without its dashes. */
  readonly flag?: string
  readonly pratu?: string
  /** Kong's variables with the same meaning, the preferred one first. */
  readonly kong?: readonly string[]
  /** Variables that other programs use as well. */
  readonly common?: readonly string[]
}

/** Every setting of the node: the one list that reading, errors and the documentation follow. */
export const VARIABLES = {
  configuration: { flag: 'config', pratu: 'PRATU_CONFIG', kong: ['KONG_DECLARATIVE_CONFIG'] },
  configurationText: { pratu: 'PRATU_CONFIG_STRING', kong: ['KONG_DECLARATIVE_CONFIG_STRING'] },
  configurationMaxBytes: { pratu: 'PRATU_CONFIG_MAX_BYTES' },
  database: { kong: ['KONG_DATABASE'] },
  compatibility: { flag: 'compatibility', pratu: 'PRATU_COMPATIBILITY' },
  port: { flag: 'port' },
  proxyListen: {
    flag: 'proxy-listen',
    pratu: 'PRATU_PROXY_LISTEN',
    kong: ['KONG_PROXY_LISTEN'],
  },
  adminListen: {
    flag: 'admin-listen',
    pratu: 'PRATU_ADMIN_LISTEN',
    kong: ['KONG_ADMIN_LISTEN'],
  },
  statusListen: { pratu: 'PRATU_STATUS_LISTEN', kong: ['KONG_STATUS_LISTEN'] },
  workers: {
    flag: 'workers',
    pratu: 'PRATU_WORKERS',
    kong: ['KONG_NGINX_WORKER_PROCESSES', 'KONG_NGINX_MAIN_WORKER_PROCESSES'],
  },
  logLevel: { flag: 'log-level', pratu: 'PRATU_LOG_LEVEL', kong: ['KONG_LOG_LEVEL'] },
  proxyAccessLog: { pratu: 'PRATU_PROXY_ACCESS_LOG', kong: ['KONG_PROXY_ACCESS_LOG'] },
  adminAccessLog: { pratu: 'PRATU_ADMIN_ACCESS_LOG', kong: ['KONG_ADMIN_ACCESS_LOG'] },
  errorLog: { pratu: 'PRATU_ERROR_LOG', kong: ['KONG_PROXY_ERROR_LOG'] },
  trustedIps: { pratu: 'PRATU_TRUSTED_IPS', kong: ['KONG_TRUSTED_IPS'] },
  realIpHeader: { pratu: 'PRATU_REAL_IP_HEADER', kong: ['KONG_REAL_IP_HEADER'] },
  realIpRecursive: { pratu: 'PRATU_REAL_IP_RECURSIVE', kong: ['KONG_REAL_IP_RECURSIVE'] },
  plugins: { pratu: 'PRATU_PLUGINS', kong: ['KONG_PLUGINS'] },
  pluginModules: { pratu: 'PRATU_PLUGIN_MODULES' },
  headers: { pratu: 'PRATU_HEADERS', kong: ['KONG_HEADERS'] },
  allowDebugHeader: { pratu: 'PRATU_ALLOW_DEBUG_HEADER', kong: ['KONG_ALLOW_DEBUG_HEADER'] },
  headersUpstream: { pratu: 'PRATU_HEADERS_UPSTREAM', kong: ['KONG_HEADERS_UPSTREAM'] },
  headerBytes: { pratu: 'PRATU_MAX_HEADER_SIZE' },
  headerFields: { pratu: 'PRATU_MAX_HEADER_FIELDS' },
  urlBytes: { pratu: 'PRATU_MAX_URL_SIZE' },
  bodyBytes: { pratu: 'PRATU_MAX_BODY_SIZE', kong: ['KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE'] },
  aiBodyBytes: { pratu: 'PRATU_MAX_AI_BODY_SIZE', kong: ['KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE'] },
  jsonDepth: { pratu: 'PRATU_MAX_JSON_DEPTH' },
  jsonMembers: { pratu: 'PRATU_MAX_JSON_MEMBERS' },
  headersTimeoutMs: { pratu: 'PRATU_HEADERS_TIMEOUT' },
  bodyTimeoutMs: { pratu: 'PRATU_BODY_TIMEOUT' },
  bodyFloorBytesPerSecond: { pratu: 'PRATU_BODY_FLOOR' },
  bodyGraceMs: { pratu: 'PRATU_BODY_GRACE' },
  keepAliveTimeoutMs: { pratu: 'PRATU_KEEPALIVE_TIMEOUT' },
  writeStallMs: { pratu: 'PRATU_WRITE_STALL_TIMEOUT' },
  maxConnections: { pratu: 'PRATU_MAX_CONNECTIONS' },
  requestBufferBytes: { pratu: 'PRATU_REQUEST_BUFFER_SIZE' },
  keepalivePoolSize: {
    pratu: 'PRATU_UPSTREAM_KEEPALIVE_POOL_SIZE',
    kong: ['KONG_UPSTREAM_KEEPALIVE_POOL_SIZE'],
  },
  keepaliveMaxRequests: {
    pratu: 'PRATU_UPSTREAM_KEEPALIVE_MAX_REQUESTS',
    kong: ['KONG_UPSTREAM_KEEPALIVE_MAX_REQUESTS'],
  },
  keepaliveIdleTimeoutMs: {
    pratu: 'PRATU_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT',
    kong: ['KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT'],
  },
  maxAgeMs: { pratu: 'PRATU_UPSTREAM_MAX_AGE' },
  maxUpstreamHeaderBytes: { pratu: 'PRATU_UPSTREAM_MAX_HEADER_SIZE' },
  dnsTimeoutMs: { pratu: 'PRATU_DNS_TIMEOUT' },
  dnsTtlMs: { pratu: 'PRATU_DNS_TTL' },
  dnsStaleMs: { pratu: 'PRATU_DNS_STALE_TTL', kong: ['KONG_DNS_STALE_TTL'] },
  caBundle: { pratu: 'PRATU_CA_BUNDLE', kong: ['KONG_LUA_SSL_TRUSTED_CERTIFICATE'] },
  overrides: { pratu: 'PRATU_UPSTREAM_OVERRIDES' },
  httpProxy: { common: ['HTTP_PROXY', 'http_proxy'] },
  httpsProxy: { common: ['HTTPS_PROXY', 'https_proxy'] },
  noProxy: { common: ['NO_PROXY', 'no_proxy'] },
  memoryLimit: { pratu: 'PRATU_MEMORY_LIMIT' },
  memoryRequest: { pratu: 'PRATU_MEMORY_REQUEST' },
  cacheBytes: {
    pratu: 'PRATU_CACHE_SIZE',
    kong: ['KONG_MEM_CACHE_MAX_SIZE', 'KONG_MEM_CACHE_SIZE'],
  },
  bufferBytes: { pratu: 'PRATU_BUFFER_SIZE' },
  cacheTtlSeconds: { pratu: 'PRATU_CACHE_TTL', kong: ['KONG_MEM_CACHE_TTL'] },
  drainMinimumMs: { pratu: 'PRATU_DRAIN_MINIMUM' },
  drainTimeoutMs: { pratu: 'PRATU_DRAIN_TIMEOUT' },
  readyWithoutRedis: { pratu: 'PRATU_READY_WITHOUT_REDIS' },
  prices: { pratu: 'PRATU_PRICES_FILE' },
  journal: { pratu: 'PRATU_JOURNAL' },
  journalDirectory: { pratu: 'PRATU_JOURNAL_DIR' },
  journalRedisUrl: { pratu: 'PRATU_JOURNAL_REDIS_URL' },
  journalStream: { pratu: 'PRATU_JOURNAL_STREAM' },
  journalSync: { pratu: 'PRATU_JOURNAL_SYNC' },
  journalMaxBytes: { pratu: 'PRATU_JOURNAL_MAX_SIZE' },
  journalRetentionDays: { pratu: 'PRATU_JOURNAL_RETENTION_DAYS' },
  journalBufferBytes: { pratu: 'PRATU_JOURNAL_BUFFER_SIZE' },
  journalTraffic: { pratu: 'PRATU_JOURNAL_TRAFFIC' },
  journalOnError: { pratu: 'PRATU_JOURNAL_ON_ERROR' },
  redactFields: { pratu: 'PRATU_REDACT_FIELDS' },
  redactKey: { pratu: 'PRATU_REDACT_KEY' },
  adminToken: { pratu: 'PRATU_ADMIN_TOKEN' },
  namespace: { common: ['POD_NAMESPACE'] },
  containerMetrics: { pratu: 'PRATU_CONTAINER_METRICS' },
} as const satisfies Readonly<Record<string, Variable>>

export type Setting = keyof typeof VARIABLES

export const PRATU_VARIABLES: ReadonlySet<string> = new Set(
  Object.values<Variable>(VARIABLES).flatMap(({ pratu }) => (pratu === undefined ? [] : [pratu])),
)

export const KONG_VARIABLES: ReadonlySet<string> = new Set(
  Object.values<Variable>(VARIABLES).flatMap(({ kong }) => kong ?? []),
)
