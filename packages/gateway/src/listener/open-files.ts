import { readFileSync } from 'node:fs'

const SOFT_LIMIT = /^Max open files\s+(\d+)/m

/**
 * How many files this process may have open; `undefined` where the system does not say (it does on Linux) or sets no
 * limit. For {@link ListenerOptions.openFiles}.
 */
export function readOpenFilesLimit(): number | undefined {
  try {
    const soft = SOFT_LIMIT.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}
