import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** One file of a journal. */
export interface Segment {
  readonly path: string
  readonly name: string
  /** Who wrote it. */
  readonly writer: string
  /** When its first record was written, epoch ms. */
  readonly startedAtMs: number
  /** When its last record was written, epoch ms. */
  readonly endedAtMs: number
  readonly bytes: number
}

const NAME = /^usage-(\d{13})-([\w.-]+)-\d+\.jsonl$/

/** @param writer who writes it: no two that are alive may have the same. */
export function segmentName(startedAtMs: number, writer: string, number: number): string {
  const who = writer.replaceAll(/[^\w.-]/g, '_')
  return `usage-${String(Math.floor(startedAtMs)).padStart(13, '0')}-${who}-${number}.jsonl`
}

/**
 * @returns the oldest first; none when there is no such directory.
 * @throws {Error} the system's, when the directory cannot be read.
 */
export async function listSegments(directory: string): Promise<readonly Segment[]> {
  const segments: Segment[] = []
  for (const name of await namesIn(directory)) {
    const [, started, writer] = NAME.exec(name) ?? []
    if (started === undefined || writer === undefined) continue
    const startedAtMs = Number(started)
    const path = join(directory, name)
    const found = await statOf(path)
    if (found === undefined) continue
    segments.push({ path, name, writer, startedAtMs, endedAtMs: found.mtimeMs, bytes: found.size })
  }
  return segments.toSorted((a, b) => a.startedAtMs - b.startedAtMs || (a.name < b.name ? -1 : 1))
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** @returns `undefined` when somebody has removed it in the meantime. */
async function statOf(path: string): Promise<{ mtimeMs: number; size: number } | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export interface Retention {
  /** Of all segments together. */
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/** A segment that is so old is not written to any more: its writer begins the next. */
export const SEGMENT_MS = 86_400_000

/** A write that had begun just before, and clocks. */
const MARGIN_MS = 3_600_000

/**
 * Removes what is too old, then the oldest until the rest fits. What may still be written to stays, whatever its size: the
 * newest segment of each writer.
 *
 * @returns what was removed.
 * @throws {Error} the system's.
 */
export async function pruneSegments(
  directory: string,
  { maxBytes, maxAgeMs }: Retention,
  nowMs: number,
): Promise<readonly Segment[]> {
  const segments = await listSegments(directory)
  const newest = new Map(segments.map((segment) => [segment.writer, segment]))
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const removed: Segment[] = []
  for (const segment of segments) {
    const isYoung = nowMs - segment.startedAtMs <= SEGMENT_MS + MARGIN_MS
    if (isYoung && newest.get(segment.writer) === segment) continue
    if (bytes <= maxBytes && nowMs - segment.endedAtMs <= maxAgeMs) continue
    await remove(segment.path)
    bytes -= segment.bytes
    removed.push(segment)
  }
  return removed
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
