import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StuckWatch, type Beating } from './stuck-watch.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

interface FakeThread extends Beating {
  beats: number
}

function given(beats: number) {
  const thread: FakeThread = { beats }
  const stuck: Beating[] = []
  const watch = new StuckWatch({
    stuckMs: 500,
    startMs: 3000,
    checkMs: 50,
    threads: () => [thread],
    onStuck: (one) => stuck.push(one),
  })
  return { thread, stuck, watch }
}

test('F50 a thread that beats no more is stuck after its time, and told once', () => {
  const { thread, stuck, watch } = given(1)
  vi.advanceTimersByTime(400)
  thread.beats++
  vi.advanceTimersByTime(500)
  expect(stuck).toEqual([])
  vi.advanceTimersByTime(150)
  expect(stuck).toEqual([thread])
  vi.advanceTimersByTime(2000)
  expect(stuck).toHaveLength(1)
  watch.close()
})

test('a thread that is still starting has more time', () => {
  const { stuck, watch } = given(0)
  vi.advanceTimersByTime(2900)
  expect(stuck).toEqual([])
  vi.advanceTimersByTime(300)
  expect(stuck).toHaveLength(1)
  watch.close()
})

test('a process that was stopped for a while blames nobody', () => {
  const { thread, stuck, watch } = given(1)
  vi.advanceTimersByTime(100)
  // The clock goes on while no timer fires.
  vi.setSystemTime(Date.now() + 10_000)
  const held = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10_000)
  vi.advanceTimersByTime(50)
  expect(stuck).toEqual([])
  held.mockRestore()
  thread.beats++
  watch.close()
})
