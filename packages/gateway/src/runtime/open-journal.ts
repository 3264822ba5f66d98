import type { JournalSettings, NodeSettings } from '../config/index.ts'
import { createFileJournal, NO_JOURNAL, type Journal } from '../journal/index.ts'
import { createFieldRule, type Logger, type Metrics } from '../observe/index.ts'
import { segmentReader, type SpendReader } from './rebuild-spend.ts'

/** What does not travel between threads inside of the settings. */
export interface JournalSecrets {
  readonly redisUrl: string | undefined
  /** Of hashes; equal in all threads. */
  readonly redactKey: string
}

export interface OpenJournalDeps {
  readonly settings: NodeSettings
  readonly secrets: JournalSecrets
  readonly metrics: Metrics
  readonly logger: Logger
  /** From 0. */
  readonly worker: number
  readonly workers: number
  /** Of this thread alone, also while it is being replaced. */
  readonly region: number
}

const DAY_MS = 86_400_000

/** The journal of one serving thread: each writes files, or to the stream, for itself. */
export function openJournal(deps: OpenJournalDeps): Journal {
  const { settings, secrets, metrics, logger, worker, workers, region } = deps
  const { journal: wanted } = settings
  if (wanted.sink === 'off' || wanted.directory === undefined) return NO_JOURNAL
  const records = metrics.counter('pratu_journal_records_total')
  const dropped = metrics.counter('pratu_journal_dropped_total')
  const journal = createFileJournal({
    directory: wanted.directory,
    sync: wanted.sync,
    writer: `${settings.hostname}-${worker}.${region}`,
    retention: retentionOf(wanted),
    prunes: worker === 0,
    maxWaitingBytes: Math.floor(wanted.bufferBytes / workers),
    rule: createFieldRule(settings.redaction.fields, secrets.redactKey),
    logger,
    events: {
      onWritten: (count) => records.add(count),
      onDropped: (count) => dropped.add(count),
    },
  })
  metrics.sampled('pratu_journal_waiting_bytes', [], () => journal.waitingBytes)
  metrics.sampled('pratu_journal_failing', [], () => (journal.failing ? 1 : 0))
  return journal
}

/** What budgets in memory are counted again from; `undefined` without a journal of our own. */
export function spendReaderOf(
  { journal, redaction }: NodeSettings,
  logger: Logger,
): SpendReader | undefined {
  const isKept = !redaction.fields.has('charges')
  if (journal.sink !== 'file' || journal.directory === undefined || !isKept) return undefined
  return segmentReader(journal.directory, logger)
}

function retentionOf({ maxBytes, retentionDays }: JournalSettings) {
  return { maxBytes, maxAgeMs: retentionDays * DAY_MS }
}
