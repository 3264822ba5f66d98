import type { RedisConnection } from '../redis/index.ts'
import type { JournalTarget } from './queued-journal.ts'
import { writeSpool } from './spool.ts'
import { APPEND } from './stream-scripts.ts'

export interface StreamWriterOptions {
  /** Closed with the writer. */
  readonly connection: RedisConnection
  /** Key of the stream. */
  readonly stream: string
  /** Unlike any other process's and worker's, and never used again. */
  readonly writer: string
  readonly retention: StreamRetention
  /** For lines that could not be sent before the end. */
  readonly spoolDirectory?: string | undefined
  /** Epoch ms. */
  readonly now: () => number
  /** Of a writer that goes on where another one stopped. */
  readonly batch?: number
}

export interface StreamRetention {
  /** About; how many records may stay. */
  readonly maxRecords: number
  readonly maxAgeMs: number
}

/** Lines in one script call: some ms of Redis's time at most. */
export const BATCH_LINES = 200
/** How long Redis remembers the last batch of a writer, ms: longer than anybody tries to send it again. */
const REMEMBERED_MS = 7 * 86_400_000

/**
 * Appends lines to a stream in Redis, each exactly once: every batch has a number, and Redis remembers the last one of each
 * writer. A batch that got no answer is sent again as it was.
 */
export class StreamWriter implements JournalTarget {
  readonly place: string
  readonly #options: StreamWriterOptions
  /** Number of the next batch. */
  #batch: number
  /** Lines of the batch that got no answer. */
  #unanswered = 0

  constructor(options: StreamWriterOptions) {
    this.#options = options
    this.#batch = options.batch ?? 1
    this.place = `${options.stream} in ${options.connection.target}`
  }

  async write(lines: readonly string[]): Promise<number> {
    const { connection, stream, writer, retention, now } = this.#options
    const count = this.#unanswered > 0 ? this.#unanswered : Math.min(lines.length, BATCH_LINES)
    this.#unanswered = count
    await connection.evaluate(
      APPEND,
      [stream, rememberedKey(stream, writer)],
      [
        this.#batch,
        REMEMBERED_MS,
        retention.maxRecords,
        Math.max(0, Math.floor(now() - retention.maxAgeMs)),
        ...lines.slice(0, count),
      ],
    )
    this.#unanswered = 0
    this.#batch += 1
    return count
  }

  onBack(listener: () => void): void {
    this.#options.connection.onUp(listener)
  }

  /** Nothing is to be done: how safe a stream is, is Redis's own setting. */
  sync(): Promise<void> {
    return Promise.resolve()
  }

  rescue(lines: readonly string[]): number {
    const { spoolDirectory, writer } = this.#options
    if (spoolDirectory === undefined) return 0
    writeSpool(spoolDirectory, {
      writer,
      batch: this.#batch,
      unanswered: this.#unanswered,
      lines,
    })
    return lines.length
  }

  close(): Promise<void> {
    this.#options.connection.close()
    return Promise.resolve()
  }
}

/** In the slot of the stream. */
function rememberedKey(stream: string, writer: string): string {
  return stream.includes('{') ? `${stream}:writer:${writer}` : `{${stream}}:writer:${writer}`
}
