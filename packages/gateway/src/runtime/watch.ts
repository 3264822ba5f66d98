import { watch, type FSWatcher } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readDigest } from './source-digest.ts'

export interface WatchOptions {
  /** A file, or a folder whose files are merged. */
  readonly path: string
  /** Digest of what was read when the watch begins; see `readDigest`. */
  readonly seen: string | undefined
  readonly timings?: Partial<WatchTimings>
  /** What stands there is not what was seen last, and has come to rest. Files that are gone count as well. */
  onChange(): void
}

export interface WatchTimings {
  /** Between two looks at files that are changing. */
  readonly lookMs: number
  /** Between two looks while nobody tells of changes: network file systems and symlinks do not. */
  readonly pollMs: number
  /** Files that were put in place whole, by renaming or by a symlink, are read after this long without a change. */
  readonly replacedQuietMs: number
  /** Files that are being written, perhaps slowly, after this long. */
  readonly writtenQuietMs: number
}

const TIMINGS: WatchTimings = {
  lookMs: 100,
  pollMs: 500,
  replacedQuietMs: 200,
  writtenQuietMs: 1000,
}

/** What a look sees without reading. */
interface Looks {
  /** Changes when a file is replaced by another. */
  readonly identity: string
  /** Changes with every write. */
  readonly state: string
}

interface Change {
  readonly digest: string
  readonly sinceMs: number
  readonly quietMs: number
}

/**
 * Tells when the configuration has changed and come to rest (F56). Contents decide: a touch is no change. A writer may
 * truncate first and write slowly, and half a file can be a valid configuration; so nothing is told before the contents
 * have stood still.
 */
export class ConfigurationWatch {
  readonly #path: string
  readonly #timings: WatchTimings
  readonly #onChange: () => void
  readonly #poll: NodeJS.Timeout
  readonly #watchers: FSWatcher[] = []
  #seen: string | undefined
  #looks: Looks | undefined
  #change: Change | undefined
  #next: NodeJS.Timeout | undefined
  #looking = false
  #closed = false

  constructor(options: WatchOptions) {
    this.#path = options.path
    this.#seen = options.seen
    this.#timings = { ...TIMINGS, ...options.timings }
    this.#onChange = () => options.onChange()
    this.#poll = setInterval(() => this.#lookIn(0), this.#timings.pollMs)
    this.#poll.unref()
    // A ConfigMap's files never change: the `..data` link beside them is replaced, so the folder is watched.
    for (const folder of new Set([dirname(this.#path), this.#path])) this.#watch(folder)
    this.#lookIn(0)
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#lookIn(this.#timings.lookMs))
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // Not watchable here (not a folder, too many watches): polling sees the change a little later.
      return
    }
  }

  /** However many events come, there is one look at a time. */
  #lookIn(ms: number): void {
    if (this.#next !== undefined || this.#looking || this.#closed) return
    this.#next = setTimeout(() => void this.#look(), ms)
    this.#next.unref()
  }

  async #look(): Promise<void> {
    this.#next = undefined
    this.#looking = true
    const again = await this.#compare()
    this.#looking = false
    if (again) this.#lookIn(this.#timings.lookMs)
  }

  /** @returns whether to look again soon. */
  async #compare(): Promise<boolean> {
    const looks = await look(this.#path)
    const before = this.#looks
    const moved = before?.identity !== looks.identity || before.state !== looks.state
    if (!moved && this.#change === undefined) return false
    this.#looks = looks
    const digest = moved ? await readDigest(this.#path) : this.#change?.digest
    if (this.#closed || digest === undefined) return false
    if (digest === this.#seen) {
      this.#change = undefined
      return false
    }
    const nowMs = performance.now()
    if (this.#change?.digest !== digest) {
      const { replacedQuietMs, writtenQuietMs } = this.#timings
      const replaced = before !== undefined && before.identity !== looks.identity
      this.#change = {
        digest,
        sinceMs: nowMs,
        quietMs: replaced ? replacedQuietMs : writtenQuietMs,
      }
      return true
    }
    if (nowMs - this.#change.sinceMs < this.#change.quietMs) return true
    this.#seen = digest
    this.#change = undefined
    this.#onChange()
    return false
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#next)
    for (const watcher of this.#watchers) watcher.close()
  }
}

async function look(path: string): Promise<Looks> {
  try {
    const facts = await stat(path)
    if (!facts.isDirectory()) {
      return {
        identity: `${facts.dev} ${facts.ino}`,
        state: `${facts.size} ${facts.mtimeMs} ${facts.ctimeMs}`,
      }
    }
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).toSorted()
    const files = await Promise.all(names.map((name) => look(`${path}/${name}`)))
    return {
      identity: files.map(({ identity }, index) => `${names[index] ?? ''} ${identity}`).join('\n'),
      state: files.map(({ state }) => state).join('\n'),
    }
  } catch {
    // Gone, or not to be read: reading it will say so.
    return { identity: 'none', state: 'none' }
  }
}
