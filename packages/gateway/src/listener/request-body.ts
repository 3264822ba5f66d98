import type { Awaitable, ByteSink, JsonDocument, RequestBody } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { ByteCollector, parseJson, type MemoryBudget } from '../http/index.ts'

/** Where the bytes of a body come from. */
export interface BodySource {
  /** Starts or goes on reading; answers `Expect: 100-continue` the first time (F09). */
  resumeBody(): void
  /** Stops reading until `resumeBody`. */
  pauseBody(): void
}

export interface BodyLimits {
  readonly memory: MemoryBudget
  /** The node's largest body. */
  readonly maxBytes: number
  readonly jsonDepth: number
  readonly jsonMembers: number
}

/** A caller that waits for bytes. */
interface Waiter {
  /** Reading ahead stops above this many bytes; `Infinity` for a caller that wants the whole body. */
  readonly upToBytes: number
  readonly resolve: (extent: 'complete' | 'partial') => void
  readonly reject: (error: Error) => void
}

const NOT_READING: Promise<'complete' | 'partial'> = Promise.resolve('partial')

/** The body of one request. Its source pushes, at most one caller waits, and bytes are either held or piped. */
export class IncomingBody implements RequestBody {
  readonly #declaredBytes: number | undefined
  readonly #source: BodySource
  readonly #limits: BodyLimits
  readonly #held: ByteCollector
  #maxBytes: number
  #receivedBytes = 0
  #complete: boolean
  #error: Error | undefined
  #waiter: Waiter | undefined
  #reading: Promise<'complete' | 'partial'> = NOT_READING
  #sink: ByteSink | undefined
  #replacement: Uint8Array | undefined
  #document: JsonDocument | undefined

  /** @param declaredBytes `undefined` for a chunked body, 0 for none. */
  constructor(source: BodySource, declaredBytes: number | undefined, limits: BodyLimits) {
    this.#source = source
    this.#declaredBytes = declaredBytes
    this.#limits = limits
    this.#maxBytes = limits.maxBytes
    this.#complete = declaredBytes === 0
    this.#held = new ByteCollector(limits.memory, declaredBytes)
  }

  /** Of the replacement, once there is one: it is what goes on the wire. */
  get declaredBytes(): number | undefined {
    return this.#replacement === undefined ? this.#declaredBytes : this.#replacement.length
  }

