import { headerValue } from '../wire/request-head.ts'
import type { HeaderPair, RequestHead } from '../wire/request-head.ts'
import type { ConnectionRecord, SocketClosing } from './connection-record.ts'

/**
 * - `head`: the request head is complete; `complete`: so is its body
 * - `response-start`: the first byte of the answer was handed to the kernel; `response-end`: the last one
 * - `write-blocked`: the peer takes no more (`write()` returned false and bytes are left over); `drained`: it does again
 * - `client-fin`, `client-reset`, `server-fin`, `server-reset`: how an end of the connection was closed
 * - `closed`: both directions are closed
 */
export type SocketEventType =
  | 'head'
  | 'complete'
  | 'response-start'
  | 'write-blocked'
  | 'drained'
  | 'response-end'
  | 'client-fin'
  | 'client-reset'
  | 'server-fin'
  | 'server-reset'
  | 'closed'

export interface SocketEvent {
  readonly type: SocketEventType
  /** Monotonic milliseconds (`performance.now()` of the simulator's process). */
  readonly atMs: number
}

/** One request as it reached the simulator, and what happened to its socket until the next request on it. */
export interface RecordedRequest {
  /** Ordinal since the start or the last `clear()`, from 0. */
  readonly index: number
  /** The connection's ordinal since the start. */
  readonly connection: number
  /** Requests that the same connection carried before this one. */
  readonly connectionRequests: number
  readonly remotePort: number
  /** Exactly as received, up to and including the empty line. */
  readonly rawHead: Buffer
  /** Exactly as received, chunk framing included. */
  readonly rawBody: Buffer
  /** The payload: `rawBody` without chunk framing. */
  readonly bodyBytes: Buffer
  readonly method: string
  readonly target: string
  readonly path: string
  readonly query: string
  readonly version: '1.0' | '1.1'
  readonly headers: readonly HeaderPair[]
  /** The payload as text. */
  readonly body: string
  /** Why the request is not well-formed; `undefined` for a good one. */
  readonly malformed: string | undefined
  /** Whether the whole body arrived. */
  readonly complete: boolean
  /** The fault that was applied, in its compact form. */
  readonly fault: string | undefined
  /** Status of the final answer, once its head was written. */
  readonly status: number | undefined
  readonly events: readonly SocketEvent[]
  /** How the connection closed, once it has. */
  readonly closing: SocketClosing | undefined
  /** Resolves when the connection has closed: who closed it first, how, and when. */
  readonly closed: Promise<SocketClosing>
  /** The first value of a field, by name in any case. */
  header(name: string): string | undefined
  /** @throws {SyntaxError} when the body is not JSON. */
  json(): unknown
  /** When the event first happened; `undefined` if it did not. */
  timeOf(type: SocketEventType): number | undefined
}

const EMPTY = Buffer.alloc(0)

/** The writable side of a record; the server alone holds it. */
export class RequestRecord implements RecordedRequest {
  readonly index: number
  readonly connectionRequests: number
  readonly rawHead: Buffer
  readonly method: string
  readonly target: string
  readonly path: string
  readonly query: string
  readonly version: '1.0' | '1.1'
  readonly headers: readonly HeaderPair[]
  readonly events: SocketEvent[] = []
  rawBody: Buffer = EMPTY
  bodyBytes: Buffer = EMPTY
  malformed: string | undefined
  complete = false
  /** The body fields are final. */
  settled = false
  fault: string | undefined
  status: number | undefined
  readonly #connection: ConnectionRecord

  constructor(
    index: number,
    connection: ConnectionRecord,
    rawHead: Buffer,
    head: RequestHead | undefined,
  ) {
    this.index = index
    this.#connection = connection
    this.connectionRequests = connection.requests
    this.rawHead = rawHead
    this.method = head?.method ?? ''
    this.target = head?.target ?? ''
    this.path = head?.path ?? ''
    this.query = head?.query ?? ''
    this.version = head?.version ?? '1.1'
    this.headers = head?.headers ?? []
  }

  get connection(): number {
    return this.#connection.index
  }

  get remotePort(): number {
    return this.#connection.remotePort
  }

  get body(): string {
    return this.bodyBytes.toString('utf8')
  }

  get closing(): SocketClosing | undefined {
    return this.#connection.closing
  }

  get closed(): Promise<SocketClosing> {
    return this.#connection.closed
  }

  header(name: string): string | undefined {
    return headerValue(this.headers, name.toLowerCase())
  }

  json(): unknown {
    const value: unknown = JSON.parse(this.body)
    return value
  }

  timeOf(type: SocketEventType): number | undefined {
    return this.events.find((event) => event.type === type)?.atMs
  }

  /** Bytes that this record holds, for the recorder's budget. */
  get heldBytes(): number {
    return (
      this.rawHead.length +
      this.rawBody.length +
      (this.rawBody === this.bodyBytes ? 0 : this.bodyBytes.length)
    )
  }

  add(type: SocketEventType): void {
    this.events.push({ type, atMs: performance.now() })
  }
}
