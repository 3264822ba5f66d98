import type { Secret } from './entities.ts'

/** `addr:port` of Kong's listen syntax; flags that have no meaning here are dropped with a warning. */
export interface ListenAddress {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
}

/** A log destination: a file path, `/dev/stdout`, `/dev/stderr` or `off`. */
export type LogDestination = string

/**
 * Everything that belongs to the node and not to the declarative file. Flags win over `PRATU_*`, those over the
 * `KONG_*` variables with the same meaning (architecture §4). Every time limit of the product is a field here or on an
 * entity, so that tests can shorten it.
 */
export interface NodeSettings {
  readonly configuration: ConfigurationLocation | undefined
  /** For `ParseOptions.limits`. */
  readonly configurationLimits?: { readonly maxBytes: number }
  readonly compatibility: 'pratu' | 'kong'
  readonly proxyListen: readonly ListenAddress[]
  readonly adminListen: readonly ListenAddress[]
  readonly statusListen: readonly ListenAddress[]
  /** 1 = serve on the main thread; `auto` is already resolved. */
  readonly workers: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  readonly proxyAccessLog: LogDestination
  readonly adminAccessLog: LogDestination
  readonly errorLog: LogDestination
  /** CIDRs and addresses whose forwarding headers count. */
  readonly trustedIps: readonly string[]
  readonly realIpHeader: string
  readonly realIpRecursive: boolean
  /** Kong plugin names that are loaded; `bundled` = all. Pratu's own are always available. */
  readonly plugins: 'bundled' | readonly string[]
  /** npm packages or paths with third-party plugins. */
  readonly pluginModules: readonly string[]
  /** Which informational headers responses carry (Kong's `headers`). */
  readonly headers: HeaderTokens
  readonly limits: RequestLimits
  readonly upstream: UpstreamSettings
  readonly memory: MemorySettings
  /** Default `cache_ttl` of the cache plugins, seconds; `undefined` = the plugin's own. */
  readonly cacheTtlSeconds: number | undefined
  readonly drain: DrainSettings
  /** Whether this node is ready while a Redis that limits count in is away (F62). */
  readonly readyWithoutRedis: boolean
  /** Prices that come before the shipped ones; `undefined` when there is no file. */
  readonly prices?: PriceList | undefined
  readonly adminToken: Secret | undefined
  readonly journal: JournalSettings
  readonly redaction: RedactionSettings
  /** The pod's own namespace, for the `namespace` label. */
  readonly namespace: string | undefined
  readonly hostname: string
  /** Whether the container's memory is exported under cAdvisor's names. */
  readonly containerMetrics: boolean
}

export type ConfigurationLocation =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'text'; readonly text: string }

export interface HeaderTokens {
  readonly serverTokens: boolean
  readonly latencyTokens: boolean
  readonly requestId: boolean
  readonly upstreamStatus: boolean
  readonly upstreamRequestId: boolean
  /** Whether a request with `Kong-Debug` is told its route and service. */
  readonly debug: boolean
}

export interface RequestLimits {
  readonly headerBytes: number
  readonly headerFields: number
  readonly urlBytes: number
  readonly bodyBytes: number
  /** For services with AI traffic. */
  readonly aiBodyBytes: number
  readonly jsonDepth: number
  readonly jsonMembers: number
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
  /** Below this rate, after `bodyGraceMs`, a body is too slow. */
  readonly bodyFloorBytesPerSecond: number
  readonly bodyGraceMs: number
  readonly keepAliveTimeoutMs: number
  readonly writeStallMs: number
  readonly maxConnections: number
  /** Up to here a request body is buffered before the upstream is called; beyond it is piped. */
  readonly requestBufferBytes: number
}

