/// <reference lib="esnext.disposable" preserve="true" />
import { runBatch, type BatchOptions, type BatchOutcome } from './batch/run-batch.ts'
import type { Answered } from './call-meta.ts'
import { Caller, type AttemptGate, type Call, type CallOptions } from './caller.ts'
import { CancelledError } from './errors.ts'
import { isChatCompletion, isEmbeddings, isModelList } from './openai/answers.ts'
import type {
  ChatCompletion,
  ChatRequest,
  Embeddings,
  EmbeddingsRequest,
  ModelList,
} from './openai/index.ts'
import { settingsOf, type ClientSettings, type PratuClientOptions } from './options.ts'
import { ChatStream } from './stream/chat-stream.ts'
import type { Transport } from './transport/transport.ts'
import { UsageMeter, type ClientUsage } from './usage-meter.ts'

export type ChatBatchResult = BatchOutcome<Answered<ChatCompletion>>

/** The client without a transport of its own; the entries for Node and for the web give it one. */
export abstract class GatewayClient {
  readonly #settings: ClientSettings
  readonly #transport: Transport
  readonly #meter = new UsageMeter()
  readonly #caller: Caller
  #isClosed = false

  protected constructor(
    options: PratuClientOptions,
    defaultTransport: (settings: ClientSettings) => Transport,
  ) {
    this.#settings = settingsOf(options)
    this.#transport = options.transport ?? defaultTransport(this.#settings)
    this.#caller = new Caller(this.#settings, this.#transport, this.#meter)
  }

  /** Tokens, cost, cache hits of all calls so far. */
  get usage(): ClientUsage {
    return this.#meter.usage
  }

  /**
   * `POST /v1/chat/completions`.
   *
   * @throws {PratuError} by `kind`: rate-limit, budget, auth, request, upstream, timeout, connection, cancelled.
   */
  chatCompletion(
    request: ChatRequest,
    options: CallOptions = {},
  ): Promise<Answered<ChatCompletion>> {
    return this.#chat(request, options, undefined)
  }

  /** The same, streamed. Nothing is sent before the stream is read; errors come where it is read. */
  stream(request: ChatRequest, options: CallOptions = {}): ChatStream {
    this.#mustBeOpen()
    const asked = request.stream_options?.include_usage
    const body = {
      ...request,
      ...options.extraBody,
      stream: true,
      stream_options: { ...request.stream_options, include_usage: asked ?? true },
    }
    const call: Call = { method: 'POST', path: '/chat/completions', body, options }
    return new ChatStream(this.#caller, call, asked === true)
  }

  /** `POST /v1/embeddings`, as numbers. */
  async embeddings(
    request: EmbeddingsRequest,
    options: CallOptions = {},
  ): Promise<Answered<Embeddings>> {
    return this.#embed(request, options, undefined)
  }

  /** `GET /v1/models`: what this key may ask for. */
  async models(options: CallOptions = {}): Promise<Answered<ModelList>> {
    this.#mustBeOpen()
    return this.#caller.json(
      { method: 'GET', path: '/models', body: undefined, options },
      isModelList,
    )
  }

  /**
   * Answers many requests, a bounded number at a time. Never rejects for what happens to a request: results and errors
   * are returned together, in the order of the requests.
   *
   * @throws {TypeError} when an option makes no sense.
   */
  async batchChat(
    requests: readonly ChatRequest[],
    options: BatchOptions = {},
  ): Promise<ChatBatchResult[]> {
    const results: ChatBatchResult[] = []
    await runBatch<number, Answered<ChatCompletion>>({
      total: requests.length,
      items: requests.keys(),
      work: (index, gate, signal) => {
        const request = requests[index]
        if (request === undefined) throw new TypeError(`there is no request ${index}`)
        return this.#chat(request, { ...callOptionsOf(options), signal }, gate)
      },
      onSettled(index, outcome) {
        results[index] = outcome
      },
      options,
      clock: this.#settings.clock,
    })
    return results
  }

  /** For what works on the client's behalf: the door for a batch from a file. */
  batchCall(
    request: BatchCall,
    options: CallOptions,
    gate: AttemptGate | undefined,
  ): Promise<Answered<ChatCompletion | Embeddings>> {
    return request.endpoint === 'embeddings'
      ? this.#embed(request.body, options, gate)
      : this.#chat(request.body, options, gate)
  }

  /** Lets calls under way finish and closes every connection. Later calls end with a `CancelledError`. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#transport.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #chat(
    request: ChatRequest,
    options: CallOptions,
    gate: AttemptGate | undefined,
  ): Promise<Answered<ChatCompletion>> {
    this.#mustBeOpen()
    const body = { ...request, ...options.extraBody, stream: false }
    return this.#caller.json(
      { method: 'POST', path: '/chat/completions', body, options, gate },
      isChatCompletion,
    )
  }

  async #embed(
    request: EmbeddingsRequest,
    options: CallOptions,
    gate: AttemptGate | undefined,
  ): Promise<Answered<Embeddings>> {
    this.#mustBeOpen()
    const body = { ...request, ...options.extraBody, encoding_format: 'float' }
    return this.#caller.json(
      { method: 'POST', path: '/embeddings', body, options, gate },
      isEmbeddings,
    )
  }

  /** @throws {CancelledError} after `close`. */
  #mustBeOpen(): void {
    if (this.#isClosed) throw new CancelledError('the client is closed', { attempts: 0 })
  }
}

/** A request of a batch, by endpoint. */
export type BatchCall =
  | { readonly endpoint: 'chat'; readonly body: ChatRequest }
  | { readonly endpoint: 'embeddings'; readonly body: EmbeddingsRequest }

function callOptionsOf({ maxRetries, timeout }: BatchOptions): CallOptions {
  return {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(timeout === undefined ? {} : { timeout }),
  }
}
