import { createHash } from 'node:crypto'
import {
  ConfigurationUnreadable,
  readConfigurationSources,
  type ConfigurationSource,
} from '../config/index.ts'

/** Changes with the name or the text of any source. */
export function digestOf(sources: readonly ConfigurationSource[]): string {
  const hash = createHash('sha256')
  for (const { name, text } of sources) hash.update(`${name}\0${text.length}\0`).update(text)
  return hash.digest('base64url')
}

/** Of what can be read at `path` right now; what cannot be read has a digest as well, by the reason. */
export async function readDigest(path: string): Promise<string> {
  try {
    return digestOf(await readConfigurationSources({ kind: 'path', path }))
  } catch (error) {
    if (error instanceof ConfigurationUnreadable) return `unreadable: ${error.message}`
    throw error
  }
}
