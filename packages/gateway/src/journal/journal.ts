import type { UsageRecord } from './usage-record.ts'

/** When a record is safe: `always` before the client has the last byte, `1s` a second later, `never` when the system wants. */
export type SyncPolicy = 'always' | '1s' | 'never'

/**
 * The truth about what was used: append-only, one record per settled exchange (F64, F77). It keeps records and gives them
 * back; it knows no exchange, no budget and no plugin.
 */
export interface Journal {
  /**
   * Hands a record over; returns at once, whatever state the disk or Redis is in (F78). What finds no room is dropped,
   * counted and told.
   */
  append(record: UsageRecord): void
  /**
   * The same, for whoever may only go on when the record is safe.
   *
   * @param then called once: when the record is safe, when that cannot be had for now, or after a time limit. Perhaps
   *   before this returns.
   */
  appendThen(record: UsageRecord, then: () => void): void
  /** Whether records must be safe before an answer ends: use `appendThen`. */
  readonly holdsAnswers: boolean
  /** Whether records cannot be written right now. */
  readonly failing: boolean
  /** Bytes that wait to be written. */
  readonly waitingBytes: number
  /** Resolves when everything was written and is safe, or after `maxMs`. */
  flush(maxMs: number): Promise<void>
  /** Flushes, then writes nothing more. */
  close(maxMs: number): Promise<void>
}

/** What becomes of records, for metrics. */
export interface JournalEvents {
  onWritten(records: number): void
  onDropped(records: number): void
}

export const NO_JOURNAL: Journal = {
  append: () => undefined,
  appendThen: (_record, then) => then(),
  holdsAnswers: false,
  failing: false,
  waitingBytes: 0,
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
}
