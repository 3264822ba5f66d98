import type {
  ConsumerRef,
  Exchange,
  HeaderView,
  Outcome,
  RouteRef,
  ServiceRef,
} from '@pratu/plugin-kit'
import { lowerCaseName } from '../http/index.ts'
import { toPrintable } from './log-detail.ts'
import type { FieldRule } from './field-rule.ts'
import { REDACTED, decodeText, type Redactor } from './redaction.ts'

/** One try of an upstream, for Kong's `tries`. */
export interface LoggedTry {
  readonly host: string
  readonly port: number
  readonly startedAtMs: number
  readonly status: number | undefined
  readonly error: string | undefined
}

/** What an exchange must offer to be logged; the pipeline's exchanges do. */
export type LoggedExchange = Pick<
  Exchange,
  | 'id'
  | 'generation'
  | 'request'
  | 'upstream'
  | 'route'
  | 'service'
  | 'consumer'
  | 'credential'
  | 'record'
> & {
  readonly outcome: Outcome
  readonly tries: readonly LoggedTry[]
  readonly annotations: ReadonlyMap<string, unknown> | undefined
  /** The response's fields as sent; left out of the line when absent. */
  readonly responseHeaders?: HeaderView | undefined
}

/** Kong's only workspace without Enterprise (kong.md §1.4). */
const WORKSPACE = ',"workspace":"0dc6f45b-8f8d-40d2-a504-473544ee190b","workspace_name":"default"'

/** Members that annotations may not redefine. */
const OWN_MEMBERS: ReadonlySet<string> = new Set([
  'started_at',
  'client_ip',
  'request',
  'upstream_uri',
  'upstream_status',
  'response',
  'latencies',
  'tries',
  'authenticated_entity',
  'consumer',
  'route',
  'service',
  'source',
  'workspace',
  'workspace_name',
  'outcome',
  'generation',
])

const quote = JSON.stringify

/**
 * Built as text, member by member: serialising an object graph would cost twice as much, on every request.
 *
 * @returns one JSON object and a line feed.
 */
export function exchangeLine(exchange: LoggedExchange, redactor: Redactor): string {
  const { record, request } = exchange
  const query = redactor.query(request.rawQuery)
  const uri = quote(request.rawPath + query)
  let line =
    `{"started_at":${record.startedAtMs}${clientIp(request.clientIp, redactor)}` +
    `,"request":{"id":"${exchange.id}","method":${quote(request.method)},"uri":${uri}` +
    `,"url":${quote(`${request.scheme}://${request.host}${request.rawPath}${query}`)}` +
    `,"querystring":${queryObject(redactor.rule.showsAll ? request.rawQuery : query, redactor)}` +
    `,"headers":${headersObject(request.headers, redactor)},"size":${record.requestBytes}}`
  if (exchange.tries.length > 0 || record.upstreamStatus !== undefined) {
    const { path, query: upstreamQuery } = exchange.upstream
    line += `,"upstream_uri":${quote(path + redactor.query(upstreamQuery))}`
  }
  if (record.upstreamStatus !== undefined) line += `,"upstream_status":"${record.upstreamStatus}"`
  line += `,"response":{"status":${record.status},"size":${record.responseBytes}`
  const sent = exchange.responseHeaders
  if (sent !== undefined) line += `,"headers":${headersObject(sent, redactor)}`
  line += `},"latencies":${latencies(exchange)},"tries":${triesArray(exchange.tries)}`
  if (exchange.route !== undefined) line += `,"route":${routeJson(exchange.route)}`
  if (exchange.service !== undefined) line += `,"service":${serviceJson(exchange.service)}`
  line += identity(exchange, redactor)
  // Kong says `upstream` here where its metrics say `service`.
  const source = record.source === 'service' ? 'upstream' : 'kong'
  line += `,"source":"${source}"${WORKSPACE},"outcome":${quote(exchange.outcome)},"generation":${exchange.generation}`
  if (exchange.annotations !== undefined) line += annotationMembers(exchange.annotations)
  return `${line}}\n`
}

function clientIp(address: string, { rule }: Redactor): string {
  const shown = rule.shown('client_ip', address)
  return shown === undefined ? '' : `,"client_ip":${quote(shown)}`
}

function identity({ consumer, credential }: LoggedExchange, { rule }: Redactor): string {
  let text = ''
  if (consumer !== undefined) {
    text += rule.showsAll
      ? `,"consumer":${consumerJson(consumer)}`
      : redactedConsumer(consumer, rule)
  }
  const credentialId =
    credential === undefined ? undefined : rule.shown('credential', credential.id)
  if (credentialId !== undefined) text += `,"authenticated_entity":{"id":${quote(credentialId)}}`
  return text
}

function redactedConsumer({ id, username, customId, tags }: ConsumerRef, rule: FieldRule): string {
  const shown = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : rule.shown('consumer', text)
  const consumer = {
    id: shown(id),
    username: shown(username),
    custom_id: shown(customId),
    tags: tags.flatMap((tag) => rule.shown('tags', tag) ?? []),
  }
  return rule.drops('consumer') ? '' : `,"consumer":${quote(consumer)}`
}

