import type { Socket } from 'node:net'
import type { ConnectionRecord } from '../recording/connection-record.ts'
import type { SocketEventType } from '../recording/recorded-request.ts'
import { Exchange } from './exchange.ts'
import type { Channel } from './exchange.ts'
import { BodyTooLarge, RequestBody } from './request-body.ts'
import { MalformedRequest, parseRequestHead } from './request-head.ts'
import type { RequestHead } from './request-head.ts'

/** What the connection asks of the server that owns it. */
export interface ConnectionOwner {
  readonly maxBodyBytes: number
  /** A head is complete, or so broken that there is none: count and record it. */
  arrived(exchange: Exchange): void
  /** @returns true when the request is answered now, without its body. */
  begin(exchange: Exchange): boolean
  /** The body is complete. */
  received(exchange: Exchange): void
  /** The request is complete and wants an answer. */
  answer(exchange: Exchange): void
  /** Framing or syntax is broken: answer and close. */
  refuse(exchange: Exchange, status: number, reason: string): void
  closed(connection: Connection, exchange: Exchange | undefined): void
}

const MAX_HEAD_BYTES = 1_048_576
/** Pipelined bytes taken in while an answer is under way; beyond it the socket is paused. */
const MAX_AHEAD_BYTES = 262_144
const LINGER_MS = 1_000
const EMPTY = Buffer.alloc(0)
const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * One client connection: requests are read strictly one after another, each answered before the next is begun.
 *
 * The simulator reads HTTP itself because it must show the request bytes exactly as they came and write answers that
 * no HTTP library would write.
 */
export class Connection implements Channel {
  readonly socket: Socket
  /** The TCP socket below a TLS one; the same as `socket` otherwise. */
  readonly transport: Socket
  readonly record: ConnectionRecord
  readonly #owner: ConnectionOwner
  #pending: Buffer = EMPTY
  #scanned = 0
  #exchange: Exchange | undefined
  #body: RequestBody | undefined
  /** From the end of a request's head until both its body and its answer are through. */
  #busy = false
  #ended = false
  #idleTimer: NodeJS.Timeout | undefined
  #lingerTimer: NodeJS.Timeout | undefined
  #readTimer: NodeJS.Timeout | undefined
  onReuse: 'reset' | 'fin' | undefined
  idleCloseMs: number | undefined

