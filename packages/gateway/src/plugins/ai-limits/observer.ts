import {
  createNoteKey,
  type Clock,
  type Exchange,
  type Hold,
  type PluginLog,
  type Refusal,
  type RefusalReply,
  type Remaining,
  type ResponseHead,
} from '@pratu/plugin-kit'
import type { Limit } from './limit.ts'
import type { LimitSeries } from './limit-series.ts'
import { setRateHeaders, type LimitState } from './rate-headers.ts'
import { refusalOf } from './refusal.ts'
import { logWarning, type Warnings } from './warnings.ts'

/** A limit with what it asks of the ledger for one exchange. */
export interface LimitTaken {
  readonly limit: Limit
  readonly series: LimitSeries
  readonly hold: Hold
}

/** What is known of the limits of one exchange, for its response. */
interface Standing {
  readonly states: LimitState[]
  /** `name=0.83` for each limit whose warning share is crossed. */
  readonly warnings: string[]
}

const STANDING = createNoteKey<Standing>('ai-limits')

/** Names the limits that are nearly used up, in the answer. */
const WARNING_FIELD = 'x-pratu-limit-warning'

/** Tells what limits decided: to the client in headers, to the operator in metrics and log lines. */
export class Observer {
  readonly #clock: Clock
  readonly #log: PluginLog
  readonly #warnings: Warnings

  constructor(clock: Clock, log: PluginLog, warnings: Warnings) {
    this.#clock = clock
    this.#log = log
    this.#warnings = warnings
  }

  admitted(exchange: Exchange, taken: LimitTaken, state: Remaining): void {
    if (state.unknown === true) return
    const { limit, series, hold } = taken
    const { config } = limit
    const standing = standingOf(exchange)
    standing.states.push({ quantity: config.quantity, state })
    if (config.mode === 'report' && state.used > state.limit) series.refused('report')
    if (config.warnAt.length === 0) return
    const crossed = this.#warnings.check(config, hold.scope, state, this.#clock.now(), (share) => {
      series.warned(share)
      logWarning(this.#log, config, exchange, hold.scope, state, share)
    })
    if (crossed > 0) {
      standing.warnings.push(`${config.name}=${(state.used / state.limit).toFixed(2)}`)
    }
  }

  /** @param taken in the order of the holds that `refusal` speaks of. */
  refused(exchange: Exchange, taken: readonly LimitTaken[], refusal: Refusal): RefusalReply {
    const standing = standingOf(exchange)
    for (const [i, { limit }] of taken.entries()) {
      const state = refusal.meters[i]
      if (state !== undefined) standing.states.push({ quantity: limit.config.quantity, state })
    }
    const refusing = taken[refusal.hold]
    if (refusing === undefined) throw new RangeError('a hold refused that was not asked')
    refusing.series.refused('enforce')
    exchange.annotate('limit', refusing.limit.config.name)
    return refusalOf(refusing.limit.config, refusal)
  }

  setHeaders(exchange: Exchange, head: ResponseHead): void {
    const standing = exchange.note(STANDING)
    if (standing === undefined) return
    setRateHeaders(head.headers, exchange.errorShape, standing.states, this.#clock.now())
    if (standing.warnings.length > 0) head.headers.set(WARNING_FIELD, standing.warnings.join(', '))
  }
}

function standingOf(exchange: Exchange): Standing {
  let standing = exchange.note(STANDING)
  if (standing === undefined) {
    standing = { states: [], warnings: [] }
    exchange.setNote(STANDING, standing)
  }
  return standing
}
