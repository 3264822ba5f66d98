import type { DrainSettings } from '../config/index.ts'
import type { Logger, Metrics } from '../observe/index.ts'
import type { Fleet } from './fleet.ts'

export interface DrainDeps {
  readonly fleet: Fleet
  readonly logger: Logger
  readonly metrics: Metrics
}

/** After the deadline a client gets this long to take its error frame, ms (F48: exit ≤ 1 s later). */
const LAST_WORDS_MS = 500

/**
 * Takes the process out of service without losing a request (F46–F48): readiness is off already; go on accepting, so
 * that a load balancer has the time to notice; then stop, wait for what is under way, and tell what is left.
 *
 * @param settings.minimumMs how long to go on accepting.
 * @param settings.timeoutMs from now to the moment when streams are ended.
 */
export async function drain(
  settings: DrainSettings,
  { fleet, logger, metrics }: DrainDeps,
): Promise<void> {
  const startedAt = performance.now()
  const left = (): number => settings.timeoutMs - (performance.now() - startedAt)
  fleet.drain()
  const minimumMs = Math.min(settings.minimumMs, settings.timeoutMs)
  if (minimumMs > 0) await new Promise((resolve) => setTimeout(resolve, minimumMs))
  fleet.stopAccepting()
  if (!(await fleet.settled(Math.max(0, left())))) {
    const forced = await fleet.interruptAll()
    metrics.counter('pratu_drain_forced_streams_total').add(forced)
    logger.warn('the drain deadline passed: requests under way were ended', { requests: forced })
  }
  await fleet.close(LAST_WORDS_MS)
  logger.info('drained', { seconds: Math.round(performance.now() - startedAt) / 1000 })
}
