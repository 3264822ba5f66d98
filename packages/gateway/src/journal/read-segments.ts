import { open, type FileHandle } from 'node:fs/promises'
import { isWhole, parseLine } from './frame.ts'
import { listSegments } from './segments.ts'
import type { UsageRecord } from './usage-record.ts'

/** What was found beside records. */
export interface ReadingReport {
  readonly segments: number
  readonly records: number
  /** Ends of files that were cut off: what was being written when a process or a machine died. */
  readonly torn: number
  /** Lines that are not as they were written, or of a format that this version does not know. */
  readonly damaged: number
}

export interface ReadingOptions {
  /** Older records are left out, epoch ms. */
  readonly sinceMs?: number
  /** Only records with such a member: the others are not even parsed. */
  readonly only?: 'charges' | 'resets'
}

const CHUNK_BYTES = 1024 * 1024
const LINE_FEED = 0x0a
const MEMBERS = { charges: Buffer.from('"charges":['), resets: Buffer.from('"resets":[') }

/**
 * Reads a journal's directory, the oldest segment first. A torn or damaged line is counted and left out; the rest is read.
 *
 * @throws {Error} the system's, when the directory or a file cannot be read.
 */
export async function readSegments(
  directory: string,
  onRecord: (record: UsageRecord) => void,
  { sinceMs = 0, only }: ReadingOptions = {},
): Promise<ReadingReport> {
  const report = { segments: 0, records: 0, torn: 0, damaged: 0 }
  const wanted = only === undefined ? undefined : MEMBERS[only]
  const take = (line: Buffer): void => {
    if (wanted !== undefined && !line.includes(wanted)) {
      if (!isWhole(line)) report.damaged += 1
      return
    }
    const record = parseLine(line)
    if (record === undefined) report.damaged += 1
    else if (record.atMs >= sinceMs) {
      report.records += 1
      onRecord(record)
    }
  }
  for (const { path, endedAtMs } of await listSegments(directory)) {
    if (endedAtMs < sinceMs) continue
    report.segments += 1
    if (await readLines(path, take)) report.torn += 1
  }
  return report
}

/** @returns whether something without a line feed stands at the end. */
async function readLines(path: string, onLine: (line: Buffer) => void): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    return await readLinesOf(file, onLine)
  } finally {
    await file.close()
  }
}

async function readLinesOf(file: FileHandle, onLine: (line: Buffer) => void): Promise<boolean> {
  let rest: Buffer = Buffer.alloc(0)
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES)
    if (bytesRead === 0) return rest.length > 0
    const chunk = buffer.subarray(0, bytesRead)
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      onLine(bytes.subarray(start, end + 1))
      start = end + 1
    }
    rest = bytes.subarray(start)
  }
}
