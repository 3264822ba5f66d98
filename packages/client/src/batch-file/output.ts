import { open, type FileHandle } from 'node:fs/promises'
import { fieldOf, parseJson, textOf } from '../json.ts'
import { BatchFileError } from './batch-file-error.ts'
import { readLines } from './input.ts'

/** When what was written is forced onto the disk: a killed process loses nothing either way, a machine that fails may. */
export type SyncPolicy = 'always' | 'interval' | 'never'

const NEWLINE = 10
const CHUNK_BYTES = 64 * 1_024

/**
 * Cuts a last line without its end, which a process killed while it wrote has left.
 *
 * @returns how many bytes were cut.
 */
export async function repairTail(path: string): Promise<number> {
  const file = await open(path, 'a+')
  try {
    const { size } = await file.stat()
    const keep = await endOfLastLine(file, size)
    if (keep < size) await file.truncate(keep)
    return size - keep
  } finally {
    await file.close()
  }
}

async function endOfLastLine(file: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(CHUNK_BYTES)
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - CHUNK_BYTES)
    const { bytesRead } = await file.read(buffer, 0, end - start, start)
    const at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE)
    if (at !== -1) return start + at + 1
    end = start
  }
  return 0
}

/**
 * Which items an output file has answers of: id → hash of the line that was answered, where it is known.
 *
 * @throws {BatchFileError} for a line that is no answer of a batch: the file is something else, and is left alone.
 */
export async function readAnswered(path: string): Promise<Map<string, string | undefined>> {
  const answered = new Map<string, string | undefined>()
  for await (const { line, text } of readLines(path)) {
    const record = parseJson(text)
    const id = textOf(record, 'custom_id')
    if (id === undefined || fieldOf(record, 'response') === undefined) {
      throw new BatchFileError(
        `${path}:${line} is not an answer of a batch, so nothing is added to this file; give another output`,
      )
    }
    answered.set(id, textOf(record, 'request_hash'))
  }
  return answered
}

/** Appends lines, each whole; those that come while one is written go together. */
export class LineWriter {
  readonly #file: FileHandle
  readonly #sync: SyncPolicy
  #pending: string[] = []
  #writing: Promise<void> | undefined
  #isDirty = false
  readonly #timer: NodeJS.Timeout | undefined
  #failure: { readonly error: unknown } | undefined

  private constructor(file: FileHandle, sync: SyncPolicy, intervalMs: number) {
    this.#file = file
    this.#sync = sync
    if (sync === 'interval') {
      this.#timer = setInterval(() => {
        this.#syncNow().catch((error: unknown) => {
          this.#failure ??= { error }
        })
      }, intervalMs)
      this.#timer.unref()
    }
  }

  static async open(path: string, flags: 'a' | 'w', sync: SyncPolicy): Promise<LineWriter> {
    return new LineWriter(await open(path, flags), sync, 1_000)
  }

  /** Resolves when the line is in the file. @throws what writing threw, then and ever after. */
  async write(line: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#pending.push(line)
    // Who comes while a write is under way waits for that one and then for the next, which has all that waited.
    while (this.#writing !== undefined) await this.#writing
    if (this.#pending.length === 0) return
    this.#writing = this.#flush()
    await this.#writing
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    try {
      while (this.#writing !== undefined) await this.#writing
      if (this.#sync !== 'never') await this.#syncNow()
    } finally {
      await this.#file.close()
    }
  }

  async #flush(): Promise<void> {
    const text = this.#pending.splice(0).join('')
    try {
      await this.#file.appendFile(text)
      this.#isDirty = true
      if (this.#sync === 'always') await this.#syncNow()
    } catch (error) {
      this.#failure ??= { error }
      throw error
    } finally {
      this.#writing = undefined
    }
  }

  async #syncNow(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    await this.#file.datasync()
  }
}
