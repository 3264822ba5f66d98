import type { Ledger, Meter, MeterWindow, Period } from '@pratu/plugin-kit'
import {
  readSegments,
  readStream,
  type Charge,
  type ReadingOptions,
  type UsageRecord,
} from '../journal/index.ts'
import type { Logger } from '../observe/index.ts'
import type { RedisConnection } from '../redis/index.ts'

/** Reads records that changed budgets. @throws {Error} when they cannot be read. */
export type SpendReader = (
  onRecord: (record: UsageRecord) => void,
  options: Required<ReadingOptions>,
) => Promise<void>

export interface RebuildDeps {
  readonly read: SpendReader
  readonly ledger: Ledger
  /** By id. */
  readonly meters: ReadonlyMap<string, Meter>
  /** Epoch ms. */
  readonly nowMs: number
  /** How long records are kept. */
  readonly retentionMs: number
  readonly logger: Logger
}

/**
 * Counts again what was spent in windows that are not over, in meters that live in this process's memory: after a
 * restart a budget is where it was (F64). Knows no plugin: a record names the meters and scopes that it charged.
 *
 * @throws {Error} when the records cannot be read: budgets that would admit everything anew are not served.
 */
export async function rebuildSpend(deps: RebuildDeps): Promise<void> {
  const { read, ledger, nowMs, retentionMs, logger } = deps
  const meters = new Map([...deps.meters].filter(([, meter]) => isRebuilt(meter)))
  if (meters.size === 0) return
  const longestMs = longestWindowMs(meters.values())
  if (longestMs > retentionMs) {
    logger.warn('a budget is longer than usage records are kept: after a restart it counts less', {
      budget_days: Math.round(longestMs / DAY_MS),
      retention_days: Math.round(retentionMs / DAY_MS),
    })
  }
  const started = performance.now()
  let charges = 0
  await readSpend(read, nowMs - longestMs, ({ meter: id, scope, amount }, atMs) => {
    const meter = meters.get(id)
    if (meter === undefined || amount === 0) return
    void ledger.record(meter, scope, amount, atMs)
    charges += 1
  })
  logger.info('budgets were counted again', {
    charges,
    seconds: Math.round(performance.now() - started) / 1000,
  })
}

/**
 * Reads what was charged and not reset since.
 *
 * @throws {Error} when the records cannot be read.
 */
export async function readSpend(
  read: SpendReader,
  sinceMs: number,
  onCharge: (charge: Charge, atMs: number) => void,
): Promise<void> {
  const resets = new Map<string, number>()
  await read(
    (record) => {
      for (const { meter, scope } of record.resets) {
        const key = keyOf(meter, scope)
        resets.set(key, Math.max(resets.get(key) ?? 0, record.atMs))
      }
    },
    { sinceMs, only: 'resets' },
  )
  await read(
    ({ charges, atMs }) => {
      for (const charge of charges) {
        if (atMs > (resets.get(keyOf(charge.meter, charge.scope)) ?? 0)) onCharge(charge, atMs)
      }
    },
    { sinceMs, only: 'charges' },
  )
}

/** Reads the files of a directory. */
export function segmentReader(directory: string, logger: Logger): SpendReader {
  let told = false
  return async (onRecord, options) => {
    const { torn, damaged } = await readSegments(directory, onRecord, options)
    if (!told && torn + damaged > 0) {
      logger.warn('some usage records cannot be read and are left out', { torn, damaged })
    }
    told = true
  }
}

/**
 * Reads what a replica of this name left in a stream: others count for themselves. A pod that comes back under another name
 * begins anew.
 */
export function streamReader(
  connect: () => RedisConnection,
  stream: string,
  replica: string,
): SpendReader {
  return async (onRecord, { sinceMs }) => {
    const connection = connect()
    try {
      await readStream(
        connection,
        stream,
        (record) => {
          if (record.replica === replica) onRecord(record)
        },
        sinceMs,
      )
    } finally {
      connection.close()
    }
  }
}

/** What is counted in Redis is there; what is held ended with its process; requests are no spend. */
export function isRebuilt({ definition }: Meter): boolean {
  const { store, window, quantity } = definition
  return store === undefined && window.kind !== 'concurrency' && quantity !== 'requests'
}

const DAY_MS = 86_400_000

/** The longest that a window of each period can be, a change of the clock included. */
const PERIOD_MS: Readonly<Record<Period, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 2 * 3_600_000,
  day: 25 * 3_600_000,
  week: 7 * DAY_MS + 3_600_000,
  month: 31 * DAY_MS + 3_600_000,
  year: 366 * DAY_MS,
}

/** How far back records can matter, ms. */
export function longestWindowMs(meters: Iterable<Meter>): number {
  let longest = 0
  for (const { definition } of meters) longest = Math.max(longest, lengthOf(definition.window))
  return longest
}

function lengthOf(window: MeterWindow): number {
  switch (window.kind) {
    case 'calendar':
      return PERIOD_MS[window.period]
    case 'sliding':
    case 'gcra':
      // A sliding window forgets an eighth late.
      return Math.ceil(window.lengthMs * 1.125)
    case 'concurrency':
      return 0
  }
}

function keyOf(meter: string, scope: string): string {
  return `${meter}\n${scope}`
}
