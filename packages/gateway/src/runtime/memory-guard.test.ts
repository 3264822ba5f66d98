import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MemoryGuard } from './memory-guard.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const MIB = 1024 * 1024

test('F52 sheds from 85 % of the limit until less than 80 % are in use', () => {
  let used = 0
  const guard = new MemoryGuard(100, { readBytes: () => used, checkMs: 10 })
  const states = [84, 85, 80, 79, 84, 95].map((bytes) => {
    used = bytes
    vi.advanceTimersByTime(10)
    return guard.shedding
  })
  expect(states).toEqual([false, true, true, false, false, true])
  guard.stop()
})

test('without a limit nothing is shed', () => {
  const guard = new MemoryGuard(undefined, { readBytes: () => Infinity, checkMs: 10 })
  vi.advanceTimersByTime(100)
  expect(guard.shedding).toBe(false)
})

test('memory that the kernel can take back does not count', () => {
  // The test's own process: well above 20 MiB of its own, well below its whole resident memory.
  const small = new MemoryGuard(20 * MIB, { checkMs: 10 })
  const large = new MemoryGuard(Math.ceil(process.memoryUsage.rss() / 0.85), { checkMs: 10 })
  vi.advanceTimersByTime(10)
  expect([small.shedding, large.shedding]).toEqual([true, false])
  small.stop()
  large.stop()
})