  constructor(socket: Socket, transport: Socket, record: ConnectionRecord, owner: ConnectionOwner) {
    this.socket = socket
    this.transport = transport
    this.record = record
    this.#owner = owner
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('end', () => this.#clientFin())
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    socket.on('close', () => this.#closed())
  }

  reset(): void {
    if (this.socket.destroyed) return
    this.note('server', 'reset')
    this.transport.resetAndDestroy()
    if (this.socket !== this.transport) this.socket.destroy()
  }

  fin(): void {
    if (this.#ended || this.socket.destroyed) return
    this.#ended = true
    this.note('server', 'fin')
    this.socket.end(() => {
      // A client that never closes its side must not hold the descriptor.
      this.#lingerTimer = setTimeout(() => this.socket.destroy(), LINGER_MS).unref()
    })
  }

  /** Notes a side's closing in the records of the connection and of the request it concerns. */
  note(by: 'client' | 'server', how: 'fin' | 'reset'): void {
    this.record.note(by, how)
    const type: SocketEventType = `${by}-${how}`
    this.#exchange?.record?.add(type)
  }

  stopReading(forMs: number): void {
    this.socket.pause()
    if (forMs !== Infinity) this.#readTimer = setTimeout(() => this.socket.resume(), forMs)
  }

  answered(): void {
    if (this.#body?.done !== false) this.#next()
  }

  #next(): void {
    this.#busy = false
    if (this.idleCloseMs !== undefined)
      this.#idleTimer = setTimeout(() => this.fin(), this.idleCloseMs)
    if (this.socket.isPaused()) this.socket.resume()
    // Not on the stack of the answer just written: many pipelined requests would nest.
    if (this.#pending.length > 0) setImmediate(() => this.#advance())
  }

  #receive(bytes: Buffer): void {
    if (this.#ended) return
    if (this.#idleTimer !== undefined) {
      clearTimeout(this.#idleTimer)
      this.#idleTimer = undefined
    }
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    this.#advance()
    if (this.#busy && this.#pending.length > MAX_AHEAD_BYTES) this.socket.pause()
  }

  #advance(): void {
    try {
      while (this.#pending.length > 0 && !this.#ended && !this.socket.destroyed) {
        if (this.#body !== undefined && !this.#body.done) this.#readBody(this.#body)
        else if (this.#busy || !this.#readHead()) return
      }
    } catch (error) {
      this.#refuse(error)
    }
  }

  /** @returns false when the head is not complete yet. */
  #readHead(): boolean {
    let start = 0
    // RFC 9112 §2.2: an empty line before the request line is ignored.
    while (this.#pending[start] === 13 && this.#pending[start + 1] === 10) start += 2
    if (start > 0) {
      this.#pending = this.#pending.subarray(start)
      this.#scanned = 0
    }
    const end = this.#pending.indexOf(HEAD_END, Math.max(0, this.#scanned - 3))
    if (end < 0) {
      this.#scanned = this.#pending.length
      if (this.#scanned <= MAX_HEAD_BYTES) return false
      this.#begin(undefined, this.#pending)
      throw new MalformedRequest('request head longer than 1 MiB')
    }
    const raw = this.#pending.subarray(0, end + HEAD_END.length)
    this.#pending = this.#pending.subarray(raw.length)
    this.#scanned = 0
    this.#beginRequest(raw)
    return true
  }

  #beginRequest(raw: Buffer): void {
    let head: RequestHead
    try {
      head = parseRequestHead(raw.toString('latin1', 0, raw.length - HEAD_END.length))
    } catch (error) {
      this.#begin(undefined, raw)
      throw error
    }
    const exchange = this.#begin(head, raw)
    const body = new RequestBody(head.body, this.#owner.maxBodyBytes)
    this.#body = body
    exchange.body = body
    if (this.onReuse !== undefined) {
      if (this.onReuse === 'reset') this.reset()
      else this.fin()
      return
    }
    const early = this.#owner.begin(exchange)
    if (!early && head.expectsContinue && !body.done) {
      this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
    }
    if (body.done) this.#bodyDone(exchange)
  }

  #begin(head: RequestHead | undefined, raw: Buffer): Exchange {
    const exchange = new Exchange(this, head, raw)
    this.#exchange = exchange
    this.#busy = true
    this.#owner.arrived(exchange)
    this.record.requests += 1
    return exchange
  }

  #readBody(body: RequestBody): void {
    const used = body.push(this.#pending, 0)
    this.#pending = used === this.#pending.length ? EMPTY : this.#pending.subarray(used)
    if (body.done && this.#exchange !== undefined) this.#bodyDone(this.#exchange)
  }

  #bodyDone(exchange: Exchange): void {
    this.#owner.received(exchange)
    if (!exchange.early) this.#owner.answer(exchange)
    else if (exchange.finished) this.#next()
  }

  #refuse(error: unknown): void {
    if (!(error instanceof MalformedRequest) && !(error instanceof BodyTooLarge)) throw error
    const exchange = this.#exchange
    this.#pending = EMPTY
    if (exchange === undefined || exchange.started) this.fin()
    else this.#owner.refuse(exchange, error instanceof BodyTooLarge ? 413 : 400, error.message)
  }

  #clientFin(): void {
    this.note('client', 'fin')
    this.#exchange?.leave()
    // A client that closes before its answer is complete has gone: a provider stops working for it.
    if (this.#busy && this.#exchange?.finished !== true) this.socket.destroy()
    else this.socket.end()
  }

  #failed(error: NodeJS.ErrnoException): void {
    // EPIPE: we wrote after the client's RST was seen; both mean that the client cut the connection.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') this.note('client', 'reset')
  }

  #closed(): void {
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#lingerTimer)
    clearTimeout(this.#readTimer)
    this.record.close()
    this.#exchange?.record?.add('closed')
    this.#exchange?.leave()
    this.#owner.closed(this, this.#exchange)
  }
}
