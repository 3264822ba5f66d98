/** Failures among the last commands that open it. */
const FAILURES = 5
const WINDOW = 10
/** Successful probes in a row that close it. */
const PROBES = 2
const MOST_PROBES = 16
/** Opened again sooner than this after closing, it asks for twice as many probes; later, for `PROBES` again. */
const CALM_MS = 30_000

/**
 * Decides when a server counts as away and when as back. A slow server that answers some commands in time must not make
 * the state flap (F67): each relapse doubles the successes in a row that are asked for.
 */
export class Breaker {
  readonly #recent: boolean[] = []
  #open = false
  #needed = PROBES
  #probes = 0
  #closedAtMs = Number.NEGATIVE_INFINITY

  get isOpen(): boolean {
    return this.#open
  }

  /** A command was answered in time. */
  succeeded(): void {
    this.#record(true)
  }

  /** A command was not. @returns whether that was one too many: the caller opens the breaker. */
  failed(): boolean {
    this.#record(false)
    return this.#recent.filter((good) => !good).length >= FAILURES
  }

  /** @param nowMs monotonic. */
  open(nowMs: number): void {
    if (this.#open) return
    this.#open = true
    this.#probes = 0
    const relapsed = nowMs - this.#closedAtMs < CALM_MS
    this.#needed = relapsed ? Math.min(MOST_PROBES, this.#needed * 2) : PROBES
  }

  /** A probe was answered in time. @returns whether the breaker closed. */
  probeSucceeded(nowMs: number): boolean {
    this.#probes += 1
    if (!this.#open || this.#probes < this.#needed) return false
    this.#open = false
    this.#closedAtMs = nowMs
    this.#recent.length = 0
    return true
  }

  probeFailed(): void {
    this.#probes = 0
  }

  #record(good: boolean): void {
    if (this.#recent.length === WINDOW) this.#recent.shift()
    this.#recent.push(good)
  }
}
