import type { Attempt } from '../attempt.ts'
import { cancelledError } from '../attempt.ts'
import { metaOf, type CallMeta } from '../call-meta.ts'
import type { Call, Caller } from '../caller.ts'
import { TimeoutError, TruncatedError, UpstreamError, type PratuError } from '../errors.ts'
import { toldError } from '../http-error.ts'
import { fieldOf, isRecord, parseJson, textOf } from '../json.ts'
import { isChatChunk } from '../openai/answers.ts'
import type { ChatAnswer, ChatChunk, ChatCompletion } from '../openai/index.ts'
import type { TransportResponse } from '../transport/transport.ts'
import { CompletionBuilder } from './completion-builder.ts'
import { eventData } from './event-reader.ts'

/** How long the framing of a finished stream may take to end, so that its connection can be used again. */
const FRAMING_END_MS = 1_000

/**
 * A streamed answer. Nothing is sent before it is read, and it is read once: as chunks (`for await`), as text, or at its
 * end only. A stream that does not reach its terminal event throws, however cleanly its connection ended (F23). Until the
 * first token a failed attempt is tried again; after it never.
 */
export class ChatStream implements AsyncIterable<ChatChunk> {
  readonly #caller: Caller
  readonly #call: Call
  readonly #showUsage: boolean
  readonly #abort = new AbortController()
  readonly #end = Promise.withResolvers<ChatCompletion>()
  #isRead = false
  #meta: CallMeta | undefined

  /** @param showUsage whether the caller asked for the chunk with the usage, and so wants to see it. */
  constructor(caller: Caller, call: Call, showUsage: boolean) {
    this.#caller = caller
    this.#showUsage = showUsage
    const { signal } = call.options
    const own = this.#abort.signal
    this.#call = {
      ...call,
      options: {
        ...call.options,
        signal: signal === undefined ? own : AbortSignal.any([signal, own]),
      },
    }
    // Who reads chunks gets the error there; nobody needs to wait for the end as well.
    this.#end.promise.catch(() => undefined)
  }

  /** Known from the first chunk on. */
  get meta(): CallMeta | undefined {
    return this.#meta
  }

  /** @throws {TypeError} when it is or has been read already. */
  [Symbol.asyncIterator](): AsyncGenerator<ChatChunk, void, void> {
    if (this.#isRead) throw new TypeError('a stream is read once')
    this.#isRead = true
    return this.#run()
  }

  /** The text of the first choice, piece by piece. */
  async *text(): AsyncGenerator<string, void, void> {
    for await (const { choices } of this) {
      const piece = choices.find(({ index }) => index === 0)?.delta.content
      if (piece != null && piece !== '') yield piece
    }
  }

  /** Reads to the end, or waits until whoever reads has come there. @returns the whole answer, put together. */
  async finalCompletion(): Promise<ChatCompletion> {
    if (!this.#isRead) {
      const chunks = this[Symbol.asyncIterator]()
      while ((await chunks.next()).done !== true);
    }
    return this.#end.promise
  }

  /** The message of the first choice, as `finalCompletion` has it. */
  async finalMessage(): Promise<ChatAnswer> {
    const { choices } = await this.finalCompletion()
    const [first] = choices
    if (first !== undefined) return first.message
    return { role: 'assistant', content: null, refusal: null }
  }

  async finalText(): Promise<string> {
    return (await this.finalMessage()).content ?? ''
  }

  /** Ends the call; whoever reads gets a `CancelledError`. After the end it does nothing. */
  abort(reason?: unknown): void {
    this.#abort.abort(reason)
  }

  async *#run(): AsyncGenerator<ChatChunk, void, void> {
    const { meter, settings } = this.#caller
    const { signal, maxRetries = settings.maxRetries } = this.#call.options
    let attempts = 0
    let settled = false
    try {
      const send = this.#caller.prepare(this.#call)
      for (;;) {
        if (signal?.aborted === true) throw cancelledError(signal, { attempts })
        attempts++
        const reading = new Reading(this.#caller.attempt(this.#call.options, attempts))
        const failure = yield* this.#try(reading, send)
        if (failure === undefined) break
        if (reading.hasToken) throw failure
        await this.#caller.beforeRetry(failure, attempts, maxRetries, signal)
      }
      settled = true
    } catch (error) {
      settled = true
      meter.failed()
      this.#end.reject(error)
      throw error
    } finally {
      // Left by whoever read it.
      if (!settled) {
        meter.failed()
        this.#end.reject(cancelledError(signal, { attempts, requestId: this.#meta?.requestId }))
      }
    }
  }

  /** One attempt. @returns why it failed, or undefined when the answer is complete. */
  async *#try(
    reading: Reading,
    send: (attempt: Attempt) => Promise<TransportResponse>,
  ): AsyncGenerator<ChatChunk, PratuError | undefined, void> {
    const { attempt } = reading
    let isDraining = false
    let events: AsyncGenerator<string, void> | undefined
    try {
      const response = await send(attempt)
      this.#meta = metaOf(response.header, attempt.number)
      reading.hasHead = true
      events = eventData(watched(response.body, attempt))
      // What came before the first token waits for it: up to there another attempt may take this one's place.
      let held: ChatChunk[] = []
      for (;;) {
        const { done, value: data } = await events.next()
        if (done === true) throw reading.endedEarly()
        if (data === '[DONE]') break
        const chunk = reading.parse(data)
        if (chunk.choices.length === 0 && chunk.usage != null && !this.#showUsage) continue
        held.push(chunk)
        reading.hasToken ||= hasToken(chunk)
        if (!reading.hasToken) continue
        const ready = held
        held = []
        yield* ready
      }
      isDraining = true
      void drain(events, attempt)
      yield* held
      this.#complete(reading.builder)
      return undefined
    } catch (error) {
      return reading.failureOf(error)
    } finally {
      if (!isDraining) {
        attempt.finish()
        await events?.return()
      }
    }
  }

  #complete(builder: CompletionBuilder): void {
    const completion = builder.build()
    this.#caller.meter.answered(
      builder.usage,
      this.#meta?.fromCache ?? false,
      this.#meta?.costDollars,
    )
    this.#end.resolve(
      completion ?? { id: '', object: 'chat.completion', created: 0, model: '', choices: [] },
    )
  }
}

