import { expect, test } from 'vitest'
import { LOCK_INTS, TableLock } from './table-lock.ts'

const MAIN = 0

function words(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * LOCK_INTS))
}

function isFree([owner]: Int32Array): boolean {
  return owner === 0
}

test('F50 the main thread frees the lock of a thread that has ended, and nobody else’s', () => {
  const shared = words()
  const [second, third] = [new TableLock(shared, 0, 2), new TableLock(shared, 0, 3)]
  const main = new TableLock(shared, 0, MAIN)
  second.acquire()
  main.releaseOf(3)
  expect(isFree(shared)).toBe(false)
  main.releaseOf(2)
  expect(isFree(shared)).toBe(true)
  third.acquire()
  main.releaseOf(2)
  expect(isFree(shared)).toBe(false)
})

test('F50 the main thread, which cannot hear of an end while it waits, takes over what nobody gives back', () => {
  const shared = words()
  const dead = new TableLock(shared, 0, 1)
  const main = new TableLock(shared, 0, MAIN)
  dead.acquire()
  const startedMs = performance.now()
  main.acquire()
  expect(performance.now() - startedMs).toBeGreaterThan(900)
  // Whoever thought it was theirs gives back nothing of the new owner's.
  dead.release()
  expect(isFree(shared)).toBe(false)
  main.release()
  expect(isFree(shared)).toBe(true)
})
