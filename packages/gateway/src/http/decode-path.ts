import { percent } from './escape-path.ts'

// Escapes of these stay: decoded they would mean something else (kong.md §2.1).
const RESERVED = new Set(Buffer.from("!*'();:@&=+$,/?%#[]"))

/**
 * Decodes escapes once. Escapes of reserved characters stay, with upper-case digits; so do bytes that are not UTF-8,
 * which no text could stand for. A `%` without two digits stays as it is.
 *
 * @param raw one character per byte; characters beyond a byte count as their UTF-8.
 */
export function decodePath(raw: string): string {
  let decoded = ''
  let beyondAscii: number[] = []
  for (let i = 0; i < raw.length;) {
    const escape = readEscape(raw, i)
    const unit = escape < 0 ? (raw.codePointAt(i) ?? 0) : escape
    const width = escape < 0 ? (unit > 0xffff ? 2 : 1) : 3
    if (unit >= 0x80) {
      beyondAscii.push(...(unit > 0xff ? Buffer.from(String.fromCodePoint(unit)) : [unit]))
    } else {
      if (beyondAscii.length > 0) {
        decoded += decodeUtf8(beyondAscii)
        beyondAscii = []
      }
      const stays = escape >= 0 && RESERVED.has(unit)
      decoded += stays ? percent(unit) : String.fromCharCode(unit)
    }
    i += width
  }
  return beyondAscii.length > 0 ? decoded + decodeUtf8(beyondAscii) : decoded
}

/** The byte that the escape at `index` stands for, or -1. */
function readEscape(raw: string, index: number): number {
  if (raw.charCodeAt(index) !== 0x25) return -1
  const high = hexValue(raw.charCodeAt(index + 1))
  const low = hexValue(raw.charCodeAt(index + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexValue(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30
  const lower = unit | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function decodeUtf8(bytes: readonly number[]): string {
  let text = ''
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i)
    if (length === 0) {
      text += percent(bytes[i] ?? 0)
      i += 1
    } else {
      text += Buffer.from(bytes.slice(i, i + length)).toString()
      i += length
    }
  }
  return text
}

/** Length of the well-formed UTF-8 sequence beyond ASCII at `index`, or 0 (Unicode table 3-7). */
function sequenceLength(bytes: readonly number[], index: number): number {
  const lead = bytes[index] ?? 0
  const second = bytes[index + 1] ?? 0
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
  if (length === 0) return 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  for (let i = index + 2; i < index + length; i += 1) {
    const byte = bytes[i] ?? 0
    if (byte < 0x80 || byte > 0xbf) return 0
  }
  return length
}
