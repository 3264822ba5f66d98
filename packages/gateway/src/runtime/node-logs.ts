import type { NodeSettings } from '../config/index.ts'
import {
  createAccessLog,
  createLogger,
  createLogSink,
  createNoAccessLog,
  type AccessLog,
  type Logger,
  type LogSink,
  type Metrics,
  type Redactor,
} from '../observe/index.ts'

/** The process's logs; only the main thread writes them. */
export interface NodeLogs {
  readonly logger: Logger
  readonly proxyAccess: AccessLog
  readonly adminAccess: AccessLog
  /** Whether the log is read by a person at a terminal. */
  readonly terminal: boolean
  /** By the names that workers use. */
  readonly sinks: ReadonlyMap<string, LogSink>
}

/** @throws {Error} when a log file cannot be opened. */
export function openLogs(settings: NodeSettings, redactor: Redactor, metrics: Metrics): NodeLogs {
  const byDestination = new Map<string, LogSink>()
  const sinkFor = (destination: string): LogSink => {
    let sink = byDestination.get(destination)
    if (sink === undefined) {
      const dropped = metrics.counter('pratu_log_dropped_total', [destination])
      sink = createLogSink({ destination, onDropped: (lines) => dropped.add(lines) })
      byDestination.set(destination, sink)
    }
    return sink
  }
  const accessLog = (destination: string): AccessLog =>
    destination === 'off'
      ? createNoAccessLog()
      : createAccessLog({ sink: sinkFor(destination), redactor })
  const errorSink = sinkFor(settings.errorLog === 'off' ? '/dev/stderr' : settings.errorLog)
  const sinks = new Map([['error', errorSink]])
  if (settings.proxyAccessLog !== 'off') sinks.set('access', sinkFor(settings.proxyAccessLog))
  return {
    logger: createLogger({ level: settings.logLevel, sink: errorSink }),
    proxyAccess: accessLog(settings.proxyAccessLog),
    adminAccess: accessLog(settings.adminAccessLog),
    terminal: errorSink.terminal,
    sinks,
  }
}
