import { createLatency } from '../latency/latency.ts'
import { InvalidSetting, parseBytes, parseCount, parseDurationMs } from '../quantities.ts'
import type { HeaderPair } from '../wire/request-head.ts'
import {
  BAD_HEADERS,
  BREAK_KINDS,
  ENCODINGS,
  FRAMINGS,
  MALFORMED_EVENTS,
  STREAM_QUIRKS,
  USAGE_FAULTS,
  isBeforeBody,
} from './fault.ts'
import type { BreakKind, BreakPoint, Encoding, Fault } from './fault.ts'

type MutableFault = { -readonly [K in keyof Fault]: Fault[K] }
/** Reads one value into the fault; the value is empty when none was written. */
type Reader = (fault: MutableFault, value: string, key: string) => void

const HTML =
  '<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>'
const DEFAULT_ENDLESS_BYTES_PER_SECOND = 10 * 1_048_576
const MAX_LAYERS = 1_000
const DEFAULT_BREAK_POINTS: Readonly<Record<BreakKind, BreakPoint>> = {
  reset: 'before-headers',
  close: 'before-headers',
  hang: 'before-headers',
  end: 'before-terminal',
  error: 'after-tokens:0',
}
const CLOSINGS = ['close', 'silent'] as const
const REUSE_CLOSINGS = ['reset', 'fin'] as const

function oneOf<T extends string>(value: string, allowed: readonly T[], key: string): T {
  const known = allowed.find((one) => one === value)
  if (known === undefined)
    throw new InvalidSetting(`${key}: ${JSON.stringify(value)} is none of ${allowed.join(', ')}`)
  return known
}

/** @throws {InvalidSetting} */
export function parseBreakPoint(text: string, key: string): BreakPoint {
  if (
    text === 'before-headers' ||
    text === 'after-headers' ||
    text === 'half' ||
    text === 'before-terminal'
  )
    return text
  const counted = /^(in-headers|after-tokens|after-bytes):(.+)$/.exec(text)
  if (counted === null) {
    throw new InvalidSetting(
      `${key}: ${JSON.stringify(text)} is no place in an answer (write before-headers, in-headers:N, after-headers, after-tokens:N, after-bytes:N, half or before-terminal)`,
    )
  }
  const [, place, amount = ''] = counted
  if (place === 'after-tokens') return `after-tokens:${parseCount(amount, key)}`
  const bytes = parseBytes(amount, key)
  return place === 'in-headers' ? `in-headers:${bytes}` : `after-bytes:${bytes}`
}

function breakAt(how: BreakKind, otherwise: BreakPoint): Reader {
  return (fault, value, key) => {
    if (fault.break !== undefined)
      throw new InvalidSetting(
        `${key}: an answer breaks off once; ${fault.break.how} is there already`,
      )
    const at = value === '' ? otherwise : parseBreakPoint(value, key)
    if (isBeforeBody(at) && (how === 'end' || how === 'error')) {
      throw new InvalidSetting(`${key}: before its body an answer can only reset, close or hang`)
    }
    fault.break = { how, at }
  }
}

function addHeader(fault: MutableFault, name: string, value: string): void {
  const pair: HeaderPair = [name, value]
  fault.headers = [...(fault.headers ?? []), pair]
}

function encodings(value: string, key: string): Encoding[] {
  const list: Encoding[] = []
  for (const part of value.split(',')) {
    const [name = '', times] = part.trim().split('*')
    const count = times === undefined ? 1 : parseCount(times, key, 1)
    if (list.length + count > MAX_LAYERS)
      throw new InvalidSetting(`${key}: at most ${MAX_LAYERS} layers`)
    for (let i = 0; i < count; i += 1) list.push(oneOf(name, ENCODINGS, key))
  }
  return list
}

