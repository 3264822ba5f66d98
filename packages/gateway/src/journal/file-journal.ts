import type { FieldRule, Logger } from '../observe/index.ts'
import type { Journal, JournalEvents, SyncPolicy } from './journal.ts'
import { QueuedJournal } from './queued-journal.ts'
import { SegmentKeeper } from './segment-keeper.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { Retention } from './segments.ts'

export interface FileJournalOptions {
  readonly directory: string
  readonly sync: SyncPolicy
  /** No two writers of a directory that are alive at the same time may have the same name. */
  readonly writer: string
  readonly retention: Retention
  /** Whether this writer also removes what is too old; one of a process does. */
  readonly prunes: boolean
  readonly maxWaitingBytes: number
  readonly rule: FieldRule
  readonly logger: Logger
  readonly events: JournalEvents
  /** Epoch ms. */
  readonly now?: () => number
  readonly gatherMs?: number
  readonly retryMs?: number
  readonly holdMs?: number
}

const LARGEST_SEGMENT_BYTES = 64 * 1024 * 1024
const SMALLEST_SEGMENT_BYTES = 64 * 1024
/** So that removing the oldest segment frees a small part of the whole. */
const SEGMENTS = 16

/** Records in files of a directory: for one gateway with a volume of its own. */
export function createFileJournal(options: FileJournalOptions): Journal {
  const { directory, sync, writer, retention, now = Date.now, logger } = options
  const segmentBytes = Math.min(
    LARGEST_SEGMENT_BYTES,
    Math.max(SMALLEST_SEGMENT_BYTES, Math.floor(retention.maxBytes / SEGMENTS)),
  )
  const keeper = options.prunes
    ? new SegmentKeeper({ directory, retention, logger, now })
    : undefined
  const target = new SegmentWriter({ directory, sync, writer, segmentBytes, now, keeper })
  return new QueuedJournal({ ...options, target })
}
