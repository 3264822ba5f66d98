import { Readable } from 'node:stream'
import type { ByteSink, RequestBody } from '@pratu/plugin-kit'

/** Bodies up to here go out in one write; larger ones in slices, so that a stalled upstream is noticed between them. */
export const SLICE_BYTES = 262_144

/** A buffered body as undici takes it, slice by slice; make a new one for every try. */
export function sliceBody(bytes: Uint8Array): Readable {
  let offset = 0
  return new Readable({
    read() {
      if (offset >= bytes.byteLength) {
        this.push(null)
        return
      }
      const end = offset + SLICE_BYTES
      const slice = bytes.subarray(offset, end)
      offset = end
      this.push(slice)
    },
  })
}

/**
 * A body that arrives while it is sent. The client is not read before the upstream connection is ready, and never
 * faster than the upstream takes the bytes (F04). It survives a try that died before it took anything.
 */
export class StreamedBody implements ByteSink {
  readonly #body: RequestBody
  #readable: Readable | undefined
  #piping = false
  #begun = false
  #ended = false
  #stopped = false
  #resume: (() => void) | undefined
  #failure: Error | undefined

  constructor(body: RequestBody) {
    this.#body = body
  }

  /** Whether bytes (or the end) were taken from the client: the body cannot be sent a second time. */
  get begun(): boolean {
    return this.#begun
  }

  /** Why the client's side failed: too slow, too large, gone. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** What one try sends. Only while nothing has begun. */
  readable(): Readable {
    const readable = new Readable({
      read: () => {
        if (this.#readable === readable) this.#pull()
      },
    })
    // undici listens while it sends; before and after that an error must not become an uncaught one.
    readable.on('error', () => undefined)
    this.#readable = readable
    return readable
  }

  /** Takes nothing more: the client is paused for good, and whoever owns it decides what becomes of the rest. */
  stop(): void {
    this.#stopped = true
    this.#resume = undefined
    this.#readable = undefined
  }

  #pull(): void {
    if (this.#stopped) return
    if (!this.#piping) {
      this.#piping = true
      this.#body.pipe(this)
      return
    }
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#stopped) return false
    this.#begun = true
    return this.#readable?.push(chunk) ?? false
  }

  onDrain(resume: () => void): void {
    if (!this.#stopped) this.#resume = resume
  }

  end(): void {
    if (this.#stopped || this.#ended) return
    this.#begun = true
    this.#ended = true
    this.#readable?.push(null)
  }

  fail(error: Error): void {
    if (this.#stopped || this.#ended) return
    this.#ended = true
    this.#failure = error
    this.#readable?.destroy(error)
  }
}
