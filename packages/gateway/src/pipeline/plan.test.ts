import type { Handler, Plugin } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'
import { compilePlan, type BoundPlugin } from './plan.ts'

const bound = (name: string, priority: number, plugin: Plugin = {}): BoundPlugin => ({
  id: name,
  name,
  priority,
  plugin,
})

const nothing: Handler = () => undefined
const names = (plugins: readonly BoundPlugin[]): string[] => plugins.map(({ name }) => name)

test('kong.md §2.10 priority descending, ties by name descending', () => {
  const plan = compilePlan(
    [bound('b', 10), bound('a', 10), bound('late', -1000), bound('c', 10), bound('first', 100_001)],
    nothing,
  )
  expect(names(plan.plugins)).toEqual(['first', 'c', 'b', 'a', 'late'])
})

test('each phase holds just the plugins that have it, in that order', () => {
  const log = (): undefined => undefined
  const access = (): undefined => undefined
  const plan = compilePlan(
    [bound('low', 1, { log }), bound('high', 2, { log, access }), bound('none', 3)],
    nothing,
  )
  expect(plan.log).toHaveLength(2)
  expect(names(plan.access)).toEqual(['high'])
  expect([plan.rewrite, plan.responseHeaders, plan.responseBody]).toEqual([[], [], []])
})

test('admission has the place of the first limiting plugin, with or without an access phase', () => {
  const access = (): undefined => undefined
  const holds = (): [] => []
  const plan = compilePlan(
    [bound('a', 4, { access }), bound('b', 3, { holds }), bound('c', 2, { access, holds })],
    nothing,
  )
  expect(names(plan.access)).toEqual(['a', 'b', 'c'])
  expect(plan.admissionAt).toBe(1)
  expect(plan.limiters).toHaveLength(2)
  expect(compilePlan([bound('a', 1, { access })], nothing).admissionAt).toBe(-1)
})

test('the plugin of the highest priority wraps the handler outermost', () => {
  const calls: string[] = []
  const wrapping = (name: string): Plugin => ({
    wrap: (next) => (exchange, out) => {
      calls.push(name)
      next(exchange, out)
    },
  })
  const plan = compilePlan(
    [bound('inner', 1, wrapping('inner')), bound('plain', 2), bound('outer', 3, wrapping('outer'))],
    () => calls.push('handler'),
  )
  // The handlers of this test look at neither.
  Reflect.apply(plan.handler, undefined, [])
  expect(calls).toEqual(['outer', 'inner', 'handler'])
})
