import type { Clock, Meter } from '@pratu/plugin-kit'
import type { JournalSettings } from '../config/index.ts'
import type { Charge } from '../journal/index.ts'
import type { BornStore, LimitLedger } from '../limits/index.ts'
import type { Logger } from '../observe/index.ts'
import type { KnownLimits } from './known-limits.ts'
import type { OpenedJournal } from './open-journal.ts'
import { isRebuilt, longestWindowMs, rebuildSpend, type SpendReader } from './rebuild-spend.ts'
import { replaySpend, type SpendSource } from './replay-spend.ts'
import { SpendTally } from './spend-tally.ts'
import type { UsageRecords } from './usage-records.ts'

export interface SpendKeeperDeps {
  readonly journal: OpenedJournal
  /** `undefined` when the journal is off. */
  readonly usageRecords: UsageRecords | undefined
  /** Whether this thread counts budgets again before its first configuration is in use; one of a process does. */
  readonly rebuilds: boolean
  readonly ledger: LimitLedger
  readonly limits: KnownLimits
  readonly settings: Pick<JournalSettings, 'retentionDays'>
  readonly clock: Clock
  readonly logger: Logger
}

const DAY_MS = 86_400_000

/** Of shorter ones little is lost. */
function isLongBudget(meter: Meter): boolean {
  return isRebuilt(meter) && longestWindowMs([meter]) >= DAY_MS
}

/** Keeps what was spent through restarts and through stores that lose their memory (F64). */
export class SpendKeeper {
  readonly #deps: SpendKeeperDeps
  readonly #tally = new SpendTally()
  #reader: SpendReader | undefined
  /** Shared stores that know nothing of what was before. */
  #born: BornStore[] = []
  #source: Promise<SpendSource | undefined> | undefined
  #serving = false

  constructor(deps: SpendKeeperDeps) {
    this.#deps = deps
    this.#reader = deps.rebuilds ? deps.journal.spendReader : undefined
    deps.ledger.onBirth((store) => {
      this.#born.push(store)
      void this.#replay()
    })
  }

  charged(charges: readonly Charge[]): void {
    const { limits, clock } = this.#deps
    limits.charged(charges)
    this.#tally.add(charges, limits.current, clock.now())
  }

  /** Once, before anything is admitted. A journal that cannot be read does not keep the gateway from serving. */
  async rebuild(generation: number): Promise<void> {
    const read = this.#reader
    this.#reader = undefined
    if (read === undefined) return
    const { ledger, limits, settings, clock, logger } = this.#deps
    try {
      await rebuildSpend({
        read,
        ledger,
        meters: limits.metersOf(generation),
        nowMs: clock.now(),
        retentionMs: settings.retentionDays * DAY_MS,
        logger,
      })
    } catch (error) {
      logger.error('budgets begin at zero: what was spent cannot be read', { error })
    }
  }

  /** A configuration is in use: now it is known which meters there are. */
  committed(): void {
    if (!this.#serving) this.#warnOfForgetting()
    this.#serving = true
    void this.#replay()
  }

  #warnOfForgetting(): void {
    const { journal, rebuilds, limits, logger } = this.#deps
    if (!rebuilds || journal.spendReader !== undefined) return
    const forgotten = [...limits.current].filter(([, meter]) => isLongBudget(meter))
    if (forgotten.length === 0) return
    logger.warn('budgets are kept in memory and begin at zero after a restart', {
      limits: forgotten.map(([id]) => id),
      hint: 'set PRATU_JOURNAL_DIR to a volume, or count in Redis (docs/journal.md)',
    })
  }

  async #replay(): Promise<void> {
    if (!this.#serving) return
    const { journal, ledger, limits, clock, logger } = this.#deps
    const born = this.#born.splice(0)
    if (born.length === 0) return
    try {
      this.#source ??= journal.spendSource(this.#tally, () => clock.now())
      const source = await this.#source
      if (source === undefined) return
      for (const store of born) {
        await replaySpend(store, { source, ledger, meters: () => limits.current, logger })
      }
    } catch (error) {
      logger.error('budgets cannot be counted again', { error })
    }
  }

  /**
   * Forgets what was counted, also for a restart.
   *
   * @param meter `undefined`: every meter.
   * @returns of how many meters. @throws {Error} when a store is away.
   */
  async reset(meter: string | undefined, scope: string): Promise<number> {
    const { limits, usageRecords } = this.#deps
    const meters = await limits.reset(meter, scope)
    for (const id of meters) this.#tally.reset(id, scope)
    if (meters.length > 0) usageRecords?.reset(meters.map((id) => ({ meter: id, scope })))
    return meters.length
  }
}
