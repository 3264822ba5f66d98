import type { Clock } from '../plugin.ts'

/** Time that stands still until the test moves it. Wall clock and monotonic time move apart on purpose with `jump`. */
export class TestClock implements Clock {
  #wallMs: number
  #monotonicMs = 1_000

  /** @param startMs Epoch milliseconds; by default noon of an ordinary day, UTC. */
  constructor(startMs: number = Date.UTC(2026, 4, 12, 12, 0, 0)) {
    this.#wallMs = startMs
  }

  now(): number {
    return this.#wallMs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#wallMs += ms
    this.#monotonicMs += ms
  }

  /** Moves the wall clock alone, forwards or backwards, as an operator or NTP would. */
  jump(ms: number): void {
    this.#wallMs += ms
  }

  /** Puts the wall clock at a moment; monotonic time stays. */
  setWall(epochMs: number): void {
    this.#wallMs = epochMs
  }
}
