import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BoundPlugin, Plan } from './plan.ts'
import { createPlanSelector, type PlanSelector, type ScopedPlugin } from './plan-selector.ts'

/** kong.md §1.10, most specific first. */
const LEVELS = [
  'route service consumer',
  'route consumer',
  'service consumer',
  'route service',
  'consumer',
  'route',
  'service',
  'global',
] as const
type Level = (typeof LEVELS)[number]

function instance(name: string, scope: Level, extra: Partial<ScopedPlugin> = {}): ScopedPlugin {
  const words = scope.split(' ')
  return {
    id: `${name} at ${scope}`,
    name,
    priority: 100,
    plugin: { log: () => undefined },
    routeId: words.includes('route') ? 'route' : undefined,
    serviceId: words.includes('service') ? 'service' : undefined,
    consumerId: words.includes('consumer') ? 'consumer' : undefined,
    ...extra,
  }
}

const AUTH = instance('auth', 'global', { priority: 1000 })
const selectorOf = (instances: readonly ScopedPlugin[]): PlanSelector =>
  createPlanSelector(instances, () => undefined)
const names = (plan: Plan): string[] => plan.plugins.map(({ id }) => id)

function identified(
  selector: PlanSelector,
  { consumer = 'consumer', after = AUTH, route = 'route' }: Partial<Identified> = {},
): Plan {
  const current = selector.select(route, 'service')
  return selector.selectFor(current, after, consumer, route, 'service')
}

interface Identified {
  readonly consumer: string
  readonly after: BoundPlugin
  readonly route: string
}

describe('kong.md §1.10 which instance of a plugin runs', () => {
  test('of any set of instances the most specific one, alone, with and without a consumer', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...LEVELS]),
        fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }),
        (levels, order) => {
          const instances = levels
            .map((level, i) => ({ level, at: order[i] ?? 0 }))
            .toSorted((a, b) => a.at - b.at)
            .map(({ level }) => instance('limit', level))
          const selector = selectorOf([AUTH, ...instances])
          const expected = (candidates: readonly Level[]): string[] => {
            const winner = candidates.find((level) => levels.includes(level))
            return winner === undefined ? [AUTH.id] : [AUTH.id, `limit at ${winner}`]
          }
          const anonymous = LEVELS.filter((level) => !level.includes('consumer'))
          expect(names(identified(selector))).toEqual(expected(LEVELS))
          expect(names(selector.select('route', 'service'))).toEqual(expected(anonymous))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('an instance of another route, service or consumer is as if it were not there', () => {
    const selector = selectorOf([
      AUTH,
      instance('limit', 'route', { routeId: 'other' }),
      instance('limit', 'service', { serviceId: 'other' }),
      instance('limit', 'consumer', { consumerId: 'other' }),
      instance('limit', 'global'),
    ])
    expect(names(identified(selector))).toEqual([AUTH.id, 'limit at global'])
  })

  test('each name on its own: the winner of one does not decide about another', () => {
    const selector = selectorOf([
      AUTH,
      instance('limit', 'route', { priority: 20 }),
      instance('limit', 'global', { priority: 20 }),
      instance('cache', 'service', { priority: 10 }),
      instance('cache', 'global', { priority: 10 }),
    ])
    expect(names(selector.select('route', 'service'))).toEqual([
      AUTH.id,
      'limit at route',
      'cache at service',
    ])
  })

  test('without a route only the global ones', () => {
    const selector = selectorOf(LEVELS.map((level) => instance('limit', level)))
    expect(names(selector.globals)).toEqual(['limit at global'])
  })

  test('a route without a service: consumer before route', () => {
    const selector = selectorOf([
      AUTH,
      instance('limit', 'route'),
      instance('limit', 'consumer'),
      instance('limit', 'service'),
      instance('limit', 'global'),
    ])
    const current = selector.select('route', undefined)
    expect(names(current)).toContain('limit at route')
    expect(names(selector.selectFor(current, AUTH, 'consumer', 'route', undefined))).toEqual([
      AUTH.id,
      'limit at consumer',
    ])
  })
})

describe('kong.md §1.10 the consumer is known from the authenticating plugin on', () => {
  test.each([
    ['above it', 1001, 'early at global'],
    ['at its own priority, before it by name', 1000, 'early at global'],
    ['below it', 999, 'early at consumer'],
  ])('a plugin %s', (_where, priority, expected) => {
    const selector = selectorOf([
      AUTH,
      instance('early', 'consumer', { priority }),
      instance('early', 'global', { priority }),
    ])
    expect(names(identified(selector))).toContain(expected)
    expect(names(identified(selector))).toHaveLength(2)
  })

  test('a plugin that only that consumer has joins, one only another has does not', () => {
    const selector = selectorOf([
      AUTH,
      instance('limit', 'consumer'),
      instance('cache', 'consumer', { consumerId: 'other' }),
    ])
    expect(names(identified(selector))).toEqual([AUTH.id, 'limit at consumer'])
    expect(names(identified(selector, { consumer: 'other' }))).toEqual([
      AUTH.id,
      'cache at consumer',
    ])
  })

  test('for a consumer without plugins nothing changes, not even the plan', () => {
    const selector = selectorOf([AUTH, instance('limit', 'consumer')])
    const current = selector.select('route', 'service')
    expect(selector.selectFor(current, AUTH, 'nobody', 'route', 'service')).toBe(current)
  })

  test('a second identity keeps what was selected for the first one and nobody else', () => {
    const second = instance('second-auth', 'global', { priority: 500 })
    const forConsumer = (consumerId: string): ScopedPlugin =>
      instance('between', 'consumer', { priority: 700, consumerId, id: `between of ${consumerId}` })
    const selector = selectorOf([
      AUTH,
      second,
      forConsumer('alice'),
      forConsumer('bob'),
      instance('limit', 'consumer', { consumerId: 'carol' }),
    ])
    const start = selector.select('route', 'service')
    for (const first of ['alice', 'bob', 'nobody', 'alice']) {
      const afterFirst = selector.selectFor(start, AUTH, first, 'route', 'service')
      const afterSecond = selector.selectFor(afterFirst, second, 'carol', 'route', 'service')
      expect(names(afterSecond)).toEqual([
        AUTH.id,
        ...(first === 'nobody' ? [] : [`between of ${first}`]),
        second.id,
        'limit at consumer',
      ])
    }
  })
})

describe('plans are made once', () => {
  test('routes with the same plugins share one', () => {
    const selector = selectorOf([AUTH, instance('limit', 'route')])
    expect(selector.select('r1', 's1')).toBe(selector.select('r2', undefined))
    expect(selector.select('route', 's1')).not.toBe(selector.select('r2', 's1'))
  })

  test('a consumer has the same one every time', () => {
    const selector = selectorOf([AUTH, instance('limit', 'consumer')])
    expect(identified(selector)).toBe(identified(selector))
  })

  test('more consumers than are remembered get the right one all the same', () => {
    const consumers = Array.from({ length: 10_050 }, (_, i) => `consumer-${i}`)
    const selector = selectorOf([
      AUTH,
      ...consumers.map((consumerId) =>
        instance('limit', 'consumer', { consumerId, id: consumerId }),
      ),
    ])
    for (const consumer of [...consumers, 'consumer-10049', 'consumer-3']) {
      expect(names(identified(selector, { consumer })).at(-1)).toBe(consumer)
    }
  })
})
