import type { JsonDocument } from '@pratu/plugin-kit'
import { REPEATED, type ParameterValue, type Parameters } from './parameters.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a

/** The top-level members of a JSON object. */
export function jsonParameters(
  document: JsonDocument,
  bytes: Uint8Array,
): Parameters<Uint8Array> | undefined {
  const { value } = document
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const members = new Map<string, unknown>(Object.entries(value))
  return {
    value: (name) => textOf(members.get(name)),
    without(name) {
      const found = members.has(name) ? document.span(name) : undefined
      return found === undefined ? undefined : cutMember(bytes, found)
    },
  }
}

function textOf(value: unknown): ParameterValue {
  if (typeof value === 'string') return value
  return typeof value === 'object' && value !== null ? REPEATED : undefined
}

/** Cuts one member out of the text, with the comma that belongs to it, and changes nothing else. */
function cutMember(
  bytes: Uint8Array,
  [valueStart, valueEnd]: readonly [number, number],
): Uint8Array {
  const colon = skipBack(bytes, valueStart - 1)
  const keyEnd = skipBack(bytes, colon - 1)
  const keyStart = bytes.lastIndexOf(QUOTE, keyEnd - 1)
  if (bytes[colon] !== COLON || bytes[keyEnd] !== QUOTE || keyStart < 0) {
    throw new Error('the span of a JSON member is not preceded by its name')
  }
  const after = skip(bytes, valueEnd)
  if (bytes[after] === COMMA) return cut(bytes, keyStart, after + 1)
  const before = skipBack(bytes, keyStart - 1)
  return cut(bytes, bytes[before] === COMMA ? before : keyStart, valueEnd)
}

function cut(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const kept = new Uint8Array(bytes.length - (end - start))
  kept.set(bytes.subarray(0, start))
  kept.set(bytes.subarray(end), start)
  return kept
}

function skip(bytes: Uint8Array, at: number): number {
  let i = at
  while (isSpace(bytes[i])) i++
  return i
}

function skipBack(bytes: Uint8Array, at: number): number {
  let i = at
  while (isSpace(bytes[i])) i--
  return i
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}
