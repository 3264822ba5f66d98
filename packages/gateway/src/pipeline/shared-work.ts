import type { Exchange, ResponseHead } from '@pratu/plugin-kit'
import { LiveExchange } from './exchange.ts'
import { addProxiedHeaders } from './informational-headers.ts'

/** A hold on the work of an exchange; see {@link retain}. */
export interface Retained {
  /** @param done whether the work came to its end; otherwise it is cancelled if its client has gone. */
  release(done: boolean): void
}

/**
 * Keeps an exchange's work going when its client leaves, because others wait for the same answer (F73). Call it before the
 * handler is called.
 *
 * @param onDeparture told once when the client goes.
 */
export function retain(exchange: Exchange, onDeparture: () => void): Retained {
  if (!(exchange instanceof LiveExchange)) {
    exchange.onCancel(onDeparture)
    return { release: () => undefined }
  }
  exchange.retain(onDeparture)
  return { release: (done) => exchange.release(done) }
}

/** Marks the exchange as answered by its service, and adds to `head` what a proxied answer carries (kong.md §2.8). */
export function answerAsService(exchange: Exchange, head: ResponseHead): void {
  if (!(exchange instanceof LiveExchange)) return
  exchange.source = 'service'
  addProxiedHeaders(exchange, head)
}
