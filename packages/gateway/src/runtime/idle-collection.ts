import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How long nothing may have been in flight before memory is given back, ms: nobody waits for a collection then. */
const IDLE_MS = 15_000
const CHECK_MS = 1_000
/** Fewer leave nothing behind that is worth a collection. */
const WORTH_REQUESTS = 1_000

export interface IdleCollectionOptions {
  /** Exchanges that have not settled. */
  readonly inFlight: () => number
  /** Exchanges so far. */
  readonly handled: () => number
  readonly idleMs?: number
  readonly checkMs?: number
  /** Injected by tests. */
  readonly collect?: () => void
}

/**
 * Gives memory back after a load. V8 collects when it allocates: a gateway that nobody asks keeps the heap of its busiest
 * minute, and an autoscaler that looks at memory never takes the replica away.
 */
export class IdleCollection {
  readonly #timer: NodeJS.Timeout
  #seen = 0
  #collected = 0
  #idleMs = 0

  constructor(options: IdleCollectionOptions) {
    const { inFlight, handled, idleMs = IDLE_MS, checkMs = CHECK_MS } = options
    const { collect = collectNow } = options
    this.#timer = setInterval(() => {
      const total = handled()
      const quiet = total === this.#seen && inFlight() === 0
      this.#seen = total
      this.#idleMs = quiet ? this.#idleMs + checkMs : 0
      if (this.#idleMs < idleMs || total - this.#collected < WORTH_REQUESTS) return
      this.#collected = total
      collect()
    }, checkMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** Takes some 50 ms with a heap of 50 MB. Node.js has no other way to ask without a flag at its start. */
function collectNow(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect === 'function')
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
