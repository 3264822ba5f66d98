import { readFileSync } from 'node:fs'

/** Above this share of the container's limit new requests are shed (F52). */
const SHED_SHARE = 0.85
/** Shedding ends here, well below where it began. */
const RESUME_SHARE = 0.8
const CHECK_MS = 250

export interface MemoryGuardOptions {
  /** The process's memory that the kernel cannot take back; injected by tests. */
  readonly readBytes?: () => number
  readonly checkMs?: number
}

/** Watches the process's memory against the container's limit. Without a limit it never sheds. */
export class MemoryGuard {
  readonly #timer: NodeJS.Timeout | undefined
  #shedding = false

  constructor(limitBytes: number | undefined, options: MemoryGuardOptions = {}) {
    if (limitBytes === undefined) return
    const { readBytes = readUnreclaimableBytes, checkMs = CHECK_MS } = options
    const check = (): void => {
      const share = readBytes() / limitBytes
      this.#shedding = share >= (this.#shedding ? RESUME_SHARE : SHED_SHARE)
    }
    this.#timer = setInterval(check, checkMs)
    this.#timer.unref()
  }

  get shedding(): boolean {
    return this.#shedding
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/**
 * Resident memory without mapped files. The program's own text is some 50 MB of resident memory that the kernel drops
 * and reads again as it likes: counted in, it would keep a small container shedding for ever.
 */
function readUnreclaimableBytes(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  const status = readFileSync('/proc/self/status', 'latin1')
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
  return (kilobytes('RssAnon') + kilobytes('RssShmem')) * 1024
}