/** What one attempt has read, and what its failure is called then. */
class Reading {
  readonly attempt: Attempt
  readonly builder = new CompletionBuilder()
  hasHead = false
  hasToken = false

  constructor(attempt: Attempt) {
    this.attempt = attempt
  }

  /** @throws {UpstreamError | TruncatedError} when the event is an error, or no chunk. */
  parse(data: string): ChatChunk {
    const event = parseJson(data)
    if (isRecord(event) && event['error'] != null) throw this.#errorEvent(event)
    if (!isChatChunk(event)) {
      throw this.#truncated(`the stream holds what is no chunk: ${data.slice(0, 200)}`, undefined)
    }
    this.builder.add(event)
    return event
  }

  endedEarly(): TruncatedError {
    return this.#truncated('the stream ended without its terminal event', undefined)
  }

  failureOf(thrown: unknown): PratuError {
    const error = this.attempt.errorOf(thrown)
    if (!this.hasHead) return error
    if (error.kind === 'connection')
      return this.#truncated(`the stream broke off: ${error.message}`, undefined, thrown)
    if (error instanceof TimeoutError) {
      const { attempts, requestId, phase, cause } = error
      const partial = this.builder.build()
      return new TimeoutError(error.message, {
        attempts,
        requestId,
        phase,
        cause,
        retryable: !this.hasToken,
        ...(partial === undefined ? {} : { partial }),
      })
    }
    return error
  }

  /** Between tokens the rest is missing, whatever the reason; before them it is a failure like any other. */
  #errorEvent(event: unknown): PratuError {
    const { message, code } = toldError(event)
    const text = message ?? 'the stream holds an error'
    if (this.hasToken || code === 'upstream_truncated') return this.#truncated(text, code)
    const type = textOf(fieldOf(event, 'error'), 'type')
    return new UpstreamError(text, {
      attempts: this.attempt.number,
      requestId: this.attempt.requestId,
      code,
      retryable: type !== 'invalid_request_error',
    })
  }

  #truncated(message: string, code: string | undefined, cause?: unknown): TruncatedError {
    const partial = this.builder.build()
    return new TruncatedError(message, {
      attempts: this.attempt.number,
      requestId: this.attempt.requestId,
      code,
      cause,
      retryable: !this.hasToken,
      ...(partial === undefined ? {} : { partial }),
    })
  }
}

/** Whether a chunk holds anything of the answer, so that a reader may have acted on it. */
function hasToken({ choices }: ChatChunk): boolean {
  return choices.some(
    ({ delta, finish_reason }) =>
      finish_reason != null ||
      (delta.content != null && delta.content !== '') ||
      (delta.refusal != null && delta.refusal !== '') ||
      delta.tool_calls !== undefined,
  )
}

/** The time limit runs while the gateway is waited for, and not while the reader thinks. */
async function* watched(
  body: AsyncIterable<Uint8Array>,
  attempt: Attempt,
): AsyncGenerator<Uint8Array, void> {
  const pieces = body[Symbol.asyncIterator]()
  let isFirst = true
  try {
    for (;;) {
      if (!isFirst) attempt.enter('stream')
      const { done, value } = await pieces.next()
      attempt.rest()
      if (done === true) return
      isFirst = false
      yield value
    }
  } finally {
    await pieces.return?.()
  }
}

/** Reads what is left of the framing. The answer is complete: how its connection ends is nobody's matter any more. */
async function drain(events: AsyncGenerator<string, void>, attempt: Attempt): Promise<void> {
  try {
    attempt.enter('stream', FRAMING_END_MS)
    while ((await events.next()).done !== true) attempt.enter('stream', FRAMING_END_MS)
  } catch (error) {
    attempt.errorOf(error)
  } finally {
    attempt.finish()
  }
}
