import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A declarative file in a folder of its own. */
export interface ConfigurationFile extends Disposable {
  readonly folder: string
  readonly path: string
  /** In place, as an editor or a shell's `>` does. */
  write(text: string): void
  /** By renaming, as careful writers do. */
  replace(text: string): void
}

export function createConfigurationFile(text: string): ConfigurationFile {
  const folder = mkdtempSync(join(tmpdir(), 'pratu-lifecycle-'))
  const path = join(folder, 'kong.yml')
  const write = (content: string): void => writeFileSync(path, content)
  write(text)
  return {
    folder,
    path,
    write,
    replace(content) {
      writeFileSync(`${path}.new`, content)
      renameSync(`${path}.new`, path)
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
