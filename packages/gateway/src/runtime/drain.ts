import { setTimeout } from 'node:timers/promises'
import type { DrainSettings } from '../config/index.ts'
import type { Logger, Metrics } from '../observe/index.ts'
import type { Fleet } from './fleet.ts'

export interface DrainDeps {
  readonly fleet: Fleet
  readonly logger: Logger
  readonly metrics: Metrics
  /** Aborted when there is no time left: what is under way is ended now (F49). */
  readonly hurry?: AbortSignal | undefined
}

/**
 * Whoever goes out of service because of a defect does not wait for load balancers, but for as long as a client with a
 * kept connection may take to its next request: that one is answered, and told to come back on another (F47).
 */
export const FAREWELL_MS = 1000

/** After the deadline a client gets this long to take its error frame, ms (F48: exit ≤ 1 s later). */
export const LAST_WORDS_MS = 250

/** How often the drain asks whether everything has settled, ms. Bounds how late it notices that it shall hurry. */
const ASK_MS = 250

/**
 * Takes the process out of service without losing a request (F46–F48): readiness is off already; go on accepting, so
 * that a load balancer has the time to notice; then stop, wait for what is under way, and tell what is left.
 *
 * @param settings.minimumMs how long to go on accepting.
 * @param settings.timeoutMs from now to the moment when streams are ended.
 */
export async function drain(
  settings: DrainSettings,
  { fleet, logger, metrics, hurry }: DrainDeps,
): Promise<void> {
  const startedAt = performance.now()
  const deadline = startedAt + settings.timeoutMs
  fleet.drain()
  await pause(Math.min(settings.minimumMs, settings.timeoutMs), hurry)
  fleet.stopAccepting()
  if (!(await settledBefore(deadline, fleet, hurry))) {
    const forced = await fleet.interruptAll()
    metrics.counter('pratu_drain_forced_streams_total').add(forced)
    logger.warn('there was no time left: requests under way were ended', { requests: forced })
  }
  await fleet.close(LAST_WORDS_MS)
  logger.info('drained', { seconds: Math.round(performance.now() - startedAt) / 1000 })
}

async function pause(ms: number, hurry: AbortSignal | undefined): Promise<void> {
  try {
    if (ms > 0) await setTimeout(ms, undefined, { signal: hurry })
  } catch (error) {
    if (hurry?.aborted !== true) throw error
  }
}

async function settledBefore(
  deadline: number,
  fleet: Fleet,
  hurry: AbortSignal | undefined,
): Promise<boolean> {
  for (;;) {
    const leftMs = hurry?.aborted === true ? 0 : Math.max(0, deadline - performance.now())
    if (await fleet.settled(Math.min(leftMs, ASK_MS))) return true
    if (leftMs <= ASK_MS) return false
  }
}
