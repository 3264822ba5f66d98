import { randomUUID } from 'node:crypto'
import { createNoteKey, type NoteKey } from '@pratu/plugin-kit'
import { METERED, type MeteredUsage } from '../ai/index.ts'
import type { JournalSettings } from '../config/index.ts'
import {
  CHARGES,
  SAVED,
  type Charge,
  type CounterReset,
  type Journal,
  type UsageRecord,
} from '../journal/index.ts'
import type { PinnedExchange } from '../pipeline/index.ts'

export interface UsageRecordsDeps {
  readonly journal: Journal
  readonly settings: Pick<JournalSettings, 'traffic'>
  /** Name of this host. */
  readonly replica: string
  /** Epoch ms. */
  readonly now: () => number
}

/** Writes one usage record per exchange, whoever asks first. */
export interface UsageRecords {
  /** The exchange has settled. */
  settled(exchange: PinnedExchange): void
  reset(resets: readonly CounterReset[]): void
  /** For an answer whose last byte waits for its record; `undefined` where none does. */
  readonly beforeEnd: ((exchange: PinnedExchange, then: () => void) => void) | undefined
}

/** Set when the record of an exchange was handed over: before it settles where answers are held. */
const RECORDED: NoteKey<true> = createNoteKey('usage-recorded')

const NO_CHARGES: readonly Charge[] = []

export function createUsageRecords(deps: UsageRecordsDeps): UsageRecords {
  const { journal, settings } = deps
  const everything = settings.traffic === 'all'

  const concerns = (exchange: PinnedExchange): boolean =>
    everything || exchange.service?.aiFormat !== undefined || exchange.note(CHARGES) !== undefined

  return {
    settled(exchange) {
      if (exchange.note(RECORDED) === true || !concerns(exchange)) return
      journal.append(toUsageRecord(exchange, deps))
    },
    reset: (resets) => journal.append(toResetRecord(resets, deps)),
    beforeEnd: journal.holdsAnswers
      ? (exchange, then) => {
          exchange.setNote(RECORDED, true)
          journal.appendThen(toUsageRecord(exchange, deps), then)
        }
      : undefined,
  }
}

/** Figures and names only (S47). */
function toUsageRecord(
  exchange: PinnedExchange,
  { replica, now }: Pick<UsageRecordsDeps, 'replica' | 'now'>,
): UsageRecord {
  const { route, service, consumer, record } = exchange
  const metered = exchange.note(METERED)
  return {
    id: exchange.id,
    startedAtMs: record.startedAtMs,
    atMs: now(),
    replica,
    outcome: exchange.outcome,
    status: record.status === 0 ? (record.upstreamStatus ?? 0) : record.status,
    consumer: consumer?.id,
    credential: exchange.credential?.id,
    tags: consumer?.tags ?? [],
    route: route?.name ?? route?.id,
    service: service?.name ?? service?.id,
    provider: service?.provider ?? metered?.cost.provider ?? service?.host,
    model: metered?.model,
    usage: metered?.usage,
    costNanoDollars: paid(metered),
    costEstimated: metered?.cost.estimated ?? false,
    streamed: metered?.streamed ?? exchange.eventStream,
    cached: isCacheHit(exchange),
    saved: exchange.note(SAVED),
    charges: exchange.note(CHARGES) ?? NO_CHARGES,
    resets: [],
  }
}

/** An administrator has set counters to zero. */
function toResetRecord(
  resets: readonly CounterReset[],
  { replica, now }: Pick<UsageRecordsDeps, 'replica' | 'now'>,
): UsageRecord {
  const atMs = now()
  return {
    id: randomUUID(),
    startedAtMs: atMs,
    atMs,
    replica,
    outcome: 'reset',
    status: 0,
    consumer: undefined,
    credential: undefined,
    tags: [],
    route: undefined,
    service: undefined,
    provider: undefined,
    model: undefined,
    usage: undefined,
    costNanoDollars: undefined,
    costEstimated: false,
    streamed: false,
    cached: false,
    saved: undefined,
    charges: [],
    resets,
  }
}

/** Metrics tell fractions apart; a record holds whole nano-dollars. */
function paid(metered: MeteredUsage | undefined): number | undefined {
  const nanoDollars = metered?.cost.nanoDollars
  return nanoDollars === undefined ? undefined : Math.round(nanoDollars)
}

function isCacheHit(exchange: PinnedExchange): boolean {
  const { record, responseHeaders } = exchange
  if (exchange.note(SAVED) !== undefined) return true
  // An upstream's own field of this name is not ours.
  return record.upstreamStatus === undefined && responseHeaders?.get('x-cache-status') === 'Hit'
}
