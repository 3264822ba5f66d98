import type { MessagePort } from 'node:worker_threads'
import type { LogSink } from './log-sink.ts'

/**
 * Several threads must not write to one pipe: beyond 4 KiB the kernel may cut a line of one into a line of another. So
 * workers hand their lines to the main thread, which is the only writer.
 */
export interface LogBatch {
  readonly kind: 'log-batch'
  readonly log: string
  readonly text: string
  readonly lines: number
  readonly bytes: number
}

interface LogReceipt {
  readonly kind: 'log-receipt'
  /** Several logs may share a port; each counts its own bytes under way. */
  readonly log: string
  readonly bytes: number
}

export interface PortSinkOptions {
  /** Which of the main thread's sinks. */
  readonly log: string
  /** Whether a person at a terminal reads what the main thread writes there. */
  readonly terminal?: boolean
  readonly maxBytes?: number
  readonly gatherMs?: number
  readonly onDropped?: (lines: number) => void
}

const DEFAULT_MAX_BYTES = 4 * 1024 * 1024
const DEFAULT_GATHER_MS = 10
const BATCH_BYTES = 65_536

/** The worker's end. What the main thread has not taken yet is bounded, as with any other reader. */
export function createPortLogSink(port: MessagePort, options: PortSinkOptions): LogSink {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  let text = ''
  let lines = 0
  let bytes = 0
  let sentBytes = 0
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let waiting: (() => void)[] = []

  const send = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (lines === 0) return
    const batch: LogBatch = { kind: 'log-batch', log: options.log, text, lines, bytes }
    port.postMessage(batch)
    sentBytes += bytes
    text = ''
    lines = 0
    bytes = 0
  }
  const onMessage = (message: unknown): void => {
    if (!isReceipt(message) || message.log !== options.log) return
    sentBytes = Math.max(0, sentBytes - message.bytes)
    if (sentBytes > 0) return
    for (const resolve of waiting.splice(0)) resolve()
  }
  port.on('message', onMessage)
  port.unref()

  return {
    terminal: options.terminal ?? false,
    write(added, count = 1) {
      const size = Buffer.byteLength(added)
      if (closed || sentBytes + bytes + size > maxBytes) {
        options.onDropped?.(count)
        return
      }
      text += added
      lines += count
      bytes += size
      if (bytes >= BATCH_BYTES) send()
      else if (timer === undefined) {
        timer = setTimeout(send, options.gatherMs ?? DEFAULT_GATHER_MS)
        timer.unref()
      }
    },
    async flush(maxMs) {
      send()
      if (sentBytes === 0 || closed) return
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, maxMs)
        waiting.push(() => {
          clearTimeout(limit)
          resolve()
        })
      })
    },
    // What was posted reaches the main thread even when this thread ends right after.
    flushSync: send,
    close() {
      send()
      closed = true
      port.off('message', onMessage)
      for (const resolve of waiting.splice(0)) resolve()
      waiting = []
    },
  }
}

/**
 * The main thread's end: lines of a worker go into the sinks here.
 *
 * @param sinks by the name that the worker used; batches for an unknown one are acknowledged and left out.
 */
export function receiveLogs(port: MessagePort, sinks: ReadonlyMap<string, LogSink>): void {
  port.on('message', (message: unknown) => {
    if (!isBatch(message)) return
    sinks.get(message.log)?.write(message.text, message.lines)
    const { log, bytes } = message
    const receipt: LogReceipt = { kind: 'log-receipt', log, bytes }
    port.postMessage(receipt)
  })
}

function hasKind(message: unknown): message is { readonly kind: unknown } {
  return typeof message === 'object' && message !== null && 'kind' in message
}

function isBatch(message: unknown): message is LogBatch {
  return hasKind(message) && message.kind === 'log-batch'
}

function isReceipt(message: unknown): message is LogReceipt {
  return hasKind(message) && message.kind === 'log-receipt'
}
