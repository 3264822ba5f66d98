import type { DrainSettings } from '../config/index.ts'
import type { Logger } from '../observe/index.ts'
import { FAREWELL_MS } from './drain.ts'

export interface ProcessLifeDeps {
  readonly drain: DrainSettings
  readonly logger: Logger
  /** Resolves when all logs were written, or after `maxMs`. */
  flushLogs(maxMs: number): Promise<void>
  /**
   * Takes the gateway out of service; resolves when nothing is under way any more.
   *
   * @param hurry aborted when there is no time left.
   */
  stop(settings: DrainSettings, hurry: AbortSignal): Promise<void>
  reload(): void
  /** Ends the request whose code is running with an error. @returns its id, where it is known. */
  blame(): string | undefined
}

/** A stuck log reader may hold the exit up for this long at most, ms (issue 2 part 8). */
const FLUSH_MS = 500

/** From the deadline of a drain to the exit, whatever goes wrong on the way, ms (F48). */
const LAST_MS = 900

/** The same after a second signal (F49). */
const HURRIED_MS = 1500

/**
 * Ties a gateway to its process: SIGTERM and SIGINT drain it, a second one ends it at once, SIGHUP reloads, and a defect
 * that nobody caught takes it out of service instead of letting it go on in an unknown state (F46–F49, F51, S40).
 */
export function bindToProcess(deps: ProcessLifeDeps): void {
  new ProcessLife(deps).bind()
}

class ProcessLife {
  readonly #deps: ProcessLifeDeps
  readonly #hurry = new AbortController()
  #stopping = false
  #exiting = false
  #code = 0

  constructor(deps: ProcessLifeDeps) {
    this.#deps = deps
  }

  bind(): void {
    process.on('SIGTERM', this.#onStopSignal)
    process.on('SIGINT', this.#onStopSignal)
    process.on('SIGHUP', () => {
      if (!this.#stopping) this.#deps.reload()
    })
    // Without a handler Node opens its debugger on this signal.
    process.on('SIGUSR1', () => this.#deps.logger.info('SIGUSR1 has no meaning here'))
    process.on('uncaughtException', this.#onDefect)
    process.on('unhandledRejection', this.#onDefect)
  }

  readonly #onStopSignal = (signal: NodeJS.Signals): void => {
    const { drain, logger } = this.#deps
    if (this.#stopping) {
      logger.warn('another signal: what is under way is ended now', { signal })
      this.#hurry.abort()
      this.#exitAtLatestIn(HURRIED_MS)
      return
    }
    logger.info('stopping', { signal, drain_seconds: drain.timeoutMs / 1000 })
    // A person at a terminal does not wait for load balancers.
    this.#finish(signal === 'SIGINT' ? { ...drain, minimumMs: 0 } : drain, 0)
  }

  readonly #onDefect = (error: unknown): void => {
    const { drain, logger } = this.#deps
    const requestId = this.#deps.blame()
    logger.fatal('a defect that nobody caught: this process goes out of service', {
      request_id: requestId,
      error,
    })
    this.#code = 1
    if (this.#stopping) return
    this.#finish({ ...drain, minimumMs: Math.min(FAREWELL_MS, drain.minimumMs) }, 1)
  }

  #finish(settings: DrainSettings, code: number): void {
    this.#stopping = true
    this.#code = code
    this.#exitAtLatestIn(settings.timeoutMs + LAST_MS)
    this.#deps.stop(settings, this.#hurry.signal).then(
      () => this.#exit(),
      (error: unknown) => {
        this.#deps.logger.fatal('the shutdown failed', { error })
        this.#code = 1
        return this.#exit()
      },
    )
  }

  #exitAtLatestIn(ms: number): void {
    setTimeout(() => process.exit(this.#code), ms).unref()
  }

  async #exit(): Promise<void> {
    if (this.#exiting) return
    this.#exiting = true
    await this.#deps.flushLogs(FLUSH_MS)
    process.exit(this.#code)
  }
}
