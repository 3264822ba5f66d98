/** Above this share of the container's limit new requests are shed (F52). */
const SHED_SHARE = 0.85
/** Shedding ends here, well below where it began. */
const RESUME_SHARE = 0.8
const CHECK_MS = 250

/** Watches the process's resident memory against the container's limit. Without a limit it never sheds. */
export class MemoryGuard {
  readonly #timer: NodeJS.Timeout | undefined
  #shedding = false

  /** @param readBytes the process's resident memory; injected by tests. */
  constructor(
    limitBytes: number | undefined,
    readBytes: () => number = () => process.memoryUsage.rss(),
  ) {
    if (limitBytes === undefined) return
    const check = (): void => {
      const share = readBytes() / limitBytes
      this.#shedding = share >= (this.#shedding ? RESUME_SHARE : SHED_SHARE)
    }
    this.#timer = setInterval(check, CHECK_MS)
    this.#timer.unref()
  }

  get shedding(): boolean {
    return this.#shedding
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
