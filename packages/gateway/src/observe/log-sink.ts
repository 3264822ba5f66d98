import { write as writeAsync, writeSync } from 'node:fs'
import { openLogTarget, type LogTarget } from './log-target.ts'

/** Takes finished lines and gets rid of them as fast as their reader allows, never faster, and never by waiting. */
export interface LogSink {
  readonly terminal: boolean
  /**
   * @param text one or more whole lines, each with its line feed.
   * @param lines how many.
   */
  write(text: string, lines?: number): void
  /** Resolves when everything was written, when the reader is gone, or after `maxMs`. */
  flush(maxMs: number): Promise<void>
  /** The same for a process that is dying: waits without the event loop. */
  flushSync(maxMs: number): void
  /** Writes nothing more. */
  close(): void
}

export interface LogSinkOptions {
  /** `/dev/stdout`, `/dev/stderr`, or a path. */
  readonly destination: string
  /** Bytes that may wait for the reader; lines beyond are dropped. */
  readonly maxBytes?: number
  /** How long lines are gathered before they are written together, ms. */
  readonly gatherMs?: number
  /** Lines were dropped: the reader is too slow, or gone. */
  readonly onDropped?: (lines: number) => void
  /** The reader has caught up after lines were dropped. Not called when it is gone for good. */
  readonly onRecovered?: (lines: number) => void
}

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024
const DEFAULT_GATHER_MS = 10
/** As much as a pipe takes at once; reaching it ends the gathering. */
const CHUNK_BYTES = 65_536
/** Written in one go before other work gets its turn. */
const TURN_BYTES = 1024 * 1024
const FIRST_RETRY_MS = 1
const LAST_RETRY_MS = 50
/** A full disk does not get free in milliseconds. */
const DISK_RETRY_MS = 1000
const SYNC_PAUSE_MS = 5

/**
 * @throws {Error} when the destination cannot be opened.
 */
export function createLogSink(options: LogSinkOptions): LogSink {
  return new TargetSink(openLogTarget(options.destination), options)
}

class TargetSink implements LogSink {
  readonly terminal: boolean
  readonly #target: LogTarget
  readonly #options: LogSinkOptions
  readonly #maxBytes: number
  #lines: string[] = []
  /** Bytes in `#lines` and in what is left of `#chunk`. */
  #pendingBytes = 0
  #chunk: Buffer | undefined
  #offset = 0
  #timer: NodeJS.Timeout | undefined
  #writing = false
  /** The reader is gone for good, or the sink was closed. */
  #gone = false
  #droppedNow = 0
  #retryMs = FIRST_RETRY_MS
  #idle: (() => void)[] = []

  constructor(target: LogTarget, options: LogSinkOptions) {
    this.#target = target
    this.#options = options
    this.terminal = target.terminal
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  }

  write(text: string, lines = 1): void {
    const bytes = Buffer.byteLength(text)
    if (this.#gone || this.#pendingBytes + bytes > this.#maxBytes) {
      this.#drop(lines)
      return
    }
    this.#lines.push(text)
    this.#pendingBytes += bytes
    if (this.#timer === undefined && !this.#writing) {
      this.#schedule(this.#options.gatherMs ?? DEFAULT_GATHER_MS)
    } else if (this.#pendingBytes - bytes < CHUNK_BYTES && this.#pendingBytes >= CHUNK_BYTES) {
      // Crossed just now, so that a reader that is behind is not asked again with every line.
      this.#schedule(0)
    }
  }

