import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ActiveExchanges, type Listed } from './active-exchanges.ts'

test('the list holds exactly what was added and not deleted, in whatever order that happens', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(7)), (steps) => {
      const items: Listed[] = Array.from({ length: 8 }, () => ({ place: -1 }))
      const active = new ActiveExchanges<Listed>()
      const expected = new Set<Listed>()
      for (const step of steps) {
        const item = items[step] ?? { place: -1 }
        if (expected.delete(item)) active.delete(item)
        else {
          expected.add(item)
          active.add(item)
        }
        expect(new Set(active.toArray())).toEqual(expected)
        expect(active.size).toBe(expected.size)
      }
    }),
  )
})

test('deleting what is not in the list changes nothing', () => {
  const active = new ActiveExchanges<Listed>()
  const [one, other] = [{ place: -1 }, { place: -1 }]
  active.add(one)
  active.delete(other)
  active.delete(one)
  active.delete(one)
  expect(active.toArray()).toEqual([])
})
