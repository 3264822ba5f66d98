import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteCollector, MemoryBudget } from './index.ts'

test('takes up to its limit and not a byte more', () => {
  const budget = new MemoryBudget(10)
  expect(budget.take(10)).toBe(true)
  expect(budget.take(1)).toBe(false)
  expect(budget.used).toBe(10)
  budget.give(4)
  expect(budget.take(4)).toBe(true)
})

test('F52 large bodies leave an eighth of the budget to small ones', () => {
  const budget = new MemoryBudget(1024 * 1024)
  const large = new ByteCollector(budget, undefined)
  const chunk = Buffer.alloc(32 * 1024)
  while (large.add(chunk)) continue
  expect(budget.used).toBeLessThanOrEqual((1024 * 1024 * 7) / 8)
  const other = new ByteCollector(budget, 900_000)
  expect(other.add(Buffer.alloc(900_000))).toBe(false)
  const small = new ByteCollector(budget, 60_000)
  expect(small.add(Buffer.alloc(60_000))).toBe(true)
  for (const collector of [large, other, small]) collector.release()
  expect(budget.used).toBe(0)
})

test('giving back more than was taken is a defect and says so', () => {
  const budget = new MemoryBudget(10)
  budget.take(3)
  expect(() => budget.give(4)).toThrow('4 bytes given back, 3 taken')
})

test('a collector keeps a single chunk without copying it', () => {
  const chunk = Buffer.from('whole')
  const collector = new ByteCollector(new MemoryBudget(100), 5)
  collector.add(chunk)
  expect(collector.view()).toBe(chunk)
})

test('a collector never writes into a chunk that it was given', () => {
  const slab = Buffer.from('abcdef')
  const collector = new ByteCollector(new MemoryBudget(1e6), undefined)
  collector.add(slab.subarray(0, 3))
  collector.add(Buffer.from('XYZ'))
  expect(slab.toString()).toBe('abcdef')
  expect(Buffer.from(collector.view()).toString()).toBe('abcXYZ')
})

test('a collector gathers any segmentation, and gives back exactly what it took, once', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40_000 }), { maxLength: 8 })
  fc.assert(
    fc.property(chunks, fc.boolean(), (parts, declared) => {
      const whole = Buffer.concat(parts)
      const budget = new MemoryBudget(10_000_000)
      const collector = new ByteCollector(budget, declared ? whole.length : undefined)
      for (const part of parts) expect(collector.add(part)).toBe(true)
      expect(Buffer.compare(Buffer.from(collector.view()), whole)).toBe(0)
      expect(budget.used).toBeGreaterThanOrEqual(whole.length)
      if (declared) expect(budget.used).toBe(whole.length)
      collector.giveBack()
      expect(budget.used).toBe(0)
      expect(collector.length).toBe(whole.length)
      collector.giveBack()
      collector.release()
      expect(budget.used).toBe(0)
      expect(collector.length).toBe(0)
    }),
    { numRuns: 100 },
  )
})

test('F02 a body sent byte by byte costs a small multiple of its length', () => {
  const budget = new MemoryBudget(1e9)
  const collector = new ByteCollector(budget, undefined)
  for (let i = 0; i < 40_000; i++) collector.add(Buffer.from([i & 0xff]))
  expect(collector.length).toBe(40_000)
  expect(budget.used).toBeLessThanOrEqual(80_000)
})

test('a collector refuses what the budget refuses, and keeps what it had', () => {
  const budget = new MemoryBudget(100)
  const collector = new ByteCollector(budget, undefined)
  expect(collector.add(Buffer.alloc(60))).toBe(true)
  expect(collector.add(Buffer.alloc(60))).toBe(false)
  expect(collector.length).toBe(60)
  collector.release()
  expect(budget.used).toBe(0)
})
