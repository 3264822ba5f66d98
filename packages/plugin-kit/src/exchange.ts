import type { HeaderFields, HeaderView, RequestBody } from './messages.ts'

/** How errors are rendered for this exchange; chosen with the plan, before any plugin runs. */
export type ErrorShape = 'kong' | 'openai' | 'anthropic' | 'gemini' | 'kong+openai'

/** How an exchange ended: the same word in log, metric and usage record. */
export type Outcome =
  | 'ok'
  | 'client_cancelled'
  | 'client_stalled'
  | 'upstream_error'
  | 'upstream_timeout'
  | 'truncated'
  | `rejected_${string}`

export interface RouteRef {
  readonly id: string
  readonly name: string | undefined
  readonly tags: readonly string[]
}

export interface ServiceRef {
  readonly id: string
  readonly name: string | undefined
  readonly host: string
  /** The AI traffic that the service carries, by wire format; `undefined` for plain traffic. */
  readonly aiFormat: string | undefined
  /** The provider whose credential goes upstream in place of the caller's; `undefined` when the caller's passes. */
  readonly provider: string | undefined
  readonly tags: readonly string[]
}

export interface ConsumerRef {
  readonly id: string
  readonly username: string | undefined
  readonly customId: string | undefined
  /** The groups of the consumer's `acls`, in file order. */
  readonly groups: readonly string[]
  readonly tags: readonly string[]
}

export interface CredentialRef {
  readonly id: string
  /** What kind of credential it is, by Kong's collection name: `keyauth_credentials`, … */
  readonly kind: string
}

export interface RequestView {
  readonly method: string
  readonly httpVersion: '1.0' | '1.1'
  readonly scheme: 'http' | 'https'
  /** The validated request target up to the first `?`, byte for byte. */
  readonly rawPath: string
  /** The path that routing and access rules decide on: normalised as Kong does (kong.md §2.1). */
  readonly path: string
  /** From the `?` on, verbatim, the `?` included; empty when there is none. */
  readonly rawQuery: string
  /** The validated `Host`, as received (with its port), or empty in HTTP/1.0. */
  readonly host: string
  readonly headers: HeaderView
  /** The socket's address. */
  readonly peerIp: string
  /** Whether the peer is in `trusted_ips`, so that its forwarding headers count. */
  readonly peerTrusted: boolean
  /** The client's address after trusted forwarding headers (kong `real_ip_*`). */
  readonly clientIp: string
  /** The port that this listener was reached on. */
  readonly port: number
  readonly body: RequestBody
}

/** The request that goes upstream. Plugins edit this, never `request`. */
export interface UpstreamView {
  method: string
  /** Path without query, already percent-encoded. Set when the route matched. */
  path: string
  /** Empty or starting with `?`. */
  query: string
  readonly headers: HeaderFields
}

/** What is known of an exchange for logs and metrics; complete in the `log` phase. */
export interface ExchangeRecord {
  /** Epoch milliseconds at arrival. */
  readonly startedAtMs: number
  /** The status sent to the client; 0 when none was. */
  readonly status: number
  /** Whether the answer came from the upstream or from the gateway (Kong's `source`). */
  readonly source: 'service' | 'kong'
  /** The upstream's last status; `undefined` when there was none. */
  readonly upstreamStatus: number | undefined
  /** Request line, header and body bytes received. */
  readonly requestBytes: number
  /** Status line, header and body bytes sent. */
  readonly responseBytes: number
  /** Arrival to the end of the response, ms. */
  readonly requestLatencyMs: number
  /** Arrival to the moment the upstream request was sent, ms; -1 when none was sent. */
  readonly proxyLatencyMs: number
  /** Upstream request sent to upstream head received, ms; -1 when there was none. */
  readonly upstreamLatencyMs: number
  /** Arrival to the first body byte sent, ms; -1 when there was none. */
  readonly firstByteLatencyMs: number
}

/** A typed slot for what one phase leaves for a later one. Create it once per module, never per request. */
export interface NoteKey<T> {
  readonly index: number
  readonly name: string
  readonly type?: T
}

let nextNoteIndex = 0

/** Makes a new slot; `name` is for people. */
export function createNoteKey<T>(name: string): NoteKey<T> {
  return { index: nextNoteIndex++, name }
}

/** One request and its response while inside the gateway. Transport-agnostic. */
export interface Exchange {
  /** 32 lower-case hex characters; sent as `X-Kong-Request-Id` and `x-request-id`. */
  readonly id: string
  /** The configuration this exchange is pinned to. */
  readonly generation: number
  readonly errorShape: ErrorShape
  readonly request: RequestView
  readonly upstream: UpstreamView
  readonly route: RouteRef | undefined
  readonly service: ServiceRef | undefined
  readonly consumer: ConsumerRef | undefined
  readonly credential: CredentialRef | undefined
  /** Named and numbered groups of a regex path; `undefined` when the route has none. */
  readonly uriCaptures: UriCaptures | undefined
  readonly record: ExchangeRecord
  /** For authentication plugins: who is calling. Re-selects the plan from the next plugin on. */
  identify(consumer: ConsumerRef | undefined, credential: CredentialRef | undefined): void
  /** Whether the client has gone. */
  readonly cancelled: boolean
  onCancel(listener: () => void): void
  note<T>(key: NoteKey<T>): T | undefined
  setNote<T>(key: NoteKey<T>, value: T): void
  /** Adds a member to this exchange's access-log line. */
  annotate(field: string, value: unknown): void
}

export interface UriCaptures {
  /** Index 0 is the whole match. */
  readonly numbered: readonly (string | undefined)[]
  readonly named: Readonly<Record<string, string>>
}
