import type { Socket } from 'node:net'

/** Up to here head, framing and body are copied into one buffer: one write, one system call. */
const COALESCE_BYTES = 32 * 1024

/**
 * Larger bodies go to the socket in pieces of this size, so that a reader's progress can be seen: one piece per
 * stall limit is the least that keeps a connection alive.
 */
const PIECE_BYTES = 64 * 1024

/** What is sent on one connection, in order and with back-pressure. */
export class Outbound {
  readonly #socket: Socket
  /** What the socket has not been given yet, because its reader is behind. */
  readonly #queue: (Uint8Array | string)[] = []
  #blocked = false
  #sentBytes = 0
  #takenBytes = 0
  #takenAtMs = 0
  #onDrain: (() => void) | undefined
  #onFlushed: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Whether the kernel has everything. */
  get flushed(): boolean {
    return this.#queue.length === 0 && this.#socket.writableLength === 0
  }

  /** For how long the kernel has taken nothing of what waits for it; 0 when nothing waits. Asked at every tick. */
  stalledMs(nowMs: number): number {
    const takenBytes = this.#sentBytes - this.#socket.writableLength
    if (takenBytes !== this.#takenBytes || this.flushed) {
      this.#takenBytes = takenBytes
      this.#takenAtMs = nowMs
    }
    return nowMs - this.#takenAtMs
  }

  /**
   * Sends Latin-1 text, bytes and Latin-1 text as one message.
   *
   * @returns `false` when the reader is behind; everything is taken all the same.
   */
  send(prefix: string, chunk: Uint8Array | undefined, suffix: string): boolean {
    if (this.#blocked && this.#queue.length > 0) {
      this.#enqueue(prefix, chunk, suffix)
      return false
    }
    if (chunk === undefined) return this.#write(prefix + suffix)
    const size = prefix.length + chunk.length + suffix.length
    if (size <= COALESCE_BYTES) return this.#write(join(prefix, chunk, suffix, size))
    this.#enqueue(prefix, chunk, suffix)
    this.#pump()
    return !this.#blocked
  }

  /** Calls `resume` once, when the reader has caught up. */
  onDrain(resume: () => void): void {
    this.#onDrain = resume
    if (!this.#blocked) process.nextTick(() => this.#notifyDrain())
  }

  /** Calls `listener` once, when the kernel has everything; synchronously when it has already. */
  onFlushed(listener: () => void): void {
    this.#onFlushed = listener
    this.#checkFlushed()
  }

  /** The socket emitted `drain`. */
  drained(): void {
    this.#blocked = false
    this.#pump()
    if (!this.#blocked) this.#notifyDrain()
    this.#checkFlushed()
  }

  /** The connection is dead: nobody must wait for it any more. */
  abandon(): void {
    this.#queue.length = 0
    this.#blocked = false
    this.#onFlushed = undefined
    this.#notifyDrain()
  }

  #notifyDrain(): void {
    const resume = this.#onDrain
    this.#onDrain = undefined
    resume?.()
  }

  #checkFlushed(): void {
    const listener = this.#onFlushed
    if (listener === undefined || this.#queue.length > 0 || this.#socket.destroyed) return
    if (this.#socket.writableLength > 0) {
      // Below the socket's mark there is no `drain`: an empty write reports when everything before it is out.
      if (!this.#blocked) this.#socket.write('', () => this.#checkFlushed())
      return
    }
    this.#onFlushed = undefined
    listener()
  }

  #enqueue(prefix: string, chunk: Uint8Array | undefined, suffix: string): void {
    if (prefix !== '') this.#queue.push(prefix)
    if (chunk !== undefined) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES)
        this.#queue.push(chunk.subarray(at, at + PIECE_BYTES))
    }
    if (suffix !== '') this.#queue.push(suffix)
  }

  #pump(): void {
    if (this.#queue.length === 0) return
    this.#socket.cork()
    let taken = 0
    for (const piece of this.#queue) {
      taken++
      if (!this.#write(piece)) break
    }
    this.#queue.splice(0, taken)
    this.#socket.uncork()
  }

  #write(data: Uint8Array | string): boolean {
    this.#sentBytes += data.length
    const ready =
      typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data)
    if (!ready) this.#blocked = true
    return ready
  }
}

function join(prefix: string, chunk: Uint8Array, suffix: string, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size)
  if (prefix !== '') buffer.write(prefix, 0, 'latin1')
  buffer.set(chunk, prefix.length)
  if (suffix !== '') buffer.write(suffix, prefix.length + chunk.length, 'latin1')
  return buffer
}
