import type { HeaderFields, RequestBody } from '@pratu/plugin-kit'
import type { ErrorCode } from '../errors/index.ts'

/** Where attempts of one service go, and under which rules; built once per snapshot, pools are kept by origin. */
export interface UpstreamTargeting {
  /** Stable key for pools and balancer state across reloads: the service's id. */
  readonly key: string
  readonly scheme: 'http' | 'https'
  /** A host name or address, or the name of an `upstreams` entity already resolved to `targets`. */
  readonly targets: readonly UpstreamTarget[]
  readonly connectTimeoutMs: number
  /** Between two successive writes. */
  readonly writeTimeoutMs: number
  /** Between two successive reads, the first byte included. */
  readonly readTimeoutMs: number
  /** Extra tries after the first (Kong's `retries`). */
  readonly retries: number
  readonly tls: UpstreamTls | undefined
}

export interface UpstreamTarget {
  readonly host: string
  readonly port: number
  /** 0 = not used. */
  readonly weight: number
  /** `Host` (and SNI) for this target: with `:port` unless it is the scheme's default. */
  readonly hostHeader: string
}

export interface UpstreamTls {
  readonly verify: boolean
  /** PEM; in addition to the node's own bundle. */
  readonly ca: readonly string[]
  readonly clientCert: string | undefined
  readonly clientKey: string | undefined
}

export interface UpstreamRequest {
  readonly method: string
  /** Path and query, percent-encoded. */
  readonly path: string
  /** Flat list name, value, …, complete but for `Host`, framing and connection fields, which the client adds. */
  readonly headers: readonly string[]
  /** `Host` to send instead of the target's (Kong's `preserve_host`). */
  readonly host: string | undefined
  /** The whole body; `undefined` when there is none or it is streamed. */
  readonly body: Uint8Array | undefined
  /** A body sent as it arrives; not replayable. */
  readonly stream: RequestBody | undefined
}

/** Why a call failed. `code` decides what the client is told. */
export interface UpstreamFailure {
  readonly code: ErrorCode
  readonly cause: Error
  /** How much of the request was sent on the last try. */
  readonly requestSent: 'nothing' | 'part' | 'all'
  readonly responseBytes: number
}

/** What one try met, for Kong's `tries` log field. */
export interface Try {
  readonly host: string
  readonly port: number
  /** The address connected to; `undefined` when there was no connection. */
  readonly address?: string | undefined
  /** Epoch ms. */
  readonly startedAtMs: number
  readonly status: number | undefined
  readonly error: ErrorCode | undefined
}

/** Receives one response. Exactly one `end` or `fail`, never both, never synchronously from `send`. */
export interface UpstreamSink {
  /** The request line and headers of a try are about to be written. */
  sending(): void
  /** Final status and fields; hop-by-hop fields are already gone. */
  head(status: number, headers: HeaderFields): void
  /**
   * A piece of the body; it may be kept, but shares memory with its neighbours.
   *
   * @returns `false` to pause the upstream socket until `resume` is called. What the socket had read already may still
   *   come when the upstream closes the connection in the meantime.
   */
  data(chunk: Uint8Array): boolean
  end(): void
  fail(failure: UpstreamFailure): void
}

export interface UpstreamCall {
  /** Closes the upstream connection; neither `end` nor `fail` follows. */
  cancel(): void
  /** After `data` returned `false`. */
  resume(): void
  readonly tries: readonly Try[]
}

export interface UpstreamClient {
  send(targeting: UpstreamTargeting, request: UpstreamRequest, sink: UpstreamSink): UpstreamCall
  /** Sockets open per origin, for `/status` and metrics. */
  connections(): number
  /** Closes every pool; waits for calls in flight at most `graceMs`. */
  close(graceMs: number): Promise<void>
}
