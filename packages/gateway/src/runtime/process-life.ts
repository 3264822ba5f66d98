import type { DrainSettings } from '../config/index.ts'
import type { Logger, LogSink } from '../observe/index.ts'

export interface ProcessLifeDeps {
  readonly drain: DrainSettings
  readonly logger: Logger
  readonly sinks: readonly LogSink[]
  /** Takes the gateway out of service; resolves when nothing is under way any more. */
  readonly stop: (settings: DrainSettings) => Promise<void>
  readonly reload: () => void
}

/** A stuck log reader may hold the exit up for this long at most, ms (issue 2 part 8). */
const FLUSH_MS = 500

/**
 * Ties a gateway to its process: SIGTERM and SIGINT drain it, a second one ends it at once, SIGHUP reloads, and a defect
 * that nobody caught takes it out of service instead of letting it go on in an unknown state (F46–F49, F51, S40).
 */
export function bindToProcess({ drain, logger, sinks, stop, reload }: ProcessLifeDeps): void {
  let stopping = false
  let exiting = false

  const exit = async (code: number): Promise<void> => {
    if (exiting) return
    exiting = true
    await Promise.all(sinks.map((sink) => sink.flush(FLUSH_MS)))
    process.exit(code)
  }
  const finish = (settings: DrainSettings, code: number): void => {
    stop(settings).then(
      () => exit(code),
      (error: unknown) => {
        logger.fatal('the shutdown failed', { error })
        return exit(1)
      },
    )
  }
  const onStopSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      logger.warn('second signal: exiting now', { signal })
      void exit(0)
      return
    }
    stopping = true
    logger.info('stopping', { signal, drain: drain.timeoutMs })
    // A person at a terminal does not wait for load balancers.
    finish(signal === 'SIGINT' ? { ...drain, minimumMs: 0 } : drain, 0)
  }
  process.on('SIGTERM', onStopSignal)
  process.on('SIGINT', onStopSignal)
  process.on('SIGHUP', () => {
    if (!stopping) reload()
  })
  // Without a handler Node opens its debugger on this signal.
  process.on('SIGUSR1', () => logger.info('SIGUSR1 has no meaning here'))

  const onDefect = (error: unknown): void => {
    logger.fatal('a defect that nobody caught: this process goes out of service', { error })
    if (stopping) {
      void exit(1)
      return
    }
    stopping = true
    finish({ minimumMs: 0, timeoutMs: drain.timeoutMs }, 1)
  }
  process.on('uncaughtException', onDefect)
  process.on('unhandledRejection', onDefect)
}
