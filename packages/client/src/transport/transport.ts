/** How requests reach the gateway. One try each: retries and time limits are the client's. */
export interface Transport {
  /**
   * Sends a request and resolves with the head of its answer.
   *
   * @throws {TransportError} when there is none; whatever else is thrown counts as a broken connection too.
   */
  send(request: TransportRequest): Promise<TransportResponse>
  /** Lets calls under way finish, then closes every connection. */
  close(): Promise<void>
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Aborted: end the attempt, also while its body is read. */
  readonly signal: AbortSignal
  /** To be called when the wait for a free connection is over, by transports that have one. */
  readonly onConnection: () => void
}

export interface TransportResponse {
  readonly status: number
  /** The value of a field by its lower-case name; of repeated ones the first. */
  readonly header: (name: string) => string | undefined
  /** Read once; leaving it early ends the exchange. */
  readonly body: AsyncIterable<Uint8Array>
}

/** No answer, or not all of it. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly reason: 'connect-timeout' | 'connection'

  constructor(reason: TransportError['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

/** What went wrong, for people: the innermost message that says anything. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node wraps the attempts on several addresses into one error without a message.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  if (first instanceof Error && (error.message === '' || error instanceof TypeError))
    return messageOf(first)
  return error.message
}
