import type { Clock } from './clock.ts'
import {
  CancelledError,
  ConnectionError,
  PratuError,
  TimeoutError,
  type ErrorFacts,
  type TimeoutPhase,
} from './errors.ts'
import { messageOf, TransportError } from './transport/transport.ts'

/**
 * The life of one attempt: its time limit and the caller's signal end it, and whatever ends it becomes one typed error.
 */
export class Attempt {
  readonly number: number
  readonly #abort = new AbortController()
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #connectTimeoutMs: number
  readonly #target: string
  readonly #callerSignal: AbortSignal | undefined
  #phase: TimeoutPhase = 'pool'
  #expired = false
  #cancelTimer: (() => void) | undefined
  requestId: string | undefined

  constructor(given: {
    readonly number: number
    readonly clock: Clock
    readonly timeoutMs: number
    readonly connectTimeoutMs: number
    /** Where the gateway is, for messages. */
    readonly target: string
    readonly signal: AbortSignal | undefined
  }) {
    this.number = given.number
    this.#clock = given.clock
    this.#timeoutMs = given.timeoutMs
    this.#connectTimeoutMs = given.connectTimeoutMs
    this.#target = given.target
    this.#callerSignal = given.signal
    if (given.signal?.aborted === true) this.#abort.abort()
    given.signal?.addEventListener('abort', this.#onCallerAbort)
    this.enter('pool')
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The time limit starts anew. */
  enter(phase: TimeoutPhase, limitMs = this.#timeoutMs): void {
    this.#phase = phase
    this.#cancelTimer?.()
    this.#cancelTimer = this.#clock.after(limitMs, () => {
      this.#expired = true
      this.#abort.abort()
    })
  }

  /** No time limit until the next `enter`: what takes time now is the caller's own doing. */
  rest(): void {
    this.#cancelTimer?.()
  }

  /** Ends the time limit. To be called once, however the attempt ended. */
  finish(): void {
    this.#cancelTimer?.()
    this.#callerSignal?.removeEventListener('abort', this.#onCallerAbort)
  }

  readonly #onCallerAbort = (): void => this.#abort.abort()

  /** What ended the attempt, as the one error that callers see. */
  errorOf(thrown: unknown): PratuError {
    if (thrown instanceof PratuError) return thrown
    const facts: ErrorFacts = {
      attempts: this.number,
      requestId: this.requestId,
      cause: thrown,
    }
    if (this.#callerSignal?.aborted === true) return cancelledError(this.#callerSignal, facts)
    if (this.#expired) return this.#timeoutError(this.#phase, this.#timeoutMs, facts)
    if (thrown instanceof TransportError && thrown.reason === 'connect-timeout')
      return this.#timeoutError('connect', this.#connectTimeoutMs, facts)
    return new ConnectionError(
      `no answer from the gateway at ${this.#target}: ${messageOf(thrown)} (${triesText(this.number)})`,
      { ...facts, retryable: true },
    )
  }

  #timeoutError(phase: TimeoutPhase, ms: number, facts: ErrorFacts): TimeoutError {
    const missing: Readonly<Record<TimeoutPhase, string>> = {
      pool: 'no connection became free',
      connect: 'no connection to the gateway',
      answer: 'no complete answer',
      stream: 'nothing more of the stream came',
    }
    return new TimeoutError(
      `${missing[phase]} within ${ms} ms at ${this.#target} (${triesText(this.number)})`,
      { ...facts, phase, retryable: true },
    )
  }
}

export function cancelledError(
  signal: AbortSignal | undefined,
  facts: Omit<ErrorFacts, 'cause'>,
): CancelledError {
  return new CancelledError('the call was cancelled', { ...facts, cause: signal?.reason })
}

function triesText(attempts: number): string {
  return attempts === 1 ? '1 attempt' : `${attempts} attempts`
}
