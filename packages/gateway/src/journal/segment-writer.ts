import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { SyncPolicy } from './journal.ts'
import type { JournalTarget } from './queued-journal.ts'
import type { SegmentKeeper } from './segment-keeper.ts'
import { SEGMENT_MS, segmentName } from './segments.ts'

export interface SegmentWriterOptions {
  readonly directory: string
  readonly sync: SyncPolicy
  /** No two writers that are alive may have the same name. */
  readonly writer: string
  /** A segment of this size is followed by the next. */
  readonly segmentBytes: number
  /** Epoch ms. */
  readonly now: () => number
  /** Removes what is too old; one writer of a process has it. */
  readonly keeper?: SegmentKeeper | undefined
}

/**
 * Appends lines to files of its own. Each batch is written at the place where the last one ended, so that one that fails
 * half-way is overwritten by its next try and no line is ever there twice (F57). Never appends to a file of an earlier
 * process: its last line may be torn.
 */
export class SegmentWriter implements JournalTarget {
  readonly place: string
  readonly #options: SegmentWriterOptions
  #file: FileHandle | undefined
  #beganAtMs = 0
  #bytes = 0
  #number = 0

  constructor(options: SegmentWriterOptions) {
    this.#options = options
    this.place = options.directory
  }

  async write(lines: readonly string[]): Promise<number> {
    const file = await this.#current()
    const bytes = Buffer.from(lines.join(''))
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await file.write(
        bytes,
        done,
        bytes.length - done,
        this.#bytes + done,
      )
      done += bytesWritten
    }
    if (this.#options.sync === 'always') await file.datasync()
    this.#bytes += bytes.length
    return lines.length
  }

  async #current(): Promise<FileHandle> {
    const { segmentBytes, now } = this.#options
    const isFull = this.#bytes >= segmentBytes || now() - this.#beganAtMs >= SEGMENT_MS
    if (this.#file !== undefined && !isFull) return this.#file
    await this.#end()
    return this.#begin()
  }

  async #begin(): Promise<FileHandle> {
    const { directory, writer, now, sync, keeper } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o750 })
    const beganAtMs = now()
    this.#number += 1
    const name = segmentName(beganAtMs, writer, this.#number)
    const file = await open(join(directory, name), 'wx', 0o640)
    this.#file = file
    this.#beganAtMs = beganAtMs
    this.#bytes = 0
    if (sync !== 'never') await syncDirectory(directory)
    keeper?.look()
    return file
  }

  async #end(): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    if (this.#options.sync !== 'never') await file.datasync()
    this.#file = undefined
    await file.close()
  }

  async sync(): Promise<void> {
    await this.#file?.datasync()
  }

  async close(): Promise<void> {
    this.#options.keeper?.stop()
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    try {
      // What a batch that failed left behind is not to be read as a record.
      await file.truncate(this.#bytes)
    } finally {
      await file.close()
    }
  }
}

/** A new name is safe only when its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
