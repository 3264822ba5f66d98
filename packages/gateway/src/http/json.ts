import { isUtf8 } from 'node:buffer'
import type { JsonDocument } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'

export interface JsonLimits {
  /** Levels of nesting; a scalar has none, `[]` has one. */
  readonly maxDepth: number
  /** Object members, objects and arrays in the whole document; plain array elements are free. */
  readonly maxMembers: number
  /** Whether a repeated member name at the top level is refused. */
  readonly uniqueKeys: boolean
}

type Span = readonly [start: number, end: number]

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Parses a body that was judged first: depth, number of members and repeated top-level names are found in one pass over
 * the bytes, before anything is built, so that a bomb costs no more than its length (S25, S26). The value is what
 * `JSON.parse` makes: a member called `__proto__` is an own property, and prototypes stay what they are (S24).
 *
 * @returns the value, and the byte spans of the top-level members' values, exact because only valid JSON gets that far.
 * @throws {GatewayError} 400: `invalid_json` (not UTF-8 included), `json_too_deep`, `json_too_wide`, `json_duplicate_key`.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): JsonDocument {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const spans = scan(buffer, limits)
  // Replacement characters would make what we judge differ from what is sent on.
  if (!isUtf8(buffer)) throw new GatewayError('invalid_json', { reason: 'not UTF-8' })
  return new ScannedDocument(parseText(buffer.toString('utf8')), spans)
}

class ScannedDocument implements JsonDocument {
  readonly value: unknown
  readonly #spans: ReadonlyMap<string, Span>

  constructor(value: unknown, spans: ReadonlyMap<string, Span>) {
    this.value = value
    this.#spans = spans
  }

  span(topLevelKey: string): Span | undefined {
    return this.#spans.get(topLevelKey)
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GatewayError('invalid_json', { reason: 'syntax' }, { cause: error })
  }
}

/**
 * One pass over the structural bytes. It accepts things that are no JSON (the parser refuses them afterwards), but on
 * valid JSON all it finds is exact.
 */
function scan(buffer: Buffer, limits: JsonLimits): Map<string, Span> {
  const spans = new Map<string, Span>()
  const { maxDepth, maxMembers } = limits
  let depth = 0
  let members = 0
  // Of the last string and of the top-level member whose value has begun.
  let stringStart = -1
  let stringEnd = -1
  let key: string | undefined
  let valueStart = -1
  for (let i = 0; i < buffer.length; i++) {
    switch (buffer[i]) {
      case QUOTE: {
        const end = stringLimit(buffer, i)
        if (end < 0) throw new GatewayError('invalid_json', { reason: 'unterminated string' })
        stringStart = i
        stringEnd = end
        i = end - 1
        break
      }
      case COLON:
        members++
        if (members > maxMembers) throw tooWide(maxMembers)
        if (depth === 1 && key === undefined && stringStart >= 0) {
          key = readKey(buffer, stringStart, stringEnd)
          valueStart = i + 1
        }
        break
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        depth++
        if (depth > maxDepth) throw new GatewayError('json_too_deep', { limit: maxDepth })
        members++
        if (members > maxMembers) throw tooWide(maxMembers)
        break
      case COMMA:
        if (depth === 1 && key !== undefined) {
          addSpan(spans, key, trimmed(buffer, valueStart, i), limits.uniqueKeys)
          key = undefined
        }
        break
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (depth === 1 && key !== undefined) {
          addSpan(spans, key, trimmed(buffer, valueStart, i), limits.uniqueKeys)
          key = undefined
        }
        depth--
        break
      default:
        break
    }
  }
  return spans
}

function tooWide(limit: number): GatewayError {
  return new GatewayError('json_too_wide', { limit })
}

/** How far a string is looked through byte by byte before the native search pays. */
const SHORT_STRING = 24

/** Index after the closing quote of the string that opens at `start`; -1 when there is none. */
function stringLimit(buffer: Buffer, start: number): number {
  let i = start + 1
  const near = Math.min(buffer.length, i + SHORT_STRING)
  for (; i < near; i++) {
    const byte = buffer[i]
    if (byte === QUOTE) return i + 1
    if (byte === BACKSLASH) i++
  }
  for (;;) {
    const quote = buffer.indexOf(QUOTE, i)
    if (quote < 0) return -1
    // An odd number of backslashes before it escapes the quote; none before `i` belongs to the run.
    let run = quote
    while (run > i && buffer[run - 1] === BACKSLASH) run--
    if ((quote - run) % 2 === 0) return quote + 1
    i = quote + 1
  }
}

/** The name between the quotes; its escapes decoded, as `model` may be spelt with them. */
function readKey(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end)
  if (!text.includes('\\')) return text.slice(1, -1)
  const name = parseText(text)
  return typeof name === 'string' ? name : text
}

function addSpan(spans: Map<string, Span>, key: string, span: Span, unique: boolean): void {
  if (unique && spans.has(key))
    throw new GatewayError('json_duplicate_key', { key: key.slice(0, 64) })
  spans.set(key, span)
}

function trimmed(buffer: Buffer, start: number, end: number): Span {
  let from = start
  let to = end
  while (from < to && isWhiteSpace(buffer[from])) from++
  while (to > from && isWhiteSpace(buffer[to - 1])) to--
  return [from, to]
}

function isWhiteSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
