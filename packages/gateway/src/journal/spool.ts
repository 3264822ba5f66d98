import { mkdirSync, openSync, writeSync, fsyncSync, closeSync, renameSync } from 'node:fs'
import { readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Lines that a process could not send before its end. */
export interface Spool {
  readonly writer: string
  /** Number of the batch that comes next. */
  readonly batch: number
  /** How many of the first lines were sent in that batch without an answer. */
  readonly unanswered: number
  /** Each with its line feed. */
  readonly lines: readonly string[]
}

const NAME = /^spool-[\w.-]+\.jsonl$/

/**
 * Synchronous: it is called when a process ends. A reader never sees a part of it.
 *
 * @throws {Error} the system's.
 */
export function writeSpool(directory: string, { lines, ...head }: Spool): void {
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  const path = join(directory, `spool-${head.writer.replaceAll(/[^\w.-]/g, '_')}.jsonl`)
  const file = openSync(`${path}.part`, 'w', 0o640)
  try {
    writeSync(file, `${JSON.stringify(head)}\n${lines.join('')}`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.part`, path)
}

/** @returns the paths of spools that wait; none when there is no such directory. */
export async function listSpools(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(directory)
    return names.filter((name) => NAME.test(name)).map((name) => join(directory, name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** @returns `undefined` when it is no spool. @throws {Error} the system's. */
export async function readSpool(path: string): Promise<Spool | undefined> {
  const [first = '', ...lines] = (await readFile(path, 'utf8')).split('\n')
  const head = parseHead(first)
  if (head === undefined) return undefined
  // After the last line feed stands nothing.
  return { ...head, lines: lines.slice(0, -1).map((line) => `${line}\n`) }
}

export function removeSpool(path: string): Promise<void> {
  return unlink(path)
}

function parseHead(text: string): Omit<Spool, 'lines'> | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { writer, batch, unanswered }: Partial<Record<string, unknown>> = { ...parsed }
  const isHead =
    typeof writer === 'string' && typeof batch === 'number' && typeof unanswered === 'number'
  return isHead ? { writer, batch, unanswered } : undefined
}
