import { GatewayError } from '../errors/index.ts'
import type { Journal } from '../journal/index.ts'
import type { ServiceHandler } from '../pipeline/index.ts'

/** Nothing that costs money goes upstream while its record could not be kept (F57, `PRATU_JOURNAL_ON_ERROR=reject`). */
export function requireJournal(journal: Journal, next: ServiceHandler): ServiceHandler {
  return (exchange, service, out) => {
    if (journal.failing && service.service.aiFormat !== undefined)
      throw new GatewayError('journal_unavailable')
    next(exchange, service, out)
  }
}
