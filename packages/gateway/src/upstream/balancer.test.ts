import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createWeightedRoundRobin } from './balancer.ts'
import { answer, createClient, rawServer, send, targetingOf } from './testing/harness.ts'

const weighted = (...weights: readonly number[]) =>
  weights.map((weight, i) => ({ host: `t${i}`, port: 80, weight, hostHeader: `t${i}` }))

const picks = (balancer: { next(): number }, count: number): number[] =>
  Array.from({ length: count }, () => balancer.next())

test('weights are kept within every round, smoothly', () => {
  const balancer = createWeightedRoundRobin(weighted(5, 1, 1))
  expect(picks(balancer, 7)).toEqual([0, 0, 1, 0, 2, 0, 0])
})

test('over any whole round every target is chosen exactly as often as its weight says', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const balancer = createWeightedRoundRobin(weighted(...weights))
      if (total === 0) {
        expect(balancer.next()).toBe(-1)
        return
      }
      for (let round = 0; round < 3; round++) {
        const counts = weights.map(() => 0)
        for (const pick of picks(balancer, total)) counts[pick] = (counts[pick] ?? 0) + 1
        // A single target needs no counting at all.
        expect(counts).toEqual(weights)
      }
    }),
  )
})

test('a weight of 0 takes a target out, a single one left is always chosen', () => {
  expect(picks(createWeightedRoundRobin(weighted(0, 3, 0)), 3)).toEqual([1, 1, 1])
  expect(createWeightedRoundRobin([]).next()).toBe(-1)
})

test('a reload keeps the turn of targets that stay', () => {
  const before = createWeightedRoundRobin(weighted(1, 1, 1))
  expect(picks(before, 2)).toEqual([0, 1])
  const after = createWeightedRoundRobin(weighted(1, 1, 1), before)
  expect(picks(after, 3)).toEqual([2, 0, 1])
})

test('turns live as long as the process, by the service’s key, across snapshots', async () => {
  const servers = await Promise.all(
    ['a', 'b'].map((name) => rawServer((socket) => socket.write(answer(name)))),
  )
  const ports = servers.map(({ port }) => port)
  const client = createClient()
  const bodies: string[] = []
  for (let i = 0; i < 4; i++) bodies.push((await send(client, targetingOf(ports))).body)
  expect(bodies).toEqual(['a', 'b', 'a', 'b'])
})
