import type { Outcome } from '@pratu/plugin-kit'
import type { LiveExchange } from './exchange.ts'
import { runLog } from './phases.ts'

/**
 * Ends an exchange exactly once, whatever happened: holds are closed, the log phase runs, the observer is told, the
 * snapshot is let go. What is worked on for others as well settles when that is over.
 */
export function settle(exchange: LiveExchange): void {
  if (exchange.settled || exchange.postponeSettling(() => settle(exchange))) return
  exchange.settled = true
  exchange.markEnded()
  exchange.snapshot.context.active.delete(exchange)
  exchange.closeHolds(exchange.spendRefused || neverCompleted(exchange))
  // Whoever measured the call has closed it with what it used; nobody else ever will.
  exchange.flight?.close()
  runLog(exchange)
  exchange.snapshot.context.observer.settled(exchange)
  exchange.snapshot.unpin()
}

/** How a body ends that will not arrive: what the listener and the reader of a body refuse. */
const BODY_REFUSED: ReadonlySet<Outcome> = new Set<Outcome>([
  'rejected_request_timeout',
  'rejected_body_too_large',
  'rejected_invalid_framing',
  'rejected_bad_request',
  'rejected_headers_too_large',
  'rejected_overloaded',
  'client_cancelled',
])

/**
 * Request counts are taken from headers alone; a request whose body never completed was no request, and everything is
 * given back (faults.md §0).
 */
function neverCompleted({ outcome, request }: LiveExchange): boolean {
  return outcome !== 'ok' && BODY_REFUSED.has(outcome) && !request.body.completed
}
