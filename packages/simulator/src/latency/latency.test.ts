import { expect, test } from 'vitest'
import { createLatency } from './latency.ts'
import type { LatencySpec } from './latency.ts'

const DRAWS = 40_000

function percentiles(spec: LatencySpec, seed = 1): Record<'p1' | 'p50' | 'p95' | 'p99', number> {
  const sample = createLatency(spec)
  const values = Array.from({ length: DRAWS }, (_, index) => sample(seed, index)).toSorted(
    (a, b) => a - b,
  )
  const at = (share: number): number => values[Math.floor(share * DRAWS)] ?? 0
  return { p1: at(0.01), p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

test('article has the percentiles of the article: 180, 450 and 890 ms', () => {
  for (const seed of [1, 2, 77]) {
    const { p50, p95, p99 } = percentiles('article', seed)
    expect(Math.abs(p50 / 180 - 1)).toBeLessThan(0.03)
    expect(Math.abs(p95 / 450 - 1)).toBeLessThan(0.04)
    expect(Math.abs(p99 / 890 - 1)).toBeLessThan(0.08)
  }
})

test('a log-normal meets any three rising percentiles', () => {
  const { p50, p95, p99 } = percentiles({ kind: 'log-normal', p50Ms: 10, p95Ms: 100, p99Ms: 120 })
  expect(Math.abs(p50 / 10 - 1)).toBeLessThan(0.05)
  expect(Math.abs(p95 / 100 - 1)).toBeLessThan(0.08)
  expect(Math.abs(p99 / 120 - 1)).toBeLessThan(0.05)
})

test('its tail is cut: no draw takes more than the fourth deviation', () => {
  const sample = createLatency('article')
  let longestMs = 0
  for (let index = 0; index < DRAWS * 5; index += 1)
    longestMs = Math.max(longestMs, sample(1, index))
  expect(longestMs).toBeGreaterThan(2_000)
  expect(longestMs).toBeLessThan(5_000)
})

test('uniform stays within its bounds and fills them', () => {
  const { p1, p50, p99 } = percentiles('uniform:100ms-300ms')
  expect(p1).toBeGreaterThanOrEqual(100)
  expect(Math.abs(p50 - 200)).toBeLessThan(5)
  expect(p99).toBeLessThanOrEqual(300)
  expect(p99).toBeGreaterThan(290)
})

test.each<[LatencySpec, number]>([
  [250, 250],
  ['250', 250],
  ['250ms', 250],
  ['1.5s', 1500],
  ['1m', 60_000],
  [{ kind: 'constant', ms: 3 }, 3],
  [{ kind: 'uniform', minMs: 4, maxMs: 4 }, 4],
  ['log-normal:5/5/5', 5],
])('%j is %d ms', (spec, ms) => {
  expect(createLatency(spec)(1, 0)).toBeCloseTo(ms)
})

test('one seed and ordinal always give the same latency, another seed another one', () => {
  const [one, two] = [createLatency('article'), createLatency('article')]
  expect(one(7, 123)).toBe(two(7, 123))
  expect(one(8, 123)).not.toBe(one(7, 123))
})

test.each<[LatencySpec, RegExp]>([
  ['slow', /write article/],
  ['uniform:300-100', /300 is above 100/],
  ['uniform:300', /uniform:MIN-MAX/],
  ['log-normal:3/2/1', /must rise/],
  ['log-normal:0/1/2', /above 0/],
  ['5 hours', /not a duration/],
  [-1, /-1 is not a duration/],
  [Number.NaN, /NaN/],
])('%j is refused', (spec, message) => {
  expect(() => createLatency(spec)).toThrow(message)
})
