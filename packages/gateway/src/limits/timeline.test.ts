import { TestClock } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { Timeline, type TimelineWords } from './timeline.ts'

interface Machine {
  readonly clock: TestClock
  readonly words: TimelineWords
  asleepMs: number
  /** A thread of the process, whose monotonic clock starts at 0 as a worker's does. */
  readonly thread: () => Timeline
}

function givenMachine(): Machine {
  const clock = new TestClock()
  const words: TimelineWords = {
    offset: new BigInt64Array(1),
    lookedAt: new Int32Array(1),
    asleep: new Int32Array(1),
  }
  const machine: Machine = {
    clock,
    words,
    asleepMs: 0,
    thread() {
      const startedAt = clock.monotonic()
      return new Timeline({
        clock: { now: () => clock.now(), monotonic: () => clock.monotonic() - startedAt },
        words,
        machineMs: () => clock.monotonic(),
        uptimeMs: () => clock.monotonic() + machine.asleepMs,
      })
    },
  }
  return machine
}

describe('F59 the time of the limits', () => {
  test('is the wall clock while the wall clock is steady', () => {
    const { clock, thread } = givenMachine()
    const timeline = thread()
    for (const ms of [0, 1, 999, 60_000, 86_400_000, 400 * 86_400_000]) {
      clock.advance(ms)
      expect(timeline.now()).toBe(clock.now())
    }
  })

  test.each([-3_600_000, 3_600_000, -7 * 86_400_000, 7 * 86_400_000, -1_000])(
    'goes on at its own pace when the wall clock jumps by %i ms',
    (jumpMs) => {
      const { clock, thread } = givenMachine()
      const timeline = thread()
      const before = timeline.now()
      clock.jump(jumpMs)
      clock.advance(500)
      expect(timeline.now()).toBe(before + 500)
      clock.advance(59_500)
      expect(Math.abs(timeline.now() - before - 60_000)).toBeLessThanOrEqual(600)
    },
  )

  test.each([-30_000, 30_000])('wears a difference of %i ms off by 1 % of the time', (jumpMs) => {
    const { clock, thread } = givenMachine()
    const timeline = thread()
    clock.jump(jumpMs)
    for (let second = 0; second < 1_500; second++) {
      const before = timeline.now()
      clock.advance(1_000)
      const passed = timeline.now() - before
      expect(passed).toBeGreaterThanOrEqual(990)
      expect(passed).toBeLessThanOrEqual(1_010)
    }
    expect(timeline.now()).toBe(clock.now() + Math.sign(jumpMs) * -15_000)
    for (let second = 0; second < 1_510; second++) {
      clock.advance(1_000)
      timeline.now()
    }
    expect(timeline.now()).toBe(clock.now())
  })

  test('is one time for all threads, also for a thread that starts after the jump', () => {
    const { clock, thread } = givenMachine()
    const first = thread()
    first.now()
    clock.advance(10_000)
    clock.jump(3_600_000)
    const second = thread()
    for (let i = 0; i < 100; i++) {
      clock.advance(700)
      const [a, b] = [first.now(), second.now()]
      // Between the two calls one of them may have worn off what is due for a second.
      expect(Math.abs(a - b)).toBeLessThanOrEqual(10)
    }
    expect(Math.abs(first.now() - (clock.now() - 3_600_000))).toBeLessThanOrEqual(800)
  })

  test('follows a jump at once when the machine was asleep for as long', () => {
    const machine = givenMachine()
    const [one, two] = [machine.thread(), machine.thread()]
    one.now()
    machine.clock.advance(5_000)
    machine.clock.jump(8 * 3_600_000)
    machine.asleepMs += 8 * 3_600_000
    machine.clock.advance(1_000)
    expect(one.now()).toBe(machine.clock.now())
    expect(two.now()).toBe(machine.clock.now())
  })

  test('follows only that part of a jump for which the machine was asleep', () => {
    const machine = givenMachine()
    const timeline = machine.thread()
    timeline.now()
    machine.clock.jump(3_600_000 + 600_000)
    machine.asleepMs += 600_000
    machine.clock.advance(2_000)
    expect(Math.abs(machine.clock.now() - timeline.now() - 3_600_000)).toBeLessThanOrEqual(20)
  })

  test('believes a wall clock that was plainly unset when the process started', () => {
    const { clock, thread } = givenMachine()
    clock.setWall(Date.UTC(1970, 0, 1, 0, 1))
    const timeline = thread()
    timeline.now()
    clock.setWall(Date.UTC(2026, 4, 12))
    clock.advance(1_000)
    expect(timeline.now()).toBe(clock.now())
  })

  test('never steps back by more than it wears off, whatever the wall clock does', () => {
    const { clock, thread } = givenMachine()
    const timeline = thread()
    let last = timeline.now()
    for (const jumpMs of [
      -400,
      -400,
      5_000,
      -5_000,
      -86_400_000,
      40 * 86_400_000,
      -40 * 86_400_000,
    ]) {
      clock.jump(jumpMs)
      for (let i = 0; i < 5; i++) {
        clock.advance(1_000)
        const now = timeline.now()
        expect(now).toBeGreaterThanOrEqual(last + 990)
        last = now
      }
    }
  })
})
