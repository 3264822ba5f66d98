import type { FieldRule, Logger } from '../observe/index.ts'
import type { RedisConnection } from '../redis/index.ts'
import type { Journal, JournalEvents, SyncPolicy } from './journal.ts'
import { QueuedJournal } from './queued-journal.ts'
import { listSpools, readSpool, removeSpool } from './spool.ts'
import { StreamWriter, type StreamRetention } from './stream-writer.ts'

export interface StreamJournalOptions {
  readonly connection: RedisConnection
  /** Key of the stream. */
  readonly stream: string
  readonly sync: SyncPolicy
  /** Unlike any other process's and worker's, and never used again. */
  readonly writer: string
  readonly retention: StreamRetention
  /** Where records wait that could not be sent before the end; `undefined`: they are lost. */
  readonly spoolDirectory: string | undefined
  /** Whether this journal sends what earlier processes left there; one of a process does. */
  readonly replays: boolean
  readonly maxWaitingBytes: number
  readonly rule: FieldRule
  readonly logger: Logger
  readonly events: JournalEvents
  /** Epoch ms. */
  readonly now?: () => number
  readonly gatherMs?: number
  readonly retryMs?: number
}

/** Records in a stream of Redis, of all replicas together. While Redis is away they wait in memory. */
export function createStreamJournal(options: StreamJournalOptions): Journal {
  const { connection, spoolDirectory, replays, now = Date.now } = options
  if (replays && spoolDirectory !== undefined) {
    const replay = new SpoolReplay(options, spoolDirectory)
    connection.onUp(() => void replay.run())
  }
  return new QueuedJournal({ ...options, target: new StreamWriter({ ...options, now }) })
}

/** Sends what earlier processes could not, under their own names: what had arrived after all is not there twice. */
class SpoolReplay {
  readonly #options: StreamJournalOptions
  readonly #directory: string
  #running = false

  constructor(options: StreamJournalOptions, directory: string) {
    this.#options = options
    this.#directory = directory
  }

  async run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    const { logger } = this.#options
    try {
      for (const path of await listSpools(this.#directory)) await this.#replay(path)
    } catch (error) {
      logger.error('usage records of an earlier process cannot be sent; they are tried again', {
        journal: this.#directory,
        error,
      })
    } finally {
      this.#running = false
    }
  }

  async #replay(path: string): Promise<void> {
    const { logger, events, now = Date.now } = this.#options
    const spool = await readSpool(path)
    if (spool === undefined) {
      logger.error('a file of usage records cannot be read', { path })
      return
    }
    const { writer, batch, unanswered, lines } = spool
    const target = new StreamWriter({ ...this.#options, now, writer, batch })
    let sent = 0
    // As it was sent, or Redis could not know it again.
    if (unanswered > 0) sent = await target.write(lines.slice(0, unanswered))
    while (sent < lines.length) sent += await target.write(lines.slice(sent))
    await removeSpool(path)
    events.onWritten(lines.length)
    logger.info('usage records of an earlier process were sent', { records: lines.length })
  }
}
