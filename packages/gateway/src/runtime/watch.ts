import { readdir, stat } from 'node:fs/promises'
import { watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'

export interface WatchOptions {
  /** A file, or a folder whose files are merged. */
  readonly path: string
  /** How long the files must stand still before they are read, ms: a writer may truncate first and write slowly. */
  readonly settleMs?: number
  /** Events can be lost (network file systems, symlink swaps): look at least this often, ms. */
  readonly pollMs?: number
  onChange(): void
}

const DEFAULT_SETTLE_MS = 200
const DEFAULT_POLL_MS = 1000

/** Tells when the configuration's files changed and have come to rest (F56). */
export class ConfigurationWatch {
  readonly #options: Required<WatchOptions>
  readonly #poll: NodeJS.Timeout
  #watchers: FSWatcher[] = []
  #seen: string | undefined
  #candidate: string | undefined
  #settle: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: WatchOptions) {
    this.#options = { settleMs: DEFAULT_SETTLE_MS, pollMs: DEFAULT_POLL_MS, ...options }
    this.#poll = setInterval(this.#look, this.#options.pollMs)
    this.#poll.unref()
    void this.#begin()
  }

  async #begin(): Promise<void> {
    this.#seen = await fingerprint(this.#options.path)
    if (this.#closed) return
    // A ConfigMap's files never change: the `..data` link beside them is replaced, so the folder is watched.
    for (const folder of new Set([dirname(this.#options.path), this.#options.path])) {
      try {
        const watcher = watch(folder, { persistent: false }, this.#look)
        watcher.on('error', () => watcher.close())
        this.#watchers.push(watcher)
      } catch {
        // Not watchable here (not a folder, too many watches): polling sees the change a little later.
        continue
      }
    }
  }

  readonly #look = (): void => {
    if (this.#settle !== undefined || this.#closed) return
    this.#settle = setTimeout(this.#compare, this.#options.settleMs)
    this.#settle.unref()
  }

  readonly #compare = (): void => {
    void this.#compareNow()
  }

  /** Applies a change only when two looks in a row, `settleMs` apart, see the same files. */
  async #compareNow(): Promise<void> {
    const now = await fingerprint(this.#options.path)
    this.#settle = undefined
    if (this.#closed || now === undefined || now === this.#seen) {
      this.#candidate = undefined
      return
    }
    if (now !== this.#candidate) {
      this.#candidate = now
      this.#look()
      return
    }
    this.#seen = now
    this.#candidate = undefined
    this.#options.onChange()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#settle)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }
}

/** What changes when any file behind `path` does; `undefined` while there is none to read. */
async function fingerprint(path: string): Promise<string | undefined> {
  try {
    const facts = await stat(path)
    if (!facts.isDirectory()) return `${facts.ino} ${facts.size} ${facts.mtimeMs}`
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort()
    const parts = await Promise.all(names.map((name) => fingerprint(`${path}/${name}`)))
    return names.map((name, i) => `${name} ${parts[i] ?? '-'}`).join('\n')
  } catch {
    return undefined
  }
}
