import type { Logger } from '../observe/index.ts'
import { pruneSegments, type Retention } from './segments.ts'

export interface SegmentKeeperOptions {
  readonly directory: string
  readonly retention: Retention
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** How often it looks, ms. */
  readonly lookMs?: number
}

const LOOK_MS = 600_000

/** Keeps a journal's directory within its size and age. */
export class SegmentKeeper {
  readonly #options: SegmentKeeperOptions
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> | undefined
  #failed = false

  constructor(options: SegmentKeeperOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.look(), options.lookMs ?? LOOK_MS)
    this.#timer.unref()
    this.look()
  }

  look(): void {
    this.#looking ??= this.#prune().finally(() => {
      this.#looking = undefined
    })
  }

  /** Resolves when nothing is being removed. */
  async settled(): Promise<void> {
    await this.#looking
  }

  async #prune(): Promise<void> {
    const { directory, retention, now, logger } = this.#options
    try {
      const removed = await pruneSegments(directory, retention, now())
      this.#failed = false
      if (removed.length === 0) return
      logger.info('old usage records were removed', {
        journal: directory,
        segments: removed.map(({ name }) => name),
      })
    } catch (error) {
      if (!this.#failed) {
        logger.error('old usage records cannot be removed', { journal: directory, error })
      }
      this.#failed = true
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
