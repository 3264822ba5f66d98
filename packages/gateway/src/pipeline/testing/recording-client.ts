import type { HeaderFields, ResponseHead } from '@pratu/plugin-kit'
import type { ClientChannel, Departure } from '../client-channel.ts'

/** A client that keeps what it is sent, takes nothing while it is told to be slow, and can go away. */
export class RecordingClient implements ClientChannel {
  status = 0
  headers: HeaderFields | undefined
  readonly chunks: Buffer[] = []
  ended = false
  failure: Error | undefined
  /** Answer of `write`. */
  keepsUp = true
  /** Whether the response counts as handed to the kernel as soon as it ends. */
  flushesAtOnce = true
  departed: Departure | undefined
  #resume: (() => void) | undefined
  #onDeparture: ((departure: Departure) => void) | undefined
  #onFinished: (() => void) | undefined

  get headSent(): boolean {
    return this.headers !== undefined
  }

  get bytesSent(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0)
  }

  readonly bytesReceived = 100

  get body(): string {
    return Buffer.concat(this.chunks).toString('utf8')
  }

  header(name: string): string | undefined {
    return this.headers?.get(name)
  }

  head(head: ResponseHead): void {
    if (this.headers !== undefined) throw new Error('the response head was already sent')
    this.status = head.status
    this.headers = head.headers
  }

  write(chunk: Uint8Array): boolean {
    if (this.headers === undefined) throw new Error('a body needs a head first')
    if (this.ended || this.failure !== undefined) throw new Error('write after the end')
    this.chunks.push(Buffer.from(chunk))
    return this.keepsUp
  }

  onDrain(resume: () => void): void {
    this.#resume = resume
  }

  /** The reader has caught up. */
  drain(): void {
    this.keepsUp = true
    this.#resume?.()
  }

  end(): void {
    if (this.ended || this.failure !== undefined) throw new Error('the response ended twice')
    this.ended = true
    if (this.flushesAtOnce) this.flush()
  }

  fail(error: Error): void {
    if (this.ended || this.failure !== undefined) throw new Error('the response ended twice')
    this.failure = error
    if (this.flushesAtOnce) this.flush()
  }

  onDeparture(listener: (departure: Departure) => void): void {
    this.#onDeparture = listener
  }

  onFinished(listener: () => void): void {
    this.#onFinished = listener
  }

  /** The kernel has everything. */
  flush(): void {
    const listener = this.#onFinished
    this.#onFinished = undefined
    listener?.()
  }

  depart(departure: Departure = 'client_cancelled'): void {
    this.departed = departure
    this.#onDeparture?.(departure)
    this.flush()
  }
}
