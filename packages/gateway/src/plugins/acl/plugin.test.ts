import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ExchangeGiven,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { acl } from './plugin.ts'

const EITHER = "exactly one of these fields must be non-empty: 'allow', 'deny'"

describePlugin(acl, {
  validConfig: { allow: ['gold', 'silver'] },
  defaults: { rule: 'allow', hideGroupsHeader: false },
  invalidConfigs: [
    { config: {}, message: EITHER },
    { config: { allow: ['a'], deny: ['b'] }, message: EITHER },
    { config: { allow: [] }, message: EITHER },
    { config: { allow: 'gold' }, message: 'expected an array', path: 'allow' },
    { config: { allow: [''] }, message: 'length must be at least 1', path: 'allow.0' },
  ],
  refusals: [
    {
      name: 'nobody is known and no credential was shown',
      exchange: {},
      status: 401,
      code: 'unauthorized',
      message: 'Unauthorized',
    },
    {
      name: 'a credential was shown, but it belongs to no consumer',
      exchange: { credential: {} },
      status: 403,
      code: 'forbidden',
      message: 'You cannot consume this service',
    },
    {
      name: 'the consumer has no groups',
      exchange: { consumer: {}, credential: {} },
      status: 403,
      code: 'forbidden',
      message: 'You cannot consume this service',
    },
    {
      name: 'the consumer is the anonymous one and has no groups',
      exchange: { consumer: {} },
      status: 401,
      code: 'unauthorized',
      message: 'Unauthorized',
    },
    {
      name: 'none of the consumer’s groups is allowed',
      exchange: { consumer: { groups: ['bronze', 'Gold'] }, credential: {} },
      status: 403,
      code: 'forbidden',
      message: 'You cannot consume this service',
    },
    {
      name: 'one of the consumer’s groups is denied',
      config: { deny: ['bronze'] },
      exchange: { consumer: { groups: ['gold', 'bronze'] }, credential: {} },
      status: 403,
      code: 'forbidden',
      message: 'You cannot consume this service',
    },
    {
      name: 'nobody is known, with a deny list too',
      config: { deny: ['bronze'] },
      exchange: {},
      status: 401,
      code: 'unauthorized',
      message: 'Unauthorized',
    },
  ],
})

const run = async (raw: Readonly<Record<string, unknown>>, given: ExchangeGiven) => {
  const exchange = givenExchange({ credential: {}, ...given })
  const plugin = acl.create(parseConfig(acl, raw), givenContext())
  const { proxied } = await runExchange(plugin, exchange)
  return { proxied, upstream: exchange.upstream.headers.toObject() }
}

describe('kong.md §3.7 those who pass', () => {
  const consumer = { groups: ['gold', 'beta'] }

  test('one of their groups is allowed, or none is denied; the service is told all of them', async () => {
    for (const raw of [{ allow: ['gold', 'other'] }, { deny: ['other'] }]) {
      const { proxied, upstream } = await run(raw, { consumer })
      expect([proxied, upstream['x-consumer-groups']]).toEqual([true, 'gold, beta'])
    }
  })

  test('a consumer without groups passes a deny list', async () => {
    const { proxied, upstream } = await run({ deny: ['gold'] }, { consumer: { groups: [] } })
    expect([proxied, 'x-consumer-groups' in upstream]).toEqual([true, false])
  })

  test('hide_groups_header keeps the groups from the service', async () => {
    const { upstream } = await run({ allow: ['gold'], hide_groups_header: true }, { consumer })
    expect('x-consumer-groups' in upstream).toBe(false)
  })

  test('groups that the client claims never reach the service', async () => {
    const headers = { 'X-Consumer-Groups': 'admin', 'X-Authenticated-Groups': 'admin' }
    for (const [raw, groups] of [
      [{ allow: ['gold'] }, ['gold']],
      [{ allow: ['gold'], hide_groups_header: true }, ['gold']],
      [{ deny: ['x'] }, []],
    ] as const) {
      const { proxied, upstream } = await run(raw, { consumer: { groups }, headers })
      expect(proxied).toBe(true)
      expect(JSON.stringify(upstream)).not.toContain('admin')
    }
  })
})
