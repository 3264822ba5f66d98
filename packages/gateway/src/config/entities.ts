/**
 * The declarative configuration after validation: frozen, defaults filled in, references resolved to ids.
 * Field names are camelCase with units; Kong's spellings live only in this room's schemas. @see kong.md §1.6
 */

export type Protocol =
  | 'http'
  | 'https'
  | 'grpc'
  | 'grpcs'
  | 'tcp'
  | 'tls'
  | 'tls_passthrough'
  | 'udp'

/** What architecture §3 recognises on a plain service, by path or by the extension field `ai_format`. */
export type AiFormat =
  | 'openai-chat'
  | 'openai-completions'
  | 'openai-responses'
  | 'openai-embeddings'
  | 'anthropic-messages'
  | 'gemini'

export interface Service {
  readonly id: string
  readonly name: string | undefined
  readonly protocol: Protocol
  readonly host: string
  readonly port: number
  readonly path: string | undefined
  /** Extra tries after the first. */
  readonly retries: number
  readonly connectTimeoutMs: number
  readonly writeTimeoutMs: number
  readonly readTimeoutMs: number
  readonly tlsVerify: boolean | undefined
  readonly tlsVerifyDepth: number | undefined
  /** Ids of `ca_certificates`. */
  readonly caCertificateIds: readonly string[]
  readonly clientCertificateId: string | undefined
  readonly enabled: boolean
  /** Extension: name of a `providers` entry whose credential goes upstream. */
  readonly provider: string | undefined
  /** What AI traffic the service carries; `undefined` for plain traffic. */
  readonly aiFormat: AiFormat | undefined
  readonly tags: readonly string[]
}

export interface Route {
  readonly id: string
  readonly name: string | undefined
  readonly serviceId: string | undefined
  readonly protocols: readonly Protocol[]
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly methods: readonly string[]
  /** Lower-case header name → accepted values as written. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly snis: readonly string[]
  readonly regexPriority: number
  readonly stripPath: boolean
  readonly pathHandling: 'v0' | 'v1'
  readonly preserveHost: boolean
  readonly requestBuffering: boolean
  readonly responseBuffering: boolean
  readonly httpsRedirectStatusCode: 426 | 301 | 302 | 307 | 308
  /** Epoch seconds; position in the file decides when absent. */
  readonly createdAt: number | undefined
  readonly tags: readonly string[]
}

export interface Upstream {
  readonly id: string
  readonly name: string
  readonly algorithm: 'round-robin' | 'consistent-hashing' | 'least-connections' | 'latency'
  readonly slots: number
  /** Overrides the `Host` sent to targets. */
  readonly hostHeader: string | undefined
  readonly clientCertificateId: string | undefined
  readonly targets: readonly Target[]
  readonly tags: readonly string[]
  /** Hashing and health checks by Kong's field names, as validated: nothing serves them yet, the Admin API shows them. */
  readonly unserved: Readonly<Record<string, unknown>>
}

export interface Target {
  readonly id: string
  readonly host: string
  readonly port: number
  /** 0 = not used. */
  readonly weight: number
  readonly tags: readonly string[]
}

export interface Consumer {
  readonly id: string
  readonly username: string | undefined
  readonly customId: string | undefined
  /** Groups of its `acls`, in file order. */
  readonly groups: readonly string[]
  readonly tags: readonly string[]
}

/** A configured plugin; `config` is the plugin's own typed configuration, as its schema returned it. */
export interface PluginEntity {
  readonly id: string
  readonly name: string
  readonly instanceName: string | undefined
  readonly routeId: string | undefined
  readonly serviceId: string | undefined
  readonly consumerId: string | undefined
  readonly config: unknown
  readonly enabled: boolean
  readonly tags: readonly string[]
}

/** A credential by what it is looked up with; secrets themselves are not kept where a digest will do. */
export interface Credential {
  readonly id: string
  /** Kong's collection: `keyauth_credentials`, `basicauth_credentials`, … */
  readonly kind: string
  readonly consumerId: string
  /** `keyauth_credentials`: lower-case hex SHA-256 of the key. Others: their unique field. */
  readonly lookup: string
  /** Epoch seconds after which it is invisible (kong.md §1.9); `undefined` = never. */
  readonly expiresAtSeconds: number | undefined
  /** `basicauth_credentials`: lower-case hex SHA-1 of the password followed by the consumer's id, as Kong keeps it. */
  readonly digest?: string
}

export interface Certificate {
  readonly id: string
  readonly cert: string
  readonly key: string
  readonly snis: readonly string[]
}

export interface CaCertificate {
  readonly id: string
  readonly cert: string
}

/** Extension (architecture §4): where models live. */
export interface Provider {
  readonly name: string
  readonly kind: string
  readonly baseUrl: string | undefined
  readonly apiKeys: readonly Secret[]
}

/** A whole configuration. */
export interface Entities {
  readonly compatibility: 'pratu' | 'kong'
  readonly services: readonly Service[]
  readonly routes: readonly Route[]
  readonly upstreams: readonly Upstream[]
  readonly consumers: readonly Consumer[]
  readonly plugins: readonly PluginEntity[]
  readonly credentials: readonly Credential[]
  readonly certificates: readonly Certificate[]
  readonly caCertificates: readonly CaCertificate[]
  readonly providers: readonly Provider[]
}

const conceal = Symbol('secret')

/** A value that cannot be printed: templates, JSON, inspection and logs all show `[secret]`. */
export class Secret {
  readonly [conceal]: () => string
  constructor(value: string) {
    this[conceal] = () => value
  }
  /** The only way to the value; call it where the value leaves the process. */
  reveal(): string {
    return this[conceal]()
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
