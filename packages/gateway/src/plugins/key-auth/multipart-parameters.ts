import { REPEATED, type Parameters } from './parameters.ts'

const NAME = /;[ \t]*name=(?:"([^"]*)"|([^;"\s]+))/i
/** RFC 2046 §5.1.1: what a boundary may hold. */
const BOUNDARY =
  /;[ \t]*boundary=(?:"([0-9A-Za-z'()+_,\-./:=? ]{1,70})"|([0-9A-Za-z'()+_,\-./:=?]{1,70}))/i

interface Part {
  readonly name: string
  readonly value: string
  /** From its boundary to the next. */
  readonly start: number
  readonly end: number
}

/** The parts of a `multipart/form-data` body, or `undefined` when the type names no boundary. */
export function multipartParameters(
  contentType: string,
  bytes: Uint8Array,
): Parameters<Uint8Array> | undefined {
  const match = BOUNDARY.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) return undefined
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts = readParts(body, `--${boundary}`)
  return {
    value(name) {
      const found = parts.filter((part) => part.name === name)
      return found.length > 1 ? REPEATED : found[0]?.value
    },
    without(name) {
      const found = parts.filter((part) => part.name === name)
      if (found.length === 0) return undefined
      const kept: Uint8Array[] = []
      let at = 0
      for (const { start, end } of found) {
        kept.push(body.subarray(at, start))
        at = end
      }
      kept.push(body.subarray(at))
      return Buffer.concat(kept)
    },
  }
}

function readParts(body: Buffer, delimiter: string): readonly Part[] {
  const parts: Part[] = []
  let start = delimiterAt(body, delimiter, 0)
  while (start >= 0) {
    const end = delimiterAt(body, delimiter, start + delimiter.length)
    if (end < 0) break
    const headersEnd = body.indexOf('\r\n\r\n', start, 'latin1')
    if (headersEnd >= 0 && headersEnd < end) {
      const header = NAME.exec(body.toString('latin1', start + delimiter.length, headersEnd))
      const name = header?.[1] ?? header?.[2]
      const value = body.toString('utf8', headersEnd + 4, Math.max(headersEnd + 4, end - 2))
      if (name !== undefined) parts.push({ name, value, start, end })
    }
    start = end
  }
  return parts
}

/** A delimiter stands at the beginning of a line. */
function delimiterAt(body: Buffer, delimiter: string, from: number): number {
  let at = body.indexOf(delimiter, from, 'latin1')
  while (at > 0 && !(body[at - 1] === 0x0a && body[at - 2] === 0x0d)) {
    at = body.indexOf(delimiter, at + 1, 'latin1')
  }
  return at
}
