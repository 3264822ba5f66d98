import type { RequestView } from '@pratu/plugin-kit'
import type { ListenAddress, RequestLimits } from '../config/index.ts'
import type { ErrorCode, GatewayError, RenderedError } from '../errors/index.ts'
import type { MemoryBudget } from '../http/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'

/** Where a request was when it was refused, for metrics. */
export type RefusalPhase = 'connection' | 'headers' | 'body'

/** A request that the listener answered by itself, for a log line. */
export interface RefusedRequest {
  readonly requestId: string
  readonly status: number
  readonly peerIp: string
  /** What was wrong; never sent to the client. */
  readonly reason: string
}

export interface ListenerOptions {
  readonly limits: RequestLimits
  /** CIDRs and addresses whose forwarding headers count (S34). */
  readonly trustedIps: readonly string[]
  /** Header that carries the client's address, such as `X-Real-IP` or `X-Forwarded-For`; any case. */
  readonly realIpHeader: string
  /** Whether trusted hops in the header are skipped from the right (nginx `real_ip_recursive`). */
  readonly realIpRecursive: boolean
  /** `strict` refuses non-canonical paths (S06); `kong` normalises them (kong.md §2.1). */
  readonly pathMode: 'strict' | 'kong'
  /** Several workers share the port (Linux, Node ≥ 23.1). */
  readonly reusePort?: boolean
  /** Charged by every body that is buffered. */
  readonly memory: MemoryBudget
  /** Exact paths that are answered even above the connection cap (F13). */
  readonly healthPaths: ReadonlySet<string>
  /** The largest body of any request, bytes; the larger of `limits.bodyBytes` and `limits.aiBodyBytes` when absent. */
  readonly bodyLimitBytes?: number
  /** Files that the sockets of this listener may take, upstream ones included; lowers the connection cap (F14). */
  readonly openFiles?: number
  /** How long a closed connection is still read from, so that the client can read its answer (F08). Default 2 s. */
  readonly lingerMs?: number
  /** How much is read and dropped meanwhile. Default 4 MiB. */
  readonly lingerBytes?: number
  /** Renders an error that was raised before an exchange existed. `requestId` is fresh: 32 hex characters. */
  renderRefusal(error: GatewayError, requestId: string): RenderedError
  /** Counts refusals. `request` is absent in phase `body`, where the exchange answers and logs. */
  onRefused?(code: ErrorCode, phase: RefusalPhase, request?: RefusedRequest): void
  /** Told of defects that one connection was sacrificed for: a listener that threw, a response that belied its length. */
  onDefect?(error: unknown): void
}

/** Called once per well-formed request. Must not throw; owns `client` until it ends, fails or departs. */
export type RequestListener = (request: RequestView, client: ClientChannel) => void

/** One HTTP/1.x edge on one address. */
export interface Listener {
  /** Starts accepting. @returns the address with the real port. @throws {Error} when the address cannot be bound. */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Open right now. */
  readonly connections: number
  /** Connections accepted since the start; those that were refused at once are among them. */
  readonly accepted: number
  /** Requests received since the start: every head that was complete, those that were refused included. */
  readonly received: number
  readonly activeRequests: number
  /** Soft drain (F46, F47): goes on accepting, and every response from now on carries `Connection: close`. */
  drain(): void
  /** Accepts no more connections; those that exist live on. */
  stopAccepting(): void
  /** Stops accepting, ends idle connections, waits for requests at most `graceMs`, then destroys what is left. */
  close(graceMs: number): Promise<void>
  /** Cuts every connection now. */
  destroyAll(): void
}
