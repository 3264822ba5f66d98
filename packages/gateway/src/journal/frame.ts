import { crc32 } from 'node:zlib'
import type { FieldRule } from '../observe/index.ts'
import { parseRecord, recordText } from './record-text.ts'
import type { UsageRecord } from './usage-record.ts'

/** `,"crc":"0a1b2c3d"}` and the line feed. */
const SEAL_BYTES = 19
const SEAL = Buffer.from(',"crc":"')
const LINE_FEED = 0x0a

/**
 * One record as a line of JSON. Its last member is the CRC-32 of everything before it, so that a line that was cut off or
 * damaged is told from a whole one, and any program that reads JSON lines can read the rest.
 */
export function toLine(record: UsageRecord, rule: FieldRule): string {
  const text = recordText(record, rule)
  return `${text},"crc":"${checksum(text)}"}\n`
}

function checksum(text: string | Uint8Array): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/**
 * @param line with its line feed.
 * @returns whether it is as it was written.
 */
export function isWhole(line: Buffer): boolean {
  const start = line.length - SEAL_BYTES
  if (start < 1 || line[line.length - 1] !== LINE_FEED) return false
  if (SEAL.compare(line, start, start + SEAL.length) !== 0) return false
  const sealed = line.toString('latin1', start + SEAL.length, line.length - 3)
  return sealed === checksum(line.subarray(0, start))
}

/** @returns `undefined` for a line that is torn, damaged, or of a format that we do not know. */
export function parseLine(line: Buffer): UsageRecord | undefined {
  return isWhole(line) ? parseRecord(line.toString('utf8')) : undefined
}