  async flush(maxMs: number): Promise<void> {
    if (this.#isIdle()) return
    if (!this.#writing) this.#drain()
    if (this.#isIdle()) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, maxMs)
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  flushSync(maxMs: number): void {
    const deadline = performance.now() + maxMs
    // The thread pool has this chunk already; written again it would be there twice.
    if (this.#writing) this.#chunk = undefined
    while (this.#takeChunk()) {
      const result = this.#writeOnce()
      if (result === 'written') continue
      if (result === 'gone' || performance.now() >= deadline) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SYNC_PAUSE_MS)
    }
  }

  close(): void {
    if (this.#gone) return
    this.#giveUp()
    this.#target.close()
  }

  #isIdle(): boolean {
    return this.#gone || (this.#pendingBytes === 0 && !this.#writing)
  }

  #drop(lines: number): void {
    this.#droppedNow += lines
    this.#options.onDropped?.(lines)
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#drain()
    }, ms)
    // Log lines alone do not keep a process alive; whoever ends it flushes.
    this.#timer.unref()
  }

  #drain(): void {
    if (this.#gone || this.#writing) return
    if (this.#target.kind === 'disk') this.#drainToDisk()
    else this.#drainAtOnce()
  }

  #drainAtOnce(): void {
    let turn = 0
    while (this.#takeChunk()) {
      const before = this.#pendingBytes
      const result = this.#writeOnce()
      if (result === 'gone') return
      if (result !== 'written') {
        this.#schedule(result === 'full' ? this.#nextRetryMs() : DISK_RETRY_MS)
        return
      }
      turn += before - this.#pendingBytes
      if (turn >= TURN_BYTES && this.#pendingBytes > 0) {
        this.#schedule(0)
        return
      }
    }
    this.#becomeIdle()
  }

  #drainToDisk(): void {
    if (!this.#takeChunk() || this.#chunk === undefined) {
      this.#becomeIdle()
      return
    }
    this.#writing = true
    writeAsync(this.#target.fd, this.#chunk, this.#offset, null, null, (error, bytes) => {
      this.#writing = false
      if (this.#gone) return
      if (error === null) {
        this.#written(bytes)
        this.#drainToDisk()
      } else if (this.#classify(error) === 'gone') {
        this.#giveUp()
      } else {
        this.#schedule(DISK_RETRY_MS)
      }
    })
  }

  /** Makes the next chunk from what waits. @returns whether there is one. */
  #takeChunk(): boolean {
    if (this.#chunk !== undefined) return true
    if (this.#lines.length === 0 || this.#gone) return false
    let characters = 0
    let count = 0
    while (count < this.#lines.length && characters < CHUNK_BYTES) {
      characters += this.#lines[count]?.length ?? 0
      count += 1
    }
    this.#chunk = Buffer.from(this.#lines.splice(0, count).join(''))
    this.#offset = 0
    return true
  }

  #writeOnce(): 'written' | 'full' | 'failing' | 'gone' {
    if (this.#chunk === undefined) return 'written'
    try {
      this.#written(writeSync(this.#target.fd, this.#chunk, this.#offset))
      return 'written'
    } catch (error) {
      const result = this.#classify(error)
      if (result === 'gone') this.#giveUp()
      return result
    }
  }

  #written(bytes: number): void {
    this.#pendingBytes -= bytes
    this.#offset += bytes
    if (this.#chunk !== undefined && this.#offset >= this.#chunk.length) this.#chunk = undefined
    this.#retryMs = FIRST_RETRY_MS
  }

  /** `full`: the reader is behind. `gone`: there will never be a reader again. `failing`: a disk that may recover (F57). */
  #classify(error: unknown): 'full' | 'failing' | 'gone' {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EAGAIN') return 'full'
    return code === 'EPIPE' || code === 'EBADF' || code === 'ECONNRESET' ? 'gone' : 'failing'
  }

  #nextRetryMs(): number {
    const ms = this.#retryMs
    this.#retryMs = Math.min(LAST_RETRY_MS, ms * 2)
    return ms
  }

  #becomeIdle(): void {
    const dropped = this.#droppedNow
    this.#droppedNow = 0
    for (const resolve of this.#idle.splice(0)) resolve()
    if (dropped > 0) this.#options.onRecovered?.(dropped)
  }

  #giveUp(): void {
    this.#gone = true
    clearTimeout(this.#timer)
    const waiting = this.#lines.length + (this.#chunk === undefined ? 0 : 1)
    this.#lines = []
    this.#chunk = undefined
    this.#pendingBytes = 0
    if (waiting > 0) this.#drop(waiting)
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
