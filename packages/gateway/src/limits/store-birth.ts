import type { Meter } from '@pratu/plugin-kit'
import { RedisUnavailable } from '../redis/index.ts'
import { BIRTH, CLAIM } from './redis-scripts.ts'
import type { ScriptRunner } from './script-runner.ts'

const KEY = 'pratu:birth'
/** How soon a Redis that was emptied without a restart is noticed. */
const LOOK_MS = 2_000
/** Longer than any window. */
const CLAIMED_MS = 400 * 24 * 60 * 60 * 1_000

/** A Redis that knows nothing from before its birth. */
export interface BornStore {
  /** Epoch ms, by its own clock. */
  readonly bornAtMs: number
  /** Whether it is where a meter counts. */
  counts(meter: Meter): boolean
  /**
   * Of all who can count again what a source has used before the birth, one does.
   *
   * @returns whether it is the caller. @throws {RedisUnavailable}
   */
  claim(source: string): Promise<boolean>
}

export interface StoreBirthOptions {
  readonly connection: ScriptRunner
  /** Told of every birth but the first that is heard of. */
  readonly onReborn: () => void
  /** Told each time that Redis was found to be there, a birth having been told before. */
  readonly onFound: () => void
}

/**
 * Knows whether Redis still remembers what it was told: a key without an end of life says since when it does. Where it is
 * missing Redis has been emptied, or was another one all along. In a cluster one node speaks for all.
 */
export class StoreBirth {
  readonly #options: StoreBirthOptions
  readonly #listeners: ((bornAtMs: number) => void)[] = []
  readonly #timer: NodeJS.Timeout
  #bornAtMs: number | undefined
  #isDenied = false

  constructor(options: StoreBirthOptions) {
    this.#options = options
    options.connection.onUp(() => void this.#look())
    this.#timer = setInterval(() => void this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /** `undefined` until Redis was asked. */
  get bornAtMs(): number | undefined {
    return this.#bornAtMs
  }

  /** Whether anybody is told. */
  get isHeard(): boolean {
    return this.#listeners.length > 0
  }

  /** Told of the present birth, when it is known, and of every later one. */
  onBirth(listener: (bornAtMs: number) => void): void {
    this.#listeners.push(listener)
    if (this.#bornAtMs !== undefined) listener(this.#bornAtMs)
  }

  /** As in `BornStore`. */
  async claim(bornAtMs: number, source: string): Promise<boolean> {
    const key = `pratu:rebuilt:${bornAtMs}:${source}`
    return (await this.#options.connection.evaluate(CLAIM, [key], [CLAIMED_MS])) === 1
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const { connection, onReborn, onFound } = this.#options
    if (this.#isDenied) onFound()
    if (!connection.isUp || this.#isDenied) return
    try {
      const bornAtMs = Number(await connection.evaluate(BIRTH, [KEY], []))
      if (bornAtMs !== this.#bornAtMs) {
        const isFirst = this.#bornAtMs === undefined
        this.#bornAtMs = bornAtMs
        if (!isFirst) onReborn()
        for (const listener of this.#listeners) listener(bornAtMs)
      }
      onFound()
    } catch (error) {
      // The connection tells the log that Redis is away; it is asked again when it is back.
      if (!isDenied(error)) return
      // Who may not ask is not to be taken for a Redis that fails.
      this.#isDenied = true
      this.stop()
      onFound()
    }
  }
}

function isDenied(error: unknown): boolean {
  const cause = error instanceof RedisUnavailable ? error.cause : error
  return cause instanceof Error && cause.message.includes('NOPERM')
}