  get empty(): boolean {
    if (this.#replacement !== undefined) return this.#replacement.length === 0
    return this.declaredBytes === 0 || (this.#complete && this.#receivedBytes === 0)
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get replayable(): boolean {
    return this.#sink === undefined || this.#replacement !== undefined
  }

  get completed(): boolean {
    return this.#complete
  }

  limit(maxBytes: number): void {
    this.#maxBytes = Math.min(maxBytes, this.#maxBytes)
    const known = Math.max(this.declaredBytes ?? 0, this.#receivedBytes)
    if (known > this.#maxBytes) throw this.#tooLarge(known, this.#maxBytes)
  }

  buffer(upToBytes: number): Awaitable<'complete' | 'partial'> {
    if (this.#replacement !== undefined) return 'complete'
    this.#assertReadable()
    if (this.#complete) return 'complete'
    const known = Math.max(this.declaredBytes ?? 0, this.#receivedBytes)
    if (known > this.#maxBytes) throw this.#tooLarge(known, this.#maxBytes)
    return known > upToBytes ? 'partial' : this.#wait(upToBytes)
  }

  bytes(maxBytes: number): Awaitable<Uint8Array> {
    if (this.#replacement !== undefined) return this.#capped(this.#replacement, maxBytes)
    this.#assertReadable()
    if (this.#complete) return this.#capped(this.#held.view(), maxBytes)
    const known = Math.max(this.declaredBytes ?? 0, this.#receivedBytes)
    const cap = Math.min(maxBytes, this.#maxBytes)
    if (known > cap) throw this.#tooLarge(known, cap)
    this.#maxBytes = cap
    return this.#wait(Infinity).then(() => this.bytes(maxBytes))
  }

  json(maxBytes: number): Awaitable<JsonDocument> {
    if (this.#document !== undefined) return this.#document
    const bytes = this.bytes(maxBytes)
    return bytes instanceof Uint8Array ? this.#parse(bytes) : bytes.then(() => this.json(maxBytes))
  }

  replace(bytes: Uint8Array): void {
    this.#replacement = bytes
    this.#document = undefined
  }

  pipe(sink: ByteSink): void {
    if (this.#replacement !== undefined) {
      sendWhole(this.#replacement, sink)
      return
    }
    this.#assertReadable()
    if (this.#waiter !== undefined)
      throw new Error('a body cannot be piped while it is being buffered')
    if (this.#complete) {
      sendWhole(this.#held.view(), sink)
      return
    }
    if ((this.declaredBytes ?? 0) > this.#maxBytes) {
      sink.fail(this.#tooLarge(this.declaredBytes ?? 0, this.#maxBytes))
      return
    }
    this.#sink = sink
    const ahead = this.#held.view()
    const ready = ahead.length === 0 || sink.write(ahead)
    this.#held.release()
    if (ready) this.#source.resumeBody()
    else sink.onDrain(() => this.#source.resumeBody())
  }

  /** From the source: more of the body. May call back `pauseBody`. */
  push(chunk: Uint8Array): void {
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > this.#maxBytes) {
      this.fail(this.#tooLarge(this.#receivedBytes, this.#maxBytes))
      return
    }
    const sink = this.#sink
    if (sink !== undefined) {
      if (sink.write(chunk)) return
      this.#source.pauseBody()
      sink.onDrain(() => this.#source.resumeBody())
      return
    }
    if (!this.#held.add(chunk)) {
      this.fail(new GatewayError('overloaded', { reason: 'no memory for the request body' }))
      return
    }
    const waiter = this.#waiter
    if (waiter !== undefined && this.#held.length > waiter.upToBytes) {
      this.#waiter = undefined
      this.#source.pauseBody()
      waiter.resolve('partial')
    }
  }

  /** From the source: the body is complete. */
  finish(): void {
    this.#complete = true
    this.#sink?.end()
    this.#takeWaiter()?.resolve('complete')
  }

  /** From the source: the rest will not come, or is not acceptable. The first error stays. */
  fail(error: Error): void {
    if (this.#error !== undefined || this.#complete) return
    this.#error = error
    this.#held.release()
    this.#source.pauseBody()
    this.#sink?.fail(error)
    this.#takeWaiter()?.reject(error)
  }

  /** Whether nothing more is to be pushed. */
  get closed(): boolean {
    return this.#complete || this.#error !== undefined
  }

  /** The exchange is over: gives the memory back. A flight that outlives it may still read what had arrived. */
  release(): void {
    this.#held.giveBack()
    if (!this.#complete)
      this.fail(new GatewayError('bad_request', { reason: 'request ended before its body' }))
  }

  #assertReadable(): void {
    if (this.#error !== undefined) throw this.#error
    if (this.#sink !== undefined) throw new Error('the body was already piped')
  }

  #wait(upToBytes: number): Promise<'complete' | 'partial'> {
    // A second caller waits for the first, and then asks again for what it wants itself.
    if (this.#waiter !== undefined) return this.#reading.then(() => this.buffer(upToBytes))
    this.#reading = new Promise((resolve, reject) => {
      this.#waiter = { upToBytes, resolve, reject }
      this.#source.resumeBody()
    })
    return this.#reading
  }

  #takeWaiter(): Waiter | undefined {
    const waiter = this.#waiter
    this.#waiter = undefined
    return waiter
  }

  #capped(bytes: Uint8Array, maxBytes: number): Uint8Array {
    const cap = Math.min(maxBytes, this.#maxBytes)
    if (bytes.length > cap) throw this.#tooLarge(bytes.length, cap)
    return bytes
  }

  #parse(bytes: Uint8Array): JsonDocument {
    this.#document = parseJson(bytes, {
      maxDepth: this.#limits.jsonDepth,
      maxMembers: this.#limits.jsonMembers,
      uniqueKeys: true,
    })
    return this.#document
  }

  #tooLarge(bytes: number, limit: number): GatewayError {
    return new GatewayError('body_too_large', { bytes, limit })
  }
}

function sendWhole(bytes: Uint8Array, sink: ByteSink): void {
  if (bytes.length > 0) sink.write(bytes)
  sink.end()
}
