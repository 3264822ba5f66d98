import type { Logger, Metrics } from '../observe/index.ts'
import type { UpstreamEvent } from '../upstream/index.ts'

/** Counts what happens between requests, and logs what a person should see. */
export function logUpstreamEvent(event: UpstreamEvent, logger: Logger, metrics: Metrics): void {
  metrics.counter('pratu_upstream_events_total', [event.kind]).add(1)
  switch (event.kind) {
    case 'override':
      logger.warn('requests for one origin go to another (PRATU_UPSTREAM_OVERRIDES)', {
        from: event.from,
        to: event.to,
      })
      break
    case 'retry':
      if (!event.stale) logger.warn('an upstream try failed, another follows', { ...event })
      break
    case 'addresses-changed':
      logger.info('an upstream moved to other addresses', { ...event })
      break
    case 'resolution-failed':
      logger.warn('an upstream name does not resolve', {
        host: event.host,
        lastGoodUsed: event.lastGoodUsed,
        error: event.error,
      })
      break
    case 'defect':
      logger.error('a defect ended an upstream call', { error: event.error })
      break
  }
}
