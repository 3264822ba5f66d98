import pino from 'pino'
import type { PluginLog } from '@pratu/plugin-kit'
import { toPrintable, type LogDetail } from './log-detail.ts'
import type { LogSink } from './log-sink.ts'
import { scrubText } from './redaction.ts'
import { toTerminalLine } from './terminal-line.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** The node's log. Calls never wait and never throw; secrets are not shown (S22). */
export interface Logger extends PluginLog {
  debug(message: string, detail?: LogDetail): void
  info(message: string, detail?: LogDetail): void
  fatal(message: string, detail?: LogDetail): void
  /** For messages that are costly to make. */
  isEnabled(level: LogLevel): boolean
  /** A logger whose lines all carry these members. */
  child(members: LogDetail): Logger
}

export interface LoggerOptions {
  readonly level: LogLevel
  readonly sink: LogSink
  /** `text` for people at a terminal; by default what the sink is. */
  readonly format?: 'json' | 'text'
  /** Members of every line, such as the worker's number. */
  readonly members?: LogDetail
}

/** JSON lines `{"level","time","msg",…}`, or readable ones on a terminal. */
export function createLogger(options: LoggerOptions): Logger {
  const { sink } = options
  const readable = (options.format ?? (sink.terminal ? 'text' : 'json')) === 'text'
  const write = readable
    ? (line: string) => sink.write(toTerminalLine(line))
    : (line: string) => sink.write(line)
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  )
  return wrap(options.members === undefined ? root : root.child(membersOf(options.members)))
}

/** A logger that says nothing, for tests. */
export function createSilentLogger(): Logger {
  const silent: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    fatal: () => undefined,
    isEnabled: () => false,
    child: () => silent,
  }
  return silent
}

function wrap(logger: pino.Logger): Logger {
  const log = (level: LogLevel) => (message: string, detail?: LogDetail) => {
    if (!logger.isLevelEnabled(level)) return
    const text = scrubText(message)
    if (detail === undefined) logger[level](text)
    else logger[level](membersOf(detail), text)
  }
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    fatal: log('fatal'),
    isEnabled: (level) => logger.isLevelEnabled(level),
    child: (members) => wrap(logger.child(membersOf(members))),
  }
}

/** The line's own members keep their meaning, whatever a detail is called. */
const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'msg'])

function membersOf(detail: LogDetail): Record<string, unknown> {
  const printable = toPrintable(detail)
  const members: Record<string, unknown> = {}
  if (typeof printable !== 'object' || printable === null) return members
  for (const [name, value] of Object.entries(printable)) {
    members[RESERVED.has(name) ? `${name}_` : name] = value
  }
  return members
}
