import { Attempt, cancelledError } from './attempt.ts'
import { costOf, metaOf, requestIdOf, withMeta, type Answered } from './call-meta.ts'
import { pause } from './clock.ts'
import { UpstreamError, type PratuError } from './errors.ts'
import { httpError, toldError } from './http-error.ts'
import { fieldOf, parseJson } from './json.ts'
import type { ClientSettings } from './options.ts'
import { retryAfterMs } from './retry/retry-after.ts'
import { retryDelayMs } from './retry/retry-delay.ts'
import type { Transport, TransportResponse } from './transport/transport.ts'
import type { UsageMeter } from './usage-meter.ts'

/** What a single call may differ in from its client. Times are milliseconds. */
export interface CallOptions {
  /** Aborted: the call ends with a `CancelledError`. */
  readonly signal?: AbortSignal
  readonly timeout?: number
  readonly maxRetries?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Fields of the body beside those that the request's type knows. */
  readonly extraBody?: Readonly<Record<string, unknown>>
  /** The same for all attempts of a call; made up when not given. */
  readonly idempotencyKey?: string
}

/** Who else has a say in when an attempt may start, and wants to know how it ended: a batch. */
export interface AttemptGate {
  /** @throws what the call shall end with. */
  enter(): Promise<void>
  leave(error: PratuError | undefined): void
}

export interface Call {
  readonly method: 'GET' | 'POST'
  /** Below `/v1`, beginning with a slash. */
  readonly path: string
  readonly body: object | undefined
  readonly options: CallOptions
  readonly gate?: AttemptGate | undefined
}

/** An answer longer than this is not read to its end. */
const MAX_ANSWER_BYTES = 256 * 1_024 * 1_024
const MAX_ERROR_BYTES = 256 * 1_024

/** Sends calls: retries, time limits, typed errors and the count of what was used, for all methods alike. */
export class Caller {
  readonly settings: ClientSettings
  readonly meter: UsageMeter
  readonly #transport: Transport

  constructor(settings: ClientSettings, transport: Transport, meter: UsageMeter) {
    this.settings = settings
    this.#transport = transport
    this.meter = meter
  }

  /**
   * Sends a call until it is answered or no retry is left.
   *
   * @param isAnswer what the body must be to count as an answer.
   * @throws {PratuError} in every case but a mistake of the caller's, which is a `TypeError`.
   */
  async json<Answer extends object>(
    call: Call,
    isAnswer: (body: unknown) => body is Answer,
  ): Promise<Answered<Answer>> {
    try {
      const { answer, meta } = await this.attempts(call, async (attempt, response) => {
        const text = await readText(response.body, MAX_ANSWER_BYTES)
        const body = parseJson(text)
        if (!isAnswer(body)) throw unusable(body, text, response, attempt)
        return { answer: body, meta: metaOf(response.header, attempt.number) }
      })
      this.meter.answered(fieldOf(answer, 'usage'), meta.fromCache, meta.costDollars)
      return withMeta(answer, meta)
    } catch (error) {
      this.meter.failed()
      throw error
    }
  }

  /** Runs `read` over the answer of each attempt in turn until it succeeds. What it throws may lead to a retry. */
  async attempts<Result>(
    call: Call,
    read: (attempt: Attempt, response: TransportResponse) => Promise<Result>,
  ): Promise<Result> {
    const { settings } = this
    const { signal, maxRetries = settings.maxRetries } = call.options
    const send = this.prepare(call)
    for (let number = 1; ; number++) {
      if (signal?.aborted === true) throw cancelledError(signal, { attempts: number - 1 })
      await call.gate?.enter()
      const attempt = this.attempt(call.options, number)
      let failure: PratuError
      try {
        const result = await read(attempt, await send(attempt))
        call.gate?.leave(undefined)
        return result
      } catch (error) {
        failure = attempt.errorOf(error)
        call.gate?.leave(failure)
      } finally {
        attempt.finish()
      }
      await this.beforeRetry(failure, number, maxRetries, signal)
    }
  }

  attempt({ signal, timeout }: CallOptions, number: number): Attempt {
    const { clock, timeoutMs, connectTimeoutMs, baseUrl } = this.settings
    return new Attempt({
      number,
      clock,
      timeoutMs: timeout ?? timeoutMs,
      connectTimeoutMs,
      target: baseUrl,
      signal,
    })
  }

  /** Waits as long as the failure asks. @throws the failure itself when there is no retry. */
  async beforeRetry(
    failure: PratuError,
    attempts: number,
    maxRetries: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { backoff, random, clock } = this.settings
    if (failure.costDollars !== undefined) this.meter.spent(failure.costDollars)
    const delayMs =
      attempts > maxRetries ? undefined : retryDelayMs(failure, attempts, backoff, random)
    if (delayMs === undefined) throw failure
    await pause(clock, delayMs, signal)
    if (signal?.aborted === true) {
      throw cancelledError(signal, { attempts, requestId: failure.requestId })
    }
    this.meter.retried()
  }

  /** @returns what sends the call once, and throws the typed error of an answer that is none. */
  prepare(call: Call): (attempt: Attempt) => Promise<TransportResponse> {
    const { baseUrl } = this.settings
    const url = new URL(`${baseUrl}${call.path}`)
    const headers = this.#headersOf(call)
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    return async (attempt) => {
      const response = await this.#transport.send({
        method: call.method,
        url,
        headers: attempt.number === 1 ? headers : retried(headers, attempt.number),
        body,
        signal: attempt.signal,
        onConnection: () => attempt.enter('answer'),
      })
      attempt.requestId = requestIdOf(response.header)
      if (response.status === 200) return response
      throw await errorOf(response, attempt, this.settings.clock.now())
    }
  }

  #headersOf({ method, body, options }: Call): Record<string, string> {
    const headers: Record<string, string> = { ...this.settings.headers }
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (method === 'POST') headers['idempotency-key'] = options.idempotencyKey ?? randomKey()
    for (const [name, value] of Object.entries(options.headers ?? {}))
      headers[name.toLowerCase()] = value
    return headers
  }
}

/** Tells the gateway that this is not a new call, in the field that OpenAI's clients use for it. */
function retried(headers: Record<string, string>, attempt: number): Record<string, string> {
  return { ...headers, 'x-stainless-retry-count': String(attempt - 1) }
}

async function errorOf(
  response: TransportResponse,
  attempt: Attempt,
  now: number,
): Promise<PratuError> {
  const { status, header } = response
  const text = await readText(response.body, MAX_ERROR_BYTES)
  return httpError({
    status,
    text,
    body: parseJson(text),
    attempts: attempt.number,
    requestId: attempt.requestId,
    costDollars: costOf(header('x-pratu-cost')),
    retryAfterMs: retryAfterMs(header, now),
    shouldRetry: header('x-should-retry'),
  })
}

/** A 200 that is no answer: an error in its body, or no JSON of the wanted kind. It may have been paid for: no retry. */
function unusable(
  body: unknown,
  text: string,
  { status, header }: TransportResponse,
  { number, requestId }: Attempt,
): UpstreamError {
  const told = toldError(body)
  const message =
    told.message ?? `the answer is not what was asked for: ${text.slice(0, 200).trim()}`
  return new UpstreamError(message, {
    attempts: number,
    requestId,
    status,
    code: told.code,
    costDollars: costOf(header('x-pratu-cost')),
  })
}

async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.byteLength
    if (bytes > maxBytes) break
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

/** Not `randomUUID`, which browsers keep from pages without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `pratu-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
