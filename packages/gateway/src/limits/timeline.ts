import { uptime } from 'node:os'
import type { Clock } from '@pratu/plugin-kit'

/** How fast this time approaches the wall clock, ms per second: no window is more than 1 % shorter or longer. */
const SLEW_MS_PER_SECOND = 10
/** A wall clock that is this far ahead was not set when the process started, and is believed at once. */
const UNSET_CLOCK_MS = 30 * 86_400_000

/** The words of shared memory that keep all threads of a process at the same time. */
export interface TimelineWords {
  /** 64 bits, ms: what to add to the machine's monotonic time; 0 = not started. */
  readonly offset: BigInt64Array
  /** Machine second of the last look at the wall clock; 0 = never. */
  readonly lookedAt: Int32Array
  /** Seconds that the machine was asleep since it booted, as far as accounted for, plus 1; 0 = not started. */
  readonly asleep: Int32Array
}

export interface TimelineOptions {
  readonly clock: Clock
  readonly words: TimelineWords
  /** Monotonic milliseconds with the same origin in every thread, unlike `performance.now()`. */
  readonly machineMs?: () => number
  /** Milliseconds since the machine booted, time asleep included. */
  readonly uptimeMs?: () => number
}

/**
 * The time that limit windows run on: the wall clock at the start, carried on by the monotonic clock (fault F59).
 *
 * When the wall clock jumps, in either direction, this time does not, so that no window ends early, opens twice or lasts
 * for hours; the difference is worn off by 1 % of the time that passes. A jump forwards because the machine was asleep
 * is followed at once, since that time did pass. All threads that share the words agree, also one that starts later.
 */
export class Timeline {
  readonly #clock: Clock
  readonly #words: TimelineWords
  readonly #uptimeMs: () => number
  /** From this thread's monotonic time to the machine's. */
  readonly #alignmentMs: number
  #lookAtMs = 0

  constructor(options: TimelineOptions) {
    const { clock, words, machineMs = hrtimeMs, uptimeMs = () => uptime() * 1_000 } = options
    this.#clock = clock
    this.#words = words
    this.#uptimeMs = uptimeMs
    this.#alignmentMs = machineMs() - clock.monotonic()
    const startedMs = this.#machineMs()
    Atomics.compareExchange(words.offset, 0, 0n, BigInt(Math.round(clock.now() - startedMs)))
    Atomics.compareExchange(words.asleep, 0, 0, this.#asleepSeconds(startedMs) + 1)
    Atomics.compareExchange(words.lookedAt, 0, 0, Math.floor(startedMs / 1_000))
  }

  /** Whole epoch milliseconds. */
  now(): number {
    const machineMs = this.#machineMs()
    if (machineMs >= this.#lookAtMs) this.#approachWallClock(machineMs)
    return Math.floor(machineMs + Number(Atomics.load(this.#words.offset, 0)))
  }

  #machineMs(): number {
    return this.#clock.monotonic() + this.#alignmentMs
  }

  /** Once per second, by whichever thread comes first. */
  #approachWallClock(machineMs: number): void {
    this.#lookAtMs = machineMs + 1_000
    const second = Math.floor(machineMs / 1_000)
    const lookedAt = Atomics.load(this.#words.lookedAt, 0)
    if (second <= lookedAt) return
    if (Atomics.compareExchange(this.#words.lookedAt, 0, lookedAt, second) !== lookedAt) return

    const offset = Atomics.load(this.#words.offset, 0)
    const gapMs = this.#clock.now() - machineMs - Number(offset)
    const slewMs = (second - lookedAt) * SLEW_MS_PER_SECOND
    let stepMs = Math.max(-slewMs, Math.min(slewMs, gapMs))
    if (gapMs > UNSET_CLOCK_MS) stepMs = gapMs
    else if (gapMs > slewMs) stepMs = Math.min(gapMs, slewMs + this.#newlyAsleepMs(machineMs))
    const target = offset + BigInt(Math.round(stepMs))
    Atomics.compareExchange(this.#words.offset, 0, offset, target)
  }

  #newlyAsleepMs(machineMs: number): number {
    const accounted = Atomics.load(this.#words.asleep, 0)
    const asleep = this.#asleepSeconds(machineMs) + 1
    // One second more or less is rounding, and is soon worn off.
    if (asleep - accounted < 2) return 0
    Atomics.store(this.#words.asleep, 0, asleep)
    return (asleep - accounted) * 1_000
  }

  /** The monotonic clock stands still while the machine is asleep, the uptime does not. */
  #asleepSeconds(machineMs: number): number {
    return Math.max(0, Math.round((this.#uptimeMs() - machineMs) / 1_000))
  }
}

function hrtimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