export interface UpstreamSettings {
  readonly keepalivePoolSize: number
  readonly keepaliveMaxRequests: number
  readonly keepaliveIdleTimeoutMs: number
  readonly maxAgeMs: number
  readonly dnsTimeoutMs: number
  /** How long a resolved address is trusted. */
  readonly dnsTtlMs: number
  /** How long the last good address is used while resolution fails. */
  readonly dnsStaleMs: number
  /** PEM text of the extra CA bundle. */
  readonly caBundle: string | undefined
  /** Origin → origin, for tests and migrations. */
  readonly overrides: ReadonlyMap<string, string>
  readonly httpProxy: string | undefined
  readonly httpsProxy: string | undefined
  readonly noProxy: readonly string[]
  readonly maxHeaderBytes: number
}

export interface MemorySettings {
  /** The container's limit; `undefined` when there is none. */
  readonly limitBytes: number | undefined
  readonly requestBytes: number | undefined
  /** All caches of the process. */
  readonly cacheBytes: number
  /** All buffered bodies of the process. */
  readonly bufferBytes: number
}

export interface DrainSettings {
  /** Keep accepting at least this long after SIGTERM. */
  readonly minimumMs: number
  readonly timeoutMs: number
}

/** Where usage records go (docs/journal.md). */
export interface JournalSettings {
  readonly sink: 'off' | 'file' | 'redis-stream'
  /** Of the records' files; for `redis-stream` of what could not be sent before the end. */
  readonly directory: string | undefined
  /** `redis://…`, with credentials; for `redis-stream`. */
  readonly redisUrl: Secret | undefined
  /** Key of the stream. */
  readonly stream: string
  readonly sync: 'always' | '1s' | 'never'
  /** Of all files together. */
  readonly maxBytes: number
  readonly retentionDays: number
  /** Records that may wait in memory, of the process. */
  readonly bufferBytes: number
  /** `ai`: exchanges of services with AI traffic, and whatever charges a budget. */
  readonly traffic: 'ai' | 'all'
  /** While records cannot be written, AI traffic goes on (`continue`) or gets 503 (`reject`). */
  readonly onError: 'continue' | 'reject'
}

/** What is kept out of journal and logs. */
export interface RedactionSettings {
  /** By `REDACTABLE_FIELDS`, or `header.` and the name of a field of requests, in lower case. */
  readonly fields: ReadonlyMap<string, 'hash' | 'drop'>
  /** Of the hashes; `undefined`: one of this process's own. */
  readonly key: Secret | undefined
}

export const REDACTABLE_FIELDS = [
  'client_ip',
  'consumer',
  'credential',
  'tags',
  'model',
  'query',
  'headers',
  'replica',
  'charges',
] as const

/** What a file says of prices. Plain data: it crosses threads. */
export interface PriceList {
  readonly models: readonly WrittenModelPrice[]
  /** Whose prices hold at a host, `*` standing for any part of it. */
  readonly hosts: readonly { readonly host: string; readonly provider: string }[]
  /** Whether a model at an unknown host costs what its maker asks for it. */
  readonly guessByModel: boolean
}

export interface WrittenModelPrice {
  /** Names, with `*` at the end for all that start so. */
  readonly models: readonly string[]
  /** `undefined` = whoever serves it. */
  readonly provider: string | undefined
  readonly rates: readonly WrittenTier[]
  /** Prices of other classes of service, by the name that answers give them. */
  readonly serviceTiers: readonly {
    readonly name: string
    readonly rates: readonly WrittenTier[]
  }[]
}

/** Holds for prompts of more tokens than `abovePromptTokens`; the first one is for all, with -1. */
export interface WrittenTier {
  readonly abovePromptTokens: number
  readonly rates: WrittenRates
}

/** Dollars: per million tokens, per request, per search. */
export interface WrittenRates {
  readonly input?: number | undefined
  readonly cache_read?: number | undefined
  readonly cache_write?: number | undefined
  readonly cache_write_long?: number | undefined
  readonly audio_input?: number | undefined
  readonly output?: number | undefined
  readonly reasoning?: number | undefined
  readonly audio_output?: number | undefined
  readonly request?: number | undefined
  readonly web_search?: number | undefined
}
