import type { Outbound } from './outbound.ts'

/** After the client's FIN: at once, and again when an RST can have come back over a short and a long way. */
const PROBE_DELAYS_MS: readonly number[] = [40, 160, 800]

const PROCESSING = 'HTTP/1.1 102 Processing\r\n\r\n'

/**
 * Tells a client that only stopped sending from one that has gone. Both look the same, a FIN: the first must get its
 * answer (F07), the second must not keep an upstream busy (F05). An interim response costs the first nothing, while the
 * second's kernel answers it with RST, which the next write reports.
 */
export class HalfCloseProbe {
  readonly #outbound: Outbound
  readonly #wanted: () => boolean
  #sent = 0
  #timer: NodeJS.Timeout | undefined

  /** @param wanted whether an interim response may still be sent. */
  constructor(outbound: Outbound, wanted: () => boolean) {
    this.#outbound = outbound
    this.#wanted = wanted
  }

  start(): void {
    if (!this.#wanted()) return
    this.#outbound.send(PROCESSING, undefined, '')
    const delayMs = PROBE_DELAYS_MS[this.#sent++]
    if (delayMs !== undefined) this.#timer = setTimeout(() => this.start(), delayMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#sent = PROBE_DELAYS_MS.length
  }
}
