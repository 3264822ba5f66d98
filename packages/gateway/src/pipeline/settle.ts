import type { LiveExchange } from './exchange.ts'
import { runLog } from './phases.ts'

/**
 * Ends an exchange exactly once, whatever happened: holds are closed, the log phase runs, the observer is told, the
 * snapshot is let go.
 */
export function settle(exchange: LiveExchange): void {
  if (exchange.settled) return
  exchange.settled = true
  exchange.markEnded()
  exchange.snapshot.context.active.delete(exchange)
  exchange.closeHolds(neverCompleted(exchange))
  runLog(exchange)
  exchange.snapshot.context.observer.settled(exchange)
  exchange.snapshot.unpin()
}

/**
 * Request counts are taken from headers alone; a request whose body never completed was no request, and everything is
 * given back (faults.md §0).
 */
function neverCompleted(exchange: LiveExchange): boolean {
  switch (exchange.outcome) {
    case 'rejected_request_timeout':
    case 'rejected_body_too_large':
    case 'client_cancelled':
      return !exchange.request.body.completed
    default:
      return false
  }
}
