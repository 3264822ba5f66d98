import { randomBytes } from 'node:crypto'
import { getCACertificates } from 'node:tls'
import type { NodeSettings } from '../config/index.ts'
import {
  createFileJournal,
  createStreamJournal,
  identityOf,
  NO_JOURNAL,
  type Journal,
  type JournalEvents,
} from '../journal/index.ts'
import { createFieldRule, type FieldRule, type Logger, type Metrics } from '../observe/index.ts'
import { parseRedisUrl, RedisConnection } from '../redis/index.ts'
import { segmentReader, streamReader, type SpendReader } from './rebuild-spend.ts'
import { journalSource, tallySource, type SpendSource } from './replay-spend.ts'
import type { SpendTally } from './spend-tally.ts'

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

/** Off every request's path: it may take longer than a limit's decision. */
const REDIS_DEADLINE_MS = 2000

/** Of a record with charges, for the length of a stream. */
const RECORD_BYTES = 512

/** Of a name that no other process and worker has, and none has had. */
const NAME_BYTES = 9

/** The journal of one serving thread, and what budgets are counted again from. */
export interface OpenedJournal {
  readonly journal: Journal
  /** After a restart; `undefined` where nothing is kept of what was charged. */
  readonly spendReader: SpendReader | undefined
  /**
   * When a shared store has lost its memory; `undefined` where another thread speaks for this one.
   *
   * @param tally what this thread remembers.
   */
  spendSource(tally: SpendTally, now: () => number): Promise<SpendSource | undefined>
}

export function openJournal(deps: OpenJournalDeps): OpenedJournal {
  const { settings, secrets, logger, worker } = deps
  const { sink, directory } = settings.journal
  const journal = open(deps)
  const spendReader = spendReaderOf(settings, secrets, logger)
  return {
    journal,
    spendReader,
    async spendSource(tally, now) {
      if (sink !== 'file' || directory === undefined || spendReader === undefined) {
        return tallySource(randomBytes(NAME_BYTES).toString('base64url'), tally, now)
      }
      if (worker !== 0) return undefined
      return journalSource(await identityOf(directory), spendReader, journal, now)
    },
  }
}

/** Each thread writes files, or to the stream, for itself. */
function open(deps: OpenJournalDeps): Journal {
  const { settings, secrets, metrics } = deps
  if (settings.journal.sink === 'off') return NO_JOURNAL
  const records = metrics.counter('pratu_journal_records_total')
  const dropped = metrics.counter('pratu_journal_dropped_total')
  const journal = createJournal(
    deps,
    createFieldRule(settings.redaction.fields, secrets.redactKey),
    {
      onWritten: (count) => records.add(count),
      onDropped: (count) => dropped.add(count),
    },
  )
  metrics.sampled('pratu_journal_waiting_bytes', [], () => journal.waitingBytes)
  metrics.sampled('pratu_journal_failing', [], () => (journal.failing ? 1 : 0))
  return journal
}

/** @throws {Error} for settings that their own reader refuses. */
function createJournal(deps: OpenJournalDeps, rule: FieldRule, events: JournalEvents): Journal {
  const { settings, secrets, logger, worker, workers, region } = deps
  const { sink, directory, sync, maxBytes, retentionDays, bufferBytes, stream } = settings.journal
  const maxAgeMs = retentionDays * DAY_MS
  const isFirst = worker === 0
  const common = {
    sync,
    rule,
    logger,
    events,
    maxWaitingBytes: Math.floor(bufferBytes / workers),
  }
  if (sink === 'redis-stream') {
    return createStreamJournal({
      ...common,
      connection: connect(settings, secrets, logger),
      stream,
      writer: randomBytes(NAME_BYTES).toString('base64url'),
      retention: { maxAgeMs, maxRecords: Math.ceil(maxBytes / RECORD_BYTES) },
      spoolDirectory: directory,
      replays: isFirst,
    })
  }
  if (directory === undefined) throw new Error('a journal in files needs a directory')
  return createFileJournal({
    ...common,
    directory,
    writer: `${settings.hostname}-${worker}.${region}`,
    retention: { maxBytes, maxAgeMs },
    prunes: isFirst,
  })
}

/** A connection of its own: records are not in the way of decisions. */
function connect(
  { upstream: { caBundle } }: NodeSettings,
  { redisUrl }: JournalSecrets,
  logger: Logger,
): RedisConnection {
  const redis = redisUrl === undefined ? undefined : parseRedisUrl(redisUrl, REDIS_DEADLINE_MS)
  if (redis === undefined) throw new Error('a journal in Redis needs the URL of one')
  return new RedisConnection({
    settings: redis,
    log: logger,
    ca: caBundle === undefined ? undefined : [...getCACertificates('default'), caBundle],
  })
}

function spendReaderOf(
  settings: NodeSettings,
  secrets: JournalSecrets,
  logger: Logger,
): SpendReader | undefined {
  const { journal, redaction, hostname } = settings
  if (journal.sink === 'off' || redaction.fields.has('charges')) return undefined
  if (journal.sink === 'redis-stream') {
    return streamReader(() => connect(settings, secrets, logger), journal.stream, hostname)
  }
  return journal.directory === undefined ? undefined : segmentReader(journal.directory, logger)
}
