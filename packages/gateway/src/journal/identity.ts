import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const NAME = 'journal-id'

/**
 * What tells a journal's directory from any other, wherever it is mounted.
 *
 * @throws {Error} the system's, when it can neither be read nor written.
 */
export async function identityOf(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o750 })
  const path = join(directory, NAME)
  try {
    const id = randomUUID()
    await writeFile(path, id, { flag: 'wx', mode: 0o640 })
    return id
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      return (await readFile(path, 'utf8')).trim()
    throw error
  }
}
