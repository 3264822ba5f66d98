import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IdleCollection } from './idle-collection.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function given(): { handled: number; inFlight: number; collections: number; stop: () => void } {
  const state = { handled: 0, inFlight: 0, collections: 0, stop: () => collection.stop() }
  const collection = new IdleCollection({
    inFlight: () => state.inFlight,
    handled: () => state.handled,
    idleMs: 100,
    checkMs: 10,
    collect: () => state.collections++,
  })
  return state
}

test('F52 memory is collected once, when nothing has been in flight for a while after a load', () => {
  const state = given()
  state.handled = 5000
  state.inFlight = 1
  vi.advanceTimersByTime(500)
  expect(state.collections).toBe(0)
  state.inFlight = 0
  vi.advanceTimersByTime(90)
  expect(state.collections).toBe(0)
  vi.advanceTimersByTime(1000)
  expect(state.collections).toBe(1)
  state.stop()
})

test('requests that come and go between two looks are seen', () => {
  const state = given()
  for (let i = 0; i < 50; i++) {
    state.handled += 100
    vi.advanceTimersByTime(50)
  }
  expect(state.collections).toBe(0)
  state.stop()
})

test('a few requests are not worth a collection', () => {
  const state = given()
  state.handled = 100
  vi.advanceTimersByTime(1000)
  expect(state.collections).toBe(0)
  state.stop()
})

test('the heap really shrinks', () => {
  let held: number[][] = []
  for (let i = 0; i < 200; i++) held.push(Array.from({ length: 20_000 }, (_, n) => n + 0.5))
  held = []
  const before = process.memoryUsage().heapUsed
  const state = { handled: 5000 }
  const collection = new IdleCollection({
    inFlight: () => 0,
    handled: () => state.handled,
    idleMs: 20,
    checkMs: 10,
  })
  vi.advanceTimersByTime(100)
  expect(process.memoryUsage().heapUsed).toBeLessThan(before)
  collection.stop()
  expect(held).toEqual([])
})
