import { normalisePath as normaliseRawPath } from '../http/index.ts'

/** Kong's normal form of a configured path that starts with `/` (kong.md §2.1). */
export function normalisePath(path: string): string {
  // Requests arrive with one character per byte; the file is text.
  return normaliseRawPath(Buffer.from(path).toString('latin1'), 'kong') ?? path
}
