import type { Socket } from 'node:net'
import type { ConnectionRecord } from '../recording/connection-record.ts'
import type { RequestRecord } from '../recording/recorded-request.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'

/** What an exchange needs of its connection. */
export interface Channel {
  readonly socket: Socket
  readonly record: ConnectionRecord
  /** Set by a fault: how the connection closes when another request arrives on it. */
  onReuse: 'reset' | 'fin' | undefined
  /** Set by a fault: the connection closes after so long without a request. */
  idleCloseMs: number | undefined
  /** The answer is complete; the next request may be read. */
  answered(): void
  /** Sends what is buffered, then FIN. */
  fin(): void
  /** Sends RST; what is buffered is lost. */
  reset(): void
  /** Stops reading for so long, `Infinity` = for good: the client's writes back up, and its leaving is not seen. */
  stopReading(forMs: number): void
}

/** One request and its answer on a connection: the only way to write to the client. */
export class Exchange {
  readonly channel: Channel
  /** `undefined` when the head could not be parsed. */
  readonly head: RequestHead | undefined
  readonly rawHead: Buffer
  body: RequestBody | undefined
  record: RequestRecord | undefined
  /** Ordinal of the request; names its latency and its ids. */
  index = 0
  /** Answered at the head, without waiting for the body. */
  early = false
  /** A fault applies to it. */
  faulted = false
  #started = false
  #finished = false
  #gone = false
  #blocked = false
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  /** Called once when the answer is complete or the client has gone. */
  onEnd: (() => void) | undefined

  constructor(channel: Channel, head: RequestHead | undefined, rawHead: Buffer) {
    this.channel = channel
    this.head = head
    this.rawHead = rawHead
  }

  /** A byte of the answer was written. */
  get started(): boolean {
    return this.#started
  }

  /** Nothing more is to be written. */
  get finished(): boolean {
    return this.#finished
  }

  /** The client left, or the connection was cut: writing is useless. */
  get gone(): boolean {
    return this.#gone
  }

  /**
   * Hands bytes to the kernel.
   *
   * @returns false when the client takes no more: wait for `drained()`.
   */
  write(bytes: string | Buffer, encoding: 'utf8' | 'latin1' = 'utf8'): boolean {
    if (this.#gone || this.#finished) return true
    const { socket } = this.channel
    if (!this.#started) {
      this.#started = true
      this.record?.add('response-start')
    }
    const taken = typeof bytes === 'string' ? socket.write(bytes, encoding) : socket.write(bytes)
    // `false` alone says only that the chunk was large; what counts is whether bytes are left over.
    if (taken || socket.writableLength === 0 || this.#blocked) return !this.#blocked
    this.#blocked = true
    this.record?.add('write-blocked')
    socket.once('drain', () => {
      this.#blocked = false
      if (this.#gone) return
      this.record?.add('drained')
      this.#rouse()
    })
    return false
  }

  /** Resolves when the client takes bytes again, or is gone. */
  drained(): Promise<void> {
    return this.#blocked ? this.#wait() : Promise.resolve()
  }

  /** Resolves after `ms`, or at once when the client goes. */
  sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#gone) return Promise.resolve()
    this.after(ms, () => this.#rouse())
    return this.#wait()
  }

  /** Resolves when the client has gone: for an answer that never comes. */
  silence(): Promise<void> {
    return this.#wait()
  }

  /** Calls back after `ms`, unless the client goes first. One timer at a time. */
  after(ms: number, callback: () => void): void {
    if (!this.#gone) this.#timer = setTimeout(callback, ms)
  }

  /** The answer is complete. */
  finish(keepAlive: boolean): void {
    if (this.#finished || this.#gone) return
    this.#finished = true
    this.record?.add('response-end')
    this.#ended()
    if (keepAlive) this.channel.answered()
    else this.channel.fin()
  }

  /** Cuts the connection with RST. */
  reset(): void {
    if (this.#gone) return
    this.#finished = true
    this.channel.reset()
    this.#ended()
  }

  /** Called by the connection: the client cannot be reached any more. */
  leave(): void {
    if (this.#gone) return
    this.#gone = true
    clearTimeout(this.#timer)
    this.#rouse()
    if (!this.#finished) this.#ended()
  }

  #wait(): Promise<void> {
    if (this.#gone) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #rouse(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #ended(): void {
    const { onEnd } = this
    this.onEnd = undefined
    onEnd?.()
  }
}
