import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
  type ExchangeGiven,
} from '@pratu/plugin-kit/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ipRestriction } from './plugin.ts'

describePlugin(ipRestriction, {
  validConfig: { allow: ['192.0.2.0/24', '2001:db8::/32', '203.0.113.7'] },
  defaults: { deny: [], status: 403, message: undefined },
  invalidConfigs: [
    {
      config: {},
      message: "at least one of these fields must be non-empty: 'allow', 'deny'",
    },
    {
      config: { deny: ['10.0.0.0/33'] },
      message: "invalid ip or cidr range: '10.0.0.0/33'",
      path: 'deny.0',
    },
    {
      config: { allow: ['localhost'] },
      message: "invalid ip or cidr range: 'localhost'",
      path: 'allow.0',
    },
    {
      config: { allow: ['::1'], status: 200 },
      message: 'value should be between 400 and 599',
      path: 'status',
    },
  ],
  refusals: [
    {
      name: 'the address is not allowed',
      exchange: { peerIp: '198.51.100.9' },
      status: 403,
      code: 'ip_not_allowed',
      message: 'IP address not allowed: 198.51.100.9',
    },
    {
      name: 'the address is denied, although it is allowed too',
      config: { allow: ['192.0.2.0/24'], deny: ['192.0.2.1'] },
      exchange: { peerIp: '192.0.2.1' },
      status: 403,
      code: 'ip_not_allowed',
    },
    {
      name: 'with a status and a message of one’s own',
      config: { deny: ['::/0'], status: 451, message: 'Not in your country' },
      exchange: { peerIp: '2001:db8::1' },
      status: 451,
      code: 'ip_not_allowed',
      message: 'Not in your country',
    },
    {
      name: 'there is no address to judge',
      exchange: { clientIp: '' },
      status: 403,
      code: 'ip_not_allowed',
      message: 'Cannot identify the client IP address',
    },
  ],
})

const passes = async (raw: Readonly<Record<string, unknown>>, given: ExchangeGiven | string) => {
  const plugin = ipRestriction.create(parseConfig(ipRestriction, raw), givenContext())
  const exchange = typeof given === 'string' ? { peerIp: given } : given
  return (await runExchange(plugin, givenExchange(exchange))).proxied
}

describe('kong.md §3.10', () => {
  test('addresses and ranges of both families, with host bits set too', async () => {
    const allow = ['10.1.2.3/8', '192.0.2.7', '2001:db8:1::/48', '::1']
    const cases: [address: string, passes: boolean][] = [
      ['10.255.0.1', true],
      ['11.0.0.1', false],
      ['192.0.2.7', true],
      ['192.0.2.8', false],
      ['2001:db8:1:ffff::1', true],
      ['2001:db8:2::1', false],
      ['::1', true],
      ['::2', false],
      ['::ffff:10.0.0.1', true],
      ['::FFFF:192.0.2.8', false],
    ]
    for (const [address, expected] of cases) {
      expect([address, await passes({ allow }, address)]).toEqual([address, expected])
    }
  })

  test('a deny list alone lets everyone else pass', async () => {
    expect(await passes({ deny: ['192.0.2.0/24'] }, '192.0.3.1')).toBe(true)
    expect(await passes({ deny: ['192.0.2.0/24'] }, '::ffff:192.0.2.1')).toBe(false)
  })

  test('S34 the client’s address counts, not the peer’s and not what a header claims', async () => {
    const raw = { allow: ['203.0.113.7'] }
    expect(await passes(raw, { peerIp: '10.0.0.1', clientIp: '203.0.113.7' })).toBe(true)
    const spoofed = { 'X-Forwarded-For': '203.0.113.7', 'X-Real-IP': '203.0.113.7' }
    expect(await passes(raw, { peerIp: '10.0.0.1', headers: spoofed })).toBe(false)
  })

  test('agrees with arithmetic for any IPv4 range', async () => {
    const toText = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.')
    const anyAddress = fc.nat({ max: 0xff_ff_ff_ff })
    await fc.assert(
      fc.asyncProperty(anyAddress, fc.nat({ max: 32 }), anyAddress, async (base, bits, address) => {
        const size = 2 ** (32 - bits)
        const inside = Math.floor(base / size) === Math.floor(address / size)
        expect(await passes({ allow: [`${toText(base)}/${bits}`] }, toText(address))).toBe(inside)
      }),
    )
  })
})