function required(read: Reader): Reader {
  return (fault, value, key) => {
    if (value === '') throw new InvalidSetting(`${key} needs a value: write ${key}=…`)
    read(fault, value, key)
  }
}

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['none', () => undefined],
  [
    'status',
    required((fault, value, key) => {
      const status = parseCount(value, key, 100)
      if (status > 999) throw new InvalidSetting(`${key}: ${status} is no HTTP status`)
      fault.status = status
    }),
  ],
  [
    'header',
    required((fault, value, key) => {
      const colon = value.indexOf(':')
      if (colon < 1)
        throw new InvalidSetting(`${key}: ${JSON.stringify(value)} should be NAME: VALUE`)
      addHeader(fault, value.slice(0, colon).trim(), value.slice(colon + 1).trim())
    }),
  ],
  ['retry-after', (fault, value) => addHeader(fault, 'retry-after', value)],
  ['retry-after-ms', (fault, value) => addHeader(fault, 'retry-after-ms', value)],
  ['body', (fault, value) => void (fault.body = value)],
  ['content-type', (fault, value) => void (fault.contentType = value)],
  [
    'html',
    (fault) => void Object.assign(fault, { body: HTML, contentType: 'text/html; charset=utf-8' }),
  ],
  ['invalid-json', (fault) => void (fault.invalidJson = true)],
  ['usage', required((fault, value, key) => void (fault.usage = oneOf(value, USAGE_FAULTS, key)))],
  ['early', (fault) => void (fault.early = true)],
  [
    'no-read',
    (fault, value, key) =>
      void (fault.noReadMs = value === '' ? Infinity : parseDurationMs(value, key)),
  ],
  ['delay', required((fault, value, key) => void (fault.delayMs = parseDurationMs(value, key)))],
  [
    'latency',
    required((fault, value) => {
      createLatency(value)
      fault.latency = value
    }),
  ],
  [
    'tokens-per-second',
    required((fault, value, key) => void (fault.tokensPerSecond = parseCount(value, key, 1))),
  ],
  [
    'pause',
    required((fault, value, key) => {
      const [at = '', duration = ''] = value.split(',')
      fault.pause = { at: parseBreakPoint(at.trim(), key), forMs: parseDurationMs(duration, key) }
    }),
  ],
  ...BREAK_KINDS.map((how): [string, Reader] => [how, breakAt(how, DEFAULT_BREAK_POINTS[how])]),
  ['no-terminal', (fault, _value, key) => breakAt('end', 'before-terminal')(fault, '', key)],
  ['short-body', (fault, value, key) => breakAt('close', 'half')(fault, value, key)],
  [
    'error-code',
    required(
      (fault, value) => void (fault.error = { message: `Simulated error: ${value}.`, code: value }),
    ),
  ],
  [
    'connection',
    required((fault, value, key) => void (fault.connection = oneOf(value, CLOSINGS, key))),
  ],
  [
    'close-on-reuse',
    (fault, value, key) =>
      void (fault.closeOnReuse = value === '' ? 'reset' : oneOf(value, REUSE_CLOSINGS, key)),
  ],
  [
    'idle-close',
    required((fault, value, key) => void (fault.idleCloseMs = parseDurationMs(value, key))),
  ],
  ['garbage', (fault) => void (fault.statusLine = 'SSH-2.0-OpenSSH_9.2p1')],
  ['status-line', required((fault, value) => void (fault.statusLine = value))],
  ['raw', required((fault, value) => void (fault.raw = value))],
  ['framing', required((fault, value, key) => void (fault.framing = oneOf(value, FRAMINGS, key)))],
  [
    'declared-length',
    required((fault, value, key) => {
      if (!/^[+-]?\d{1,15}$/.test(value))
        throw new InvalidSetting(`${key}: ${JSON.stringify(value)} should be a number, +N or -N`)
      fault.declaredLength = value
    }),
  ],
  ['extra-bytes', (fault, value) => void (fault.extraBytes = value)],
  [
    'informational',
    required((fault, value, key) => {
      const [status = '', count = '1'] = value.split('*')
      fault.informational = {
        status: parseCount(status, key, 100),
        count: parseCount(count, key, 1),
      }
    }),
  ],
  [
    'header-bytes',
    required((fault, value, key) => void (fault.headerBytes = parseBytes(value, key))),
  ],
  [
    'header-count',
    required((fault, value, key) => void (fault.headerCount = parseCount(value, key, 1))),
  ],
  [
    'bad-header',
    required((fault, value, key) => void (fault.badHeader = oneOf(value, BAD_HEADERS, key))),
  ],
  [
    'segment',
    required((fault, value, key) => {
      const [bytes = '', interval] = value.split(',')
      fault.segmentBytes = parseCount(bytes, key, 1)
      if (interval !== undefined) fault.segmentMs = parseDurationMs(interval, key)
    }),
  ],
  ['gzip', (fault) => void (fault.encoding = ['gzip'])],
  ['encoding', required((fault, value, key) => void (fault.encoding = encodings(value, key)))],
  ['truncated-encoding', (fault) => void (fault.encodingTruncated = true)],
  ['bomb', required((fault, value, key) => void (fault.bombBytes = parseBytes(value, key)))],
  ['size', required((fault, value, key) => void (fault.sizeBytes = parseBytes(value, key)))],
  [
    'endless',
    (fault, value, key) => {
      const [rate, duration] = value === '' ? [] : value.split(',')
      fault.endless = {
        bytesPerSecond:
          rate === undefined
            ? DEFAULT_ENDLESS_BYTES_PER_SECOND
            : Math.max(1, parseBytes(rate, key)),
        forMs: duration === undefined ? undefined : parseDurationMs(duration, key),
      }
    },
  ],
  [
    'stream',
    required(
      (fault, value, key) =>
        void (fault.stream = value.split(',').map((one) => oneOf(one.trim(), STREAM_QUIRKS, key))),
    ),
  ],
  [
    'malformed-event',
    (fault, value, key) =>
      void (fault.malformedEvent = value === '' ? 'json' : oneOf(value, MALFORMED_EVENTS, key)),
  ],
  [
    'huge-event',
    required((fault, value, key) => void (fault.hugeEventBytes = parseBytes(value, key))),
  ],
  [
    'no-newline',
    required((fault, value, key) => void (fault.unterminatedBytes = parseBytes(value, key))),
  ],
  ['attempts', required((fault, value, key) => void (fault.attempts = parseCount(value, key, 1)))],
])

