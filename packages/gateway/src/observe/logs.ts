import type { MessagePort } from 'node:worker_threads'
import type { NodeSettings } from '../config/index.ts'
import { createAccessLog, createNoAccessLog, type AccessLog } from './access-log.ts'
import { createPortLogSink } from './log-port.ts'
import { createLogSink, type LogSink } from './log-sink.ts'
import { createLogger, type Logger } from './logger.ts'
import type { FieldRule } from './field-rule.ts'
import type { Metrics } from './metrics.ts'
import { Redactor } from './redaction.ts'

export interface LogsOptions {
  readonly settings: Pick<
    NodeSettings,
    'logLevel' | 'proxyAccessLog' | 'adminAccessLog' | 'errorLog'
  >
  /** Counts dropped lines. */
  readonly metrics: Metrics
  /** In a worker: the way to the main thread, which writes (see `receiveLogs`). */
  readonly port?: MessagePort
  /** In a worker: the destinations that are terminals. */
  readonly terminals?: ReadonlySet<string>
  /** The worker's number, when there are several. */
  readonly worker?: number
  readonly maxBytes?: number
  readonly gatherMs?: number
  /** What an operator keeps out of access logs. */
  readonly rule?: FieldRule
}

/** All logs of one thread. */
export interface Logs {
  readonly logger: Logger
  readonly proxyAccess: AccessLog
  readonly adminAccess: AccessLog
  readonly redactor: Redactor
  /** By destination, for `receiveLogs`. */
  readonly sinks: ReadonlyMap<string, LogSink>
  /** Resolves when all logs were written, or after `maxMs`: a stuck reader must not hold the exit (F58). */
  flush(maxMs: number): Promise<void>
  /** For a process that is dying. */
  flushSync(maxMs: number): void
  close(): void
}

/**
 * Opens the log destinations of the node, each once: two logs to one destination share a writer.
 *
 * @throws {Error} when a destination cannot be opened; the message names the setting.
 */
export function createLogs(options: LogsOptions): Logs {
  const { settings, metrics } = options
  const sinks = new Map<string, LogSink>()
  let recovered: (lines: number, destination: string) => void = () => undefined

  const sinkOf = (setting: string, destination: string): LogSink => {
    const known = sinks.get(destination)
    if (known !== undefined) return known
    const dropped = metrics.counter('pratu_log_dropped_total', [destination])
    const shared = {
      ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
      ...(options.gatherMs === undefined ? {} : { gatherMs: options.gatherMs }),
      onDropped: (lines: number) => dropped.add(lines),
    }
    const sink =
      options.port === undefined
        ? openSink(setting, destination, {
            ...shared,
            onRecovered: (lines) => recovered(lines, destination),
          })
        : createPortLogSink(options.port, {
            ...shared,
            log: destination,
            terminal: options.terminals?.has(destination) ?? false,
          })
    sinks.set(destination, sink)
    return sink
  }

  const redactor = new Redactor(options.rule)
  const accessLog = (setting: string, destination: string): AccessLog =>
    destination === 'off'
      ? createNoAccessLog()
      : createAccessLog({ sink: sinkOf(setting, destination), redactor })

  const logger =
    settings.errorLog === 'off'
      ? createLogger({ level: 'fatal', sink: NOWHERE })
      : createLogger({
          level: settings.logLevel,
          sink: sinkOf('the error log', settings.errorLog),
          ...(options.worker === undefined ? {} : { members: { worker: options.worker } }),
        })
  const proxyAccess = accessLog('the proxy access log', settings.proxyAccessLog)
  const adminAccess = accessLog('the admin access log', settings.adminAccessLog)
  recovered = (lines, destination) => {
    logger.warn('log lines were dropped because their reader was too slow', { lines, destination })
  }

  return {
    logger,
    proxyAccess,
    adminAccess,
    redactor,
    sinks,
    async flush(maxMs) {
      await Promise.all([...sinks.values()].map((sink) => sink.flush(maxMs)))
    },
    flushSync(maxMs) {
      const deadline = performance.now() + maxMs
      for (const sink of sinks.values()) sink.flushSync(Math.max(0, deadline - performance.now()))
    },
    close() {
      for (const sink of sinks.values()) sink.close()
    },
  }
}

const NOWHERE: LogSink = {
  terminal: false,
  write: () => undefined,
  flush: () => Promise.resolve(),
  flushSync: () => undefined,
  close: () => undefined,
}

function openSink(
  setting: string,
  destination: string,
  options: Omit<Parameters<typeof createLogSink>[0], 'destination'>,
): LogSink {
  try {
    return createLogSink({ ...options, destination })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${setting} cannot be written to ${destination}: ${reason}`, { cause })
  }
}
