/** A thread that gives signs of life. */
export interface Beating {
  /** How many so far; 0 while it is starting. */
  readonly beats: number
}

export interface StuckWatchOptions<T extends Beating> {
  /** Without a sign of life for this long a thread is stuck, ms. */
  readonly stuckMs: number
  /** How long the first one may take, ms. */
  readonly startMs: number
  readonly checkMs: number
  readonly threads: () => Iterable<T>
  /** Called once per thread. */
  readonly onStuck: (thread: T) => void
}

interface Seen {
  beats: number
  at: number
  told: boolean
}

/** Finds threads whose event loop does not turn any more (F50). */
export class StuckWatch<T extends Beating> {
  readonly #options: StuckWatchOptions<T>
  readonly #seen = new WeakMap<T, Seen>()
  readonly #timer: NodeJS.Timeout
  #lastCheck = performance.now()

  constructor(options: StuckWatchOptions<T>) {
    this.#options = options
    this.#timer = setInterval(() => this.#check(), options.checkMs)
    this.#timer.unref()
  }

  #check(): void {
    const { stuckMs, startMs, checkMs, threads, onStuck } = this.#options
    const now = performance.now()
    // When we were held up ourselves, so was everybody: a machine that slept, a process that was stopped.
    const late = now - this.#lastCheck > 2 * checkMs
    this.#lastCheck = now
    for (const thread of threads()) {
      const seen = this.#seen.get(thread)
      if (seen === undefined || late || thread.beats !== seen.beats) {
        this.#seen.set(thread, { beats: thread.beats, at: now, told: seen?.told ?? false })
        continue
      }
      const patienceMs = thread.beats === 0 ? startMs : stuckMs
      if (now - seen.at <= patienceMs || seen.told) continue
      seen.told = true
      onStuck(thread)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