/** Kong's four, whole ms; `proxy` is -1 when nothing was proxied (kong.md §3.16). */
function latencies({ record }: LoggedExchange): string {
  const request = record.requestLatencyMs
  const before = record.proxyLatencyMs
  const upstream = record.upstreamLatencyMs
  const receive = upstream < 0 ? 0 : Math.max(0, request - before - upstream)
  const kong = before < 0 ? request : before
  const proxy = upstream < 0 ? -1 : Math.round(upstream)
  return `{"kong":${Math.round(kong)},"proxy":${proxy},"request":${Math.round(request)},"receive":${Math.round(receive)}}`
}

function triesArray(tries: readonly LoggedTry[]): string {
  let text = ''
  for (const one of tries) {
    text += `${text === '' ? '' : ','}{"balancer_start":${Math.round(one.startedAtMs)},"ip":${quote(one.host)},"port":${one.port}`
    if (one.error !== undefined) text += `,"state":"failed","error":${quote(one.error)}`
    if (one.status !== undefined) text += `,"code":${one.status}`
    text += '}'
  }
  return `[${text}]`
}

/** Entities belong to a snapshot and do not change: their text is made once. */
const routeTexts = new WeakMap<RouteRef, string>()
const serviceTexts = new WeakMap<ServiceRef, string>()
const consumerTexts = new WeakMap<ConsumerRef, string>()

function routeJson(route: RouteRef): string {
  return memoised(routeTexts, route, () => ({ id: route.id, name: route.name, tags: route.tags }))
}

function serviceJson(service: ServiceRef): string {
  const { id, name, host, tags } = service
  return memoised(serviceTexts, service, () => ({ id, name, host, tags }))
}

function consumerJson(consumer: ConsumerRef): string {
  const { id, username, customId, tags } = consumer
  return memoised(consumerTexts, consumer, () => ({ id, username, custom_id: customId, tags }))
}

function memoised<Key extends object>(
  texts: WeakMap<Key, string>,
  key: Key,
  make: () => Record<string, unknown>,
): string {
  const known = texts.get(key)
  if (known !== undefined) return known
  const text = quote(make())
  texts.set(key, text)
  return text
}

const memberNames = new Map<string, string>()

/** `"name":`, kept for the few names that come with every request; clients can invent more than we would keep. */
function memberName(name: string): string {
  const known = memberNames.get(name)
  if (known !== undefined) return known
  const text = `${quote(name)}:`
  if (memberNames.size < 512 && name.length < 64) memberNames.set(name, text)
  return text
}

/** Lower-case names; a repeated field becomes an array, as in Kong. */
function headersObject(headers: HeaderView, redactor: Redactor): string {
  const { flat } = headers
  let text = '{'
  for (let i = 0; i < flat.length; i += 2) {
    const name = lowerCaseName(flat[i] ?? '')
    if (appearsBefore(flat, i, name)) continue
    if (text.length > 1) text += ','
    text += memberName(name)
    const shown = redactor.rule.showsAll ? undefined : redactedField(headers, name, redactor.rule)
    if (redactor.hidesHeader(name)) text += `"${REDACTED}"`
    else if (shown !== undefined) text += quote(shown)
    else text += appearsAfter(flat, i, name) ? quote(headers.all(name)) : quote(flat[i + 1] ?? '')
  }
  return `${text}}`
}

/** @returns what stands for a field's values; `undefined` when they are shown. */
function redactedField(headers: HeaderView, name: string, rule: FieldRule): string | undefined {
  const values = headers.all(name).join(', ')
  for (const field of ['headers', `header.${name}`]) {
    const shown = rule.shown(field, values)
    if (shown !== values) return shown ?? REDACTED
  }
  return undefined
}

function appearsBefore(flat: readonly string[], index: number, name: string): boolean {
  for (let i = 0; i < index; i += 2) if (isName(flat[i], name)) return true
  return false
}

function appearsAfter(flat: readonly string[], index: number, name: string): boolean {
  for (let i = index + 2; i < flat.length; i += 2) if (isName(flat[i], name)) return true
  return false
}

function isName(field: string | undefined, name: string): boolean {
  return field !== undefined && field.length === name.length && lowerCaseName(field) === name
}

/** More would let one request write a line of any length. */
const MAX_PARAMETERS = 100

function queryObject(rawQuery: string, redactor: Redactor): string {
  if (rawQuery.length <= 1) return '{}'
  const parameters = new Map<string, string | true | (string | true)[]>()
  for (const part of rawQuery.slice(1).split('&', MAX_PARAMETERS)) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decodeText(equals < 0 ? part : part.slice(0, equals))
    const shown = redactor.hidesParameter(name) ? REDACTED : decodeText(part.slice(equals + 1))
    const value = equals < 0 ? true : shown
    const before = parameters.get(name)
    if (before === undefined) parameters.set(name, value)
    else if (Array.isArray(before)) before.push(value)
    else parameters.set(name, [before, value])
  }
  let text = ''
  for (const [name, value] of parameters) {
    text += `${text === '' ? '' : ','}${quote(name)}:${quote(value)}`
  }
  return `{${text}}`
}

function annotationMembers(annotations: ReadonlyMap<string, unknown>): string {
  let text = ''
  for (const [name, value] of annotations) {
    if (OWN_MEMBERS.has(name)) continue
    const printable = quote(toPrintable(value))
    if (printable !== undefined) text += `,${quote(name)}:${printable}`
  }
  return text
}
