import type { ChatCompletion } from './openai/index.ts'

/** What every error of this client tells, whatever happened. */
export interface ErrorFacts {
  /** How often the request was sent, this failure included; 0 when it never was. */
  readonly attempts: number
  /** The gateway's id of the last attempt, to find it in the gateway's log. */
  readonly requestId?: string | undefined
  /** What the attempts cost in dollars, where the gateway said so. */
  readonly costDollars?: number | undefined
  /** The HTTP status, when there was an answer. */
  readonly status?: number | undefined
  /** The gateway's or the provider's own code, such as `rate_limit_exceeded`. */
  readonly code?: string | undefined
  /** Whether the client itself would try again, were there attempts left. */
  readonly retryable?: boolean | undefined
  /** What the answer asked to wait. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export type ErrorKind =
  | 'rate-limit'
  | 'budget'
  | 'auth'
  | 'request'
  | 'upstream'
  | 'truncated'
  | 'timeout'
  | 'connection'
  | 'cancelled'

/** The base of all errors that calls end with; `kind` is what to switch on. */
export abstract class PratuError extends Error {
  abstract readonly kind: ErrorKind
  readonly attempts: number
  readonly requestId: string | undefined
  readonly costDollars: number | undefined
  readonly status: number | undefined
  readonly code: string | undefined
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.attempts = facts.attempts
    this.requestId = facts.requestId
    this.costDollars = facts.costDollars
    this.status = facts.status
    this.code = facts.code
    this.retryable = facts.retryable ?? false
    this.retryAfterMs = facts.retryAfterMs
  }
}

/** 429: too many requests or tokens for now; `retryAfterMs` says how long, when the gateway does. */
export class RateLimitError extends PratuError {
  override readonly name = 'RateLimitError'
  readonly kind = 'rate-limit'
}

/** The money is spent: 402, or 429 with a code that says so. Waiting a moment does not help. */
export class BudgetError extends PratuError {
  override readonly name = 'BudgetError'
  readonly kind = 'budget'
}

/** 401 and 403: no key, an unknown one, or one that may not do this. */
export class AuthError extends PratuError {
  override readonly name = 'AuthError'
  readonly kind = 'auth'
}

/** Any other refusal of the request itself (4xx): sending it again unchanged is no use. */
export class RequestError extends PratuError {
  override readonly name = 'RequestError'
  readonly kind = 'request'
}

/** The gateway or the provider failed: 408, 409, 5xx, an error inside an answer, or an answer that is none. */
export class UpstreamError extends PratuError {
  override readonly name = 'UpstreamError'
  readonly kind = 'upstream'
}

/** The answer broke off (F22 to F24). A stream's `partial` is what arrived, never to be taken for a whole answer. */
export class TruncatedError extends PratuError {
  override readonly name = 'TruncatedError'
  readonly kind = 'truncated'
  readonly partial: ChatCompletion | undefined

  constructor(message: string, facts: ErrorFacts & { readonly partial?: ChatCompletion }) {
    super(message, facts)
    this.partial = facts.partial
  }
}

export type TimeoutPhase = 'pool' | 'connect' | 'answer' | 'stream'

/** A time limit of this client passed: for a free connection, to connect, for the answer, between two pieces of a stream. */
export class TimeoutError extends PratuError {
  override readonly name = 'TimeoutError'
  readonly kind = 'timeout'
  readonly phase: TimeoutPhase
  readonly partial: ChatCompletion | undefined

  constructor(
    message: string,
    facts: ErrorFacts & { readonly phase: TimeoutPhase; readonly partial?: ChatCompletion },
  ) {
    super(message, facts)
    this.phase = facts.phase
    this.partial = facts.partial
  }
}

/** The gateway could not be reached, or the connection broke before the answer was complete. */
export class ConnectionError extends PratuError {
  override readonly name = 'ConnectionError'
  readonly kind = 'connection'
}

/** The caller's signal was aborted, its stream left, or the client closed. */
export class CancelledError extends PratuError {
  override readonly name = 'CancelledError'
  readonly kind = 'cancelled'
}
