import { expect, test } from 'vitest'

import { atLeastOneOf, onlyOneOrNoneOf } from './field-checks.ts'
import * as field from './fields.ts'

const limits = field
  .record({
    second: field.optional(field.number({ gt: 0 })),
    minute: field.optional(field.number({ gt: 0 })),
    policy: field.enumeration(['local', 'redis'], 'local'),
    header_name: field.optional(field.headerName()),
    redis: field.filled(
      field.record({
        host: field.optional(field.host()),
        port: field.defaulted(field.port(), 6379),
        password: field.optional(field.secret({ min: 0 })),
      }),
    ),
    status: field.defaulted(field.array(field.integer({ between: [100, 900] }), { min: 1 }), [200]),
    methods: field.optional(field.set(field.httpMethod())),
    fault_tolerant: field.boolean(true),
    extra: field.optional(
      field.map(field.string(), (key) => (key === 'host' ? 'no host' : undefined)),
    ),
  })
  .check(atLeastOneOf('second', 'minute'))
  .transform((value) => ({
    minute: value.minute,
    policy: value.policy,
    headerName: value.header_name,
    redisPort: value.redis.port,
    password: value.redis.password,
    statuses: value.status,
    methods: value.methods,
    faultTolerant: value.fault_tolerant,
  }))

function problems(schema: { safeParse: typeof limits.safeParse }, value: unknown): string[] {
  const result = schema.safeParse(value)
  return (result.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}

test('kong.md §1.7 null counts as absent and a missing record is filled with its defaults', () => {
  const config = limits.parse({ minute: 5, policy: null, redis: null, status: null })
  expect(config).toMatchObject({
    minute: 5,
    policy: 'local',
    headerName: undefined,
    redisPort: 6379,
    statuses: [200],
    faultTolerant: true,
  })
  expect(limits.parse({ minute: 5, redis: { host: 'r' } }).redisPort).toBe(6379)
})

test('kong.md §1.7 nothing is coerced, integral floats are integers, every problem is told', () => {
  expect(
    problems(limits, {
      minute: '5',
      policy: 'cluster',
      redis: { port: 1.5, prot: 1 },
      status: [200, null, 'x'],
      methods: ['GET', 'get'],
      fault_tolerant: 'true',
      extra: { host: 'x' },
    }),
  ).toEqual([
    'minute: expected a number',
    'policy: expected one of: local, redis',
    'redis.port: expected an integer',
    'redis: unknown field',
    'status.1: required field missing',
    'status.2: expected an integer',
    'methods.1: invalid value: get',
    'fault_tolerant: expected a boolean',
    'extra.host: no host',
  ])
  expect(limits.parse({ minute: 5, status: [201.0] }).statuses).toEqual([201])
})

test('kong.md §1.7 limits, lengths and enumerations use Kong’s words', () => {
  expect(
    problems(limits, { minute: 0, status: [], header_name: '', redis: { port: 70_000 } }),
  ).toEqual([
    'minute: value must be greater than 0',
    'header_name: length must be at least 1',
    'redis.port: value should be between 0 and 65535',
    'status: length must be at least 1',
  ])
  expect(problems(limits, { minute: 1, policy: 3, header_name: 'a b' })).toEqual([
    'policy: expected a string',
    "header_name: bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
  ])
  expect(problems(limits, 5)).toEqual([': expected a record'])
})

test('kong.md §1.7 rules between members are told under @entity, even beside other problems', () => {
  expect(problems(limits, { policy: 'x' })).toEqual([
    'policy: expected one of: local, redis',
    "@entity: at least one of these fields must be non-empty: 'second', 'minute'",
  ])
  const either = field
    .record({ a: field.optional(field.string()), b: field.optional(field.string()) })
    .check(onlyOneOrNoneOf('a', 'b'))
  expect(either.safeParse({ a: 'x', b: null }).success).toBe(true)
  expect(either.safeParse({ a: 'x', b: 'y' }).success).toBe(false)
})

test('kong.md §1.7 sets drop repeated elements and keep their order', () => {
  expect(limits.parse({ minute: 1, methods: ['PUT', 'GET', 'PUT'] }).methods).toEqual([
    'PUT',
    'GET',
  ])
})

test('S12 a secret is not printed by accident', () => {
  const { password } = limits.parse({ minute: 1, redis: { password: 'hunter2' } })
  expect(password?.reveal()).toBe('hunter2')
  expect(JSON.stringify({ password })).not.toContain('hunter2')
  expect(`${String(password)}`).toBe('[secret]')
})
