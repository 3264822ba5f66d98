import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger, Meter } from '@pratu/plugin-kit'
import type { Charge, Journal } from '../journal/index.ts'
import type { BornStore } from '../limits/index.ts'
import type { Logger } from '../observe/index.ts'
import { longestWindowMs, readSpend, type SpendReader } from './rebuild-spend.ts'
import type { SpendTally } from './spend-tally.ts'

/** What was charged before a birth of a store. */
export interface SpendSource {
  /** Unlike any other source's; the same for whoever may take its place after a restart. */
  readonly id: string
  /** @throws {Error} when it cannot be read. */
  before(
    bornAtMs: number,
    meters: ReadonlyMap<string, Meter>,
  ): Promise<Iterable<Charge & { readonly atMs: number }>>
}

export interface ReplayDeps {
  readonly source: SpendSource
  readonly ledger: Ledger
  /** Those in use, by id. */
  readonly meters: () => ReadonlyMap<string, Meter>
  readonly logger: Logger
}

/**
 * Counts again, in a store that has lost its memory, what was charged before (F64). Each source does so once per birth,
 * whatever process speaks for it.
 */
export async function replaySpend(
  store: BornStore,
  { source, ledger, meters, logger }: ReplayDeps,
): Promise<void> {
  const lost = new Map([...meters()].filter(([, meter]) => isSpend(meter) && store.counts(meter)))
  if (lost.size === 0) return
  try {
    const charges = [...(await source.before(store.bornAtMs, lost))].filter(
      ({ meter, amount }) => lost.has(meter) && amount > 0,
    )
    if (charges.length === 0 || !(await store.claim(source.id))) return
    await Promise.all(
      charges.map(async ({ meter: id, scope, amount, atMs }) => {
        const meter = lost.get(id)
        if (meter !== undefined) await ledger.record(meter, scope, amount, atMs)
      }),
    )
    logger.warn('Redis has lost its memory: budgets were counted again', {
      born_at: new Date(store.bornAtMs).toISOString(),
      charges: charges.length,
    })
  } catch (error) {
    logger.error('Redis has lost its memory, and budgets cannot be counted again', { error })
  }
}

function isSpend({ definition }: Meter): boolean {
  return definition.quantity !== 'requests' && definition.window.kind !== 'concurrency'
}

/** What this thread remembers of its own charges. */
export function tallySource(id: string, tally: SpendTally, now: () => number): SpendSource {
  return { id, before: (bornAtMs) => Promise.resolve([...tally.before(bornAtMs, now())]) }
}

/** Longer than records of other threads are gathered before they are written. */
const SETTLED_MS = 250

/** What all threads of this gateway, and those before it, left in its journal. */
export function journalSource(
  id: string,
  read: SpendReader,
  journal: Journal,
  now: () => number,
): SpendSource {
  return {
    id,
    async before(bornAtMs, meters) {
      await journal.flush(SETTLED_MS)
      await sleep(SETTLED_MS)
      const sums = new Map<string, Charge & { readonly atMs: number }>()
      await readSpend(read, now() - longestWindowMs(meters.values()), (charge, atMs) => {
        if (atMs >= bornAtMs || !meters.has(charge.meter)) return
        const key = `${Math.floor(atMs / SUM_MS)}\n${charge.meter}\n${charge.scope}`
        const sum = sums.get(key)
        sums.set(key, { ...charge, amount: charge.amount + (sum?.amount ?? 0), atMs })
      })
      return sums.values()
    },
  }
}

/** No window begins or ends within a quarter of an hour of any time zone, but for those that are shorter and over. */
const SUM_MS = 60_000
