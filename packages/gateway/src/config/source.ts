import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { ConfigurationLocation } from './node-settings.ts'

/** One text of the configuration. */
export interface ConfigurationSource {
  /** The file's path as given, or `<string>`. */
  readonly name: string
  readonly text: string
  /** Without it JSON is tried first, then YAML, as Kong does with a string. */
  readonly format?: 'yaml' | 'json'
}

/** A configuration that cannot be read at all; the message names the path and what to do. */
export class ConfigurationUnreadable extends Error {
  override readonly name = 'ConfigurationUnreadable'
}

/**
 * Reads a file, or every `.yml`, `.yaml` and `.json` file of a directory in the order of their names. Names that start
 * with a dot are left out: in a mounted ConfigMap the real files live in `..data` and appear a second time as links.
 *
 * @throws {ConfigurationUnreadable} nothing there, no permission, or a type that is neither YAML nor JSON.
 */
export async function readConfigurationSources(
  location: ConfigurationLocation,
): Promise<readonly ConfigurationSource[]> {
  if (location.kind === 'text') return [{ name: '<string>', text: location.text }]
  const { path } = location
  const found = await attempt(path, () => stat(path))
  if (!found.isDirectory()) return [await readSource(path, formatOf(path))]
  const names = (await attempt(path, () => readdir(path)))
    .filter((name) => !name.startsWith('.') && /\.(?:ya?ml|json)$/.test(name))
    .toSorted()
  if (names.length === 0)
    throw new ConfigurationUnreadable(
      `${path} holds no configuration: a directory needs at least one .yml, .yaml or .json file`,
    )
  return Promise.all(names.map((name) => readSource(join(path, name), formatOf(name))))
}

function formatOf(path: string): 'yaml' | 'json' {
  if (path.endsWith('json')) return 'json'
  if (path.endsWith('yml') || path.endsWith('yaml')) return 'yaml'
  throw new ConfigurationUnreadable(`unknown file type: ${path}. (Accepted types: json, yaml)`)
}

async function readSource(path: string, format: 'yaml' | 'json'): Promise<ConfigurationSource> {
  return { name: path, text: await attempt(path, () => readFile(path, 'utf8')), format }
}

async function attempt<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new ConfigurationUnreadable(`cannot read ${path}: ${reason(error)}`, { cause: error })
  }
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such file or directory'
  if (code === 'EACCES') return 'this user may not read it'
  return error instanceof Error ? error.message : String(error)
}
