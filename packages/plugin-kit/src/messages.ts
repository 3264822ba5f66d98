/** A synchronous answer allocates no promise; the hot path relies on it. */
export type Awaitable<T> = T | Promise<T>

/**
 * Read access to header fields. `name` must be given in lower case; fields compare case-insensitively.
 */
export interface HeaderView {
  /** Name, value, name, value, … in wire order and case. */
  readonly flat: readonly string[]
  /** The first value, or `undefined`. */
  get(name: string): string | undefined
  /** Every value in wire order; empty when the field is absent. */
  all(name: string): readonly string[]
  has(name: string): boolean
}

/** Header fields that may be edited. Case given to `set` and `append` is kept on the wire. */
export interface HeaderFields extends HeaderView {
  /** Replaces every field of this name by one. */
  set(name: string, value: string): void
  /** Adds one more field of this name. */
  append(name: string, value: string): void
  /** Removes every field of this name. `name` in lower case. */
  delete(name: string): void
}

/** Where bytes go. Exactly one of `end` or `fail`, and nothing after it. */
export interface ByteSink {
  /** @returns `false` when the reader is behind: wait for `onDrain` before writing more. */
  write(chunk: Uint8Array): boolean
  /** Calls `resume` once, when the sink can take more. */
  onDrain(resume: () => void): void
  end(): void
  /** Ends abnormally: the peer must be able to tell that the message is not complete. */
  fail(error: Error): void
}

export interface ResponseHead {
  status: number
  readonly headers: HeaderFields
}

/** A response on its way to the client. `head` commits: afterwards status and headers are final. */
export interface ResponseSink extends ByteSink {
  head(head: ResponseHead): void
}

/** A parsed JSON body whose depth, key count and duplicate keys were checked (faults S24–S26). */
export interface JsonDocument {
  readonly value: unknown
  /** Byte offsets [start, end) of a top-level member's value in the body, or `undefined`. */
  span(topLevelKey: string): readonly [start: number, end: number] | undefined
}

/** The request body. Nothing is read from the client before one of the reading methods is called. */
export interface RequestBody {
  /** `Content-Length`, or `undefined` for a chunked body. 0 when there is none. */
  readonly declaredBytes: number | undefined
  /** Whether the body is known to be empty. */
  readonly empty: boolean
  /** Whether the client sent all of it. */
  readonly completed: boolean
  /** Whether a second attempt could send it again: buffered whole, or not one byte taken yet. */
  readonly replayable: boolean
  /** Bytes taken from the client so far. */
  readonly receivedBytes: number
  /**
   * Lowers the cap for this request; it is never raised. The pipeline calls it when the route is known, plugins may.
   *
   * @throws {GatewayError} 413 when the declared length is already above it.
   */
  limit(maxBytes: number): void
  /**
   * Reads ahead. `complete`: the whole body is in memory, and `bytes` answers synchronously from now on. `partial`: more
   * than `upToBytes` arrived; reading is paused and `pipe` will send what was read first.
   *
   * @throws {GatewayError} 408 when too slow, 413 above the limit, 503 when the process has no memory to spare.
   */
  buffer(upToBytes: number): Awaitable<'complete' | 'partial'>
  /**
   * The whole body; idempotent. The cap is the smaller of `maxBytes` and the node's own limit.
   *
   * @throws {GatewayError} 413 when larger, 408 when too slow, 503 when the process has no memory to spare.
   */
  bytes(maxBytes: number): Awaitable<Uint8Array>
  /** Parsed once per content. @throws {GatewayError} 400 when it is not acceptable JSON, else as `bytes`. */
  json(maxBytes: number): Awaitable<JsonDocument>
  /** What later plugins and the handler see from now on. */
  replace(bytes: Uint8Array): void
  /** Streams to `sink`, once. Throws after `bytes` was called and is pending. */
  pipe(sink: ByteSink): void
}
