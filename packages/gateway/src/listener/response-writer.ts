import type { ResponseHead } from '@pratu/plugin-kit'
import type { ClientChannel, Departure } from '../pipeline/index.ts'
import type { Outbound } from './outbound.ts'
import { renderHead, type HeadContext, type ResponseFraming } from './response-head.ts'

/** The connection, as the writer of one response sees it. */
export interface ResponseHost {
  readonly outbound: Outbound
  /** Request line, header and body bytes of the current request so far. */
  readonly bytesReceived: number
  /** What the head of the response must say about this connection; decides its fate after the response. */
  headContext(): HeadContext
  /** Everything was handed to the kernel. @param keepAlive what the head said. */
  responseDone(keepAlive: boolean): void
  /** The response is incomplete. @param reset whether a clean close could be taken for its end. */
  responseFailed(reset: boolean): void
  /** A response that cannot be sent as it was begun. */
  defect(error: Error): void
}

type State = 'waiting' | 'open' | 'ended' | 'closed'

const CRLF = '\r\n'
const LAST_CHUNK = '0\r\n\r\n'

/**
 * Writes one response. Head, first bytes and end that come in one turn of the event loop leave in one system call.
 * After the end, or once the client has gone, every call is harmless.
 */
export class ResponseWriter implements ClientChannel {
  readonly #host: ResponseHost
  #state: State = 'waiting'
  #departed: Departure | undefined
  #framing: ResponseFraming = 'none'
  #keepAlive = false
  /** Body bytes still owed to `Content-Length`. */
  #owedBytes = 0
  #bytesSent = 0
  #bytesReceived = 0
  /** Head that has not left yet, and the first body bytes behind it. */
  #unsentHead = ''
  #unsentChunk: Uint8Array | undefined
  #onDeparture: ((departure: Departure) => void) | undefined
  #onFinished: (() => void) | undefined

  constructor(host: ResponseHost) {
    this.#host = host
  }

  get headSent(): boolean {
    return this.#state !== 'waiting'
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get bytesReceived(): number {
    return this.#state === 'closed' ? this.#bytesReceived : this.#host.bytesReceived
  }

  get departed(): Departure | undefined {
    return this.#departed
  }

  onDeparture(listener: (departure: Departure) => void): void {
    if (this.#departed === undefined) this.#onDeparture = listener
    else listener(this.#departed)
  }

  onFinished(listener: () => void): void {
    if (this.#state === 'closed') listener()
    else this.#onFinished = listener
  }

  head(head: ResponseHead): void {
    if (this.#state !== 'waiting') {
      if (this.#state === 'closed') return
      throw new Error('the response head was already sent')
    }
    const { status } = head
    if (!(status >= 200 && status <= 999)) {
      this.#defect(new RangeError(`no final status: ${status}`))
      return
    }
    const rendered = renderHead(status, head.headers.flat, this.#host.headContext())
    this.#state = 'open'
    this.#framing = rendered.framing
    this.#keepAlive = rendered.keepAlive
    this.#owedBytes = rendered.contentLength
    this.#unsentHead = rendered.text
    process.nextTick(flushHead, this)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#state !== 'open') {
      if (this.#state === 'waiting') throw new Error('a body needs a head first')
      return true
    }
    if (chunk.length === 0 || this.#framing === 'none') return true
    if (this.#framing === 'length') {
      if (chunk.length > this.#owedBytes) {
        this.#defect(
          new RangeError(`${chunk.length - this.#owedBytes} bytes more than Content-Length`),
        )
        return true
      }
      this.#owedBytes -= chunk.length
    }
    if (this.#unsentHead !== '') {
      if (this.#unsentChunk === undefined) {
        this.#unsentChunk = chunk
        return true
      }
      this.flush()
    }
    return this.#framing === 'chunked'
      ? this.#send(chunk.length.toString(16) + CRLF, chunk, CRLF)
      : this.#send('', chunk, '')
  }

  onDrain(resume: () => void): void {
    if (this.#state === 'closed') process.nextTick(resume)
    else this.#host.outbound.onDrain(resume)
  }

  end(): void {
    if (this.#state !== 'open') {
      if (this.#state === 'waiting') this.#defect(new Error('a response ended without a head'))
      return
    }
    if (this.#framing === 'length' && this.#owedBytes > 0) {
      this.#defect(new RangeError(`${this.#owedBytes} bytes less than Content-Length`))
      return
    }
    this.#state = 'ended'
    this.#sendUnsent(this.#framing === 'chunked' ? LAST_CHUNK : '')
    const { outbound } = this.#host
    if (outbound.flushed) this.#done()
    else outbound.onFlushed(() => this.#done())
  }

  fail(_error: Error): void {
    if (this.#state !== 'open' && this.#state !== 'waiting') return
    this.flush()
    this.#state = 'ended'
    const reset = this.#framing === 'close'
    const { outbound } = this.#host
    // What was said before the failure, an error frame perhaps, is worth delivering.
    if (outbound.flushed) this.#failed(reset)
    else outbound.onFlushed(() => this.#failed(reset))
  }

  /** The client has gone, or is cut for not reading. Called by the connection. */
  depart(departure: Departure): void {
    if (this.#state === 'closed') return
    this.#departed = departure
    const listener = this.#onDeparture
    this.#onDeparture = undefined
    this.#unsentHead = ''
    this.#unsentChunk = undefined
    this.#close()
    listener?.(departure)
    this.#host.outbound.abandon()
    this.#finished()
  }

  /** Sends what waits for its turn to end. */
  flush(): void {
    if (this.#unsentHead === '') return
    this.#sendUnsent('')
  }

  #sendUnsent(tail: string): void {
    const head = this.#unsentHead
    const chunk = this.#unsentChunk
    this.#unsentHead = ''
    this.#unsentChunk = undefined
    if (chunk === undefined) {
      if (head !== '' || tail !== '') this.#send(head, undefined, tail)
    } else if (this.#framing === 'chunked') {
      this.#send(head + chunk.length.toString(16) + CRLF, chunk, CRLF + tail)
    } else {
      this.#send(head, chunk, tail)
    }
  }

  #send(prefix: string, chunk: Uint8Array | undefined, suffix: string): boolean {
    this.#bytesSent += prefix.length + (chunk === undefined ? 0 : chunk.length) + suffix.length
    return this.#host.outbound.send(prefix, chunk, suffix)
  }

  #defect(error: Error): void {
    this.#host.defect(error)
    this.#failed(true)
  }

  #done(): void {
    if (this.#state === 'closed') return
    this.#close()
    // Before the host: it may start the connection's next request in this call.
    this.#finished()
    this.#host.responseDone(this.#keepAlive)
  }

  #failed(reset: boolean): void {
    if (this.#state === 'closed') return
    this.#close()
    this.#finished()
    this.#host.responseFailed(reset)
  }

  #close(): void {
    this.#bytesReceived = this.#host.bytesReceived
    this.#state = 'closed'
    this.#onDeparture = undefined
  }

  #finished(): void {
    const listener = this.#onFinished
    this.#onFinished = undefined
    listener?.()
  }
}

function flushHead(writer: ResponseWriter): void {
  writer.flush()
}
