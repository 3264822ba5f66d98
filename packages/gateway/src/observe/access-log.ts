import { exchangeLine, type LoggedExchange } from './access-record.ts'
import type { LogSink } from './log-sink.ts'
import type { Redactor } from './redaction.ts'
import { clockOf, printableText } from './terminal-line.ts'

/** A request to the admin port. */
export interface LoggedAdminRequest {
  readonly startedAtMs: number
  readonly clientIp: string
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  readonly status: number
  readonly responseBytes: number
  readonly latencyMs: number
}

export interface AccessLog {
  /** `false` for `off`: then nothing is built. */
  readonly enabled: boolean
  exchange(exchange: LoggedExchange): void
  admin(request: LoggedAdminRequest): void
}

export interface AccessLogOptions {
  readonly sink: LogSink
  readonly redactor: Redactor
  readonly format?: 'json' | 'text'
}

const OFF: AccessLog = { enabled: false, exchange: () => undefined, admin: () => undefined }

/** The access log of destination `off`. */
export function createNoAccessLog(): AccessLog {
  return OFF
}

/** One line per exchange with the fields of Kong's log record (kong.md §3.16), and ours: `outcome`, `generation`, `ai`. */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { sink, redactor } = options
  const readable = (options.format ?? (sink.terminal ? 'text' : 'json')) === 'text'
  return {
    enabled: true,
    exchange(exchange) {
      sink.write(readable ? exchangeText(exchange, redactor) : exchangeLine(exchange, redactor))
    },
    admin(request) {
      sink.write(readable ? adminText(request, redactor) : adminLine(request, redactor))
    },
  }
}

const quote = JSON.stringify

function adminLine(request: LoggedAdminRequest, redactor: Redactor): string {
  const uri = quote(withoutSecrets(request.target, redactor))
  return (
    `{"started_at":${request.startedAtMs}${clientIpMember(request.clientIp, redactor)}` +
    `,"request":{"method":${quote(request.method)},"uri":${uri}}` +
    `,"response":{"status":${request.status},"size":${request.responseBytes}}` +
    `,"latencies":{"request":${Math.round(request.latencyMs)}},"listener":"admin"}\n`
  )
}

function clientIpMember(address: string, { rule }: Redactor): string {
  const shown = rule.shown('client_ip', address)
  return shown === undefined ? '' : `,"client_ip":${quote(shown)}`
}

function whoIs({ consumer, request }: LoggedExchange, { rule }: Redactor): string {
  const username = consumer?.username
  const shown =
    username === undefined
      ? rule.shown('client_ip', request.clientIp)
      : rule.shown('consumer', username)
  return shown ?? '-'
}

function withoutSecrets(target: string, redactor: Redactor): string {
  const question = target.indexOf('?')
  return question < 0 ? target : target.slice(0, question) + redactor.query(target.slice(question))
}

function exchangeText(exchange: LoggedExchange, redactor: Redactor): string {
  const { record, request } = exchange
  const target = printableText(request.rawPath + redactor.query(request.rawQuery))
  const where = exchange.route?.name ?? exchange.route?.id ?? '-'
  const who = whoIs(exchange, redactor)
  const outcome = exchange.outcome === 'ok' ? '' : ` ${exchange.outcome}`
  return `${textStart(record.startedAtMs, record.status)} ${printableText(request.method)} ${target} ${Math.round(record.requestLatencyMs)}ms ${record.responseBytes}B ${where} ${printableText(who)}${outcome}\n`
}

function adminText(request: LoggedAdminRequest, redactor: Redactor): string {
  const target = printableText(withoutSecrets(request.target, redactor))
  return `${textStart(request.startedAtMs, request.status)} admin ${printableText(request.method)} ${target} ${Math.round(request.latencyMs)}ms\n`
}

function textStart(startedAtMs: number, status: number): string {
  const colour = status >= 500 || status === 0 ? 31 : status >= 400 ? 33 : 32
  return `\u001B[90m${clockOf(startedAtMs)}\u001B[0m \u001B[${colour}m${status}\u001B[0m`
}
