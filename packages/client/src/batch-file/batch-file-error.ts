import type { BadLine } from './input.ts'

/** The files do not allow the run; nothing was sent. `badLines` has the lines that are why, when they are. */
export class BatchFileError extends Error {
  override readonly name = 'BatchFileError'
  readonly badLines: readonly BadLine[]

  constructor(message: string, badLines: readonly BadLine[] = []) {
    super(message)
    this.badLines = badLines
  }
}