/** Every key of the compact form. */
export const FAULT_KEYS: readonly string[] = [...READERS.keys()]

function read(fault: MutableFault, key: string, value: string): void {
  const reader = READERS.get(key)
  if (reader === undefined)
    throw new InvalidSetting(
      `fault: ${JSON.stringify(key)} is unknown; known are ${FAULT_KEYS.join(', ')}`,
    )
  reader(fault, value, key)
}

function fromJson(text: string): Fault {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new InvalidSetting(
      `fault: not JSON (${error instanceof Error ? error.message : String(error)})`,
    )
  }
  return parseFaultObject(parsed)
}

/**
 * Reads the JSON form: the compact form's keys, with a string, a number, `true`, or a list of them for a key given
 * several times.
 *
 * @throws {InvalidSetting}
 */
export function parseFaultObject(value: unknown): Fault {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidSetting('fault: JSON must be an object')
  const fault: MutableFault = {}
  for (const [key, setting] of Object.entries(value)) {
    const all: readonly unknown[] = Array.isArray(setting) ? setting : [setting]
    for (const one of all) {
      if (one === false || one === null) continue
      if (typeof one !== 'string' && typeof one !== 'number' && one !== true) {
        throw new InvalidSetting(
          `fault: ${key} must be a string, a number, true, or a list of them`,
        )
      }
      read(fault, key, one === true ? '' : String(one))
    }
  }
  return fault
}

/**
 * Reads a fault in its compact form, `status=429; retry-after=2; delay=100ms`, or as JSON, `{"status": 429}`.
 * In the compact form a value cannot contain a semicolon; JSON can say everything.
 *
 * @throws {InvalidSetting} naming the key and what is allowed.
 */
export function parseFault(text: string): Fault {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return fromJson(trimmed)
  const fault: MutableFault = {}
  for (const item of trimmed.split(';')) {
    if (item.trim() === '') continue
    const equals = item.indexOf('=')
    const key = (equals < 0 ? item : item.slice(0, equals)).trim()
    read(fault, key, equals < 0 ? '' : item.slice(equals + 1).trim())
  }
  return fault
}
