/** The usage journal: append-only records of what was used, and reading them again. Knows no exchange and no plugin. */
export {
  CHARGES,
  SAVED,
  type Charge,
  type CounterReset,
  type RecordedUsage,
  type UsageRecord,
} from './usage-record.ts'
export { NO_JOURNAL, type Journal, type JournalEvents, type SyncPolicy } from './journal.ts'
export { createFileJournal, type FileJournalOptions } from './file-journal.ts'
export { createStreamJournal, type StreamJournalOptions } from './stream-journal.ts'
export { readStream } from './read-stream.ts'
export { identityOf } from './identity.ts'
export { readSegments, type ReadingOptions, type ReadingReport } from './read-segments.ts'
