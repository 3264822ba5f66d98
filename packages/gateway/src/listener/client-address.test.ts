import { expect, test } from 'vitest'
import { HeaderList } from '../http/index.ts'
import { ClientAddress, plainAddress } from './client-address.ts'

const PROXIES = ['10.0.0.0/8', '192.168.1.1', 'fd00::/8', '2001:db8::1']

function resolve(
  header: string,
  values: readonly string[],
  recursive: boolean,
  peer = '10.0.0.1',
): string {
  const address = new ClientAddress(PROXIES, header, recursive)
  return address.resolve(peer, new HeaderList(values.flatMap((value) => [header, value])))
}

test('S34 only configured addresses and blocks are trusted, IPv4 and IPv6', () => {
  const address = new ClientAddress(PROXIES, 'X-Real-IP', false)
  for (const ip of ['10.255.0.1', '192.168.1.1', 'fd12::1', '2001:db8::1', '10.255.0.1']) {
    expect(address.isTrusted(ip)).toBe(true)
  }
  for (const ip of ['11.0.0.1', '192.168.1.2', '2001:db8::2', '', 'localhost']) {
    expect(address.isTrusted(ip)).toBe(false)
  }
})

test('S34 with an empty list nobody is trusted', () => {
  expect(new ClientAddress([], 'X-Real-IP', true).isTrusted('127.0.0.1')).toBe(false)
})

test('S34 a block for everybody trusts everybody', () => {
  const address = new ClientAddress(['0.0.0.0/0', '::/0'], 'X-Real-IP', false)
  expect(address.isTrusted('203.0.113.9')).toBe(true)
  expect(address.isTrusted('2001:db8::9')).toBe(true)
})

test.each(['10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', 'example.com', '::1/129', '1.2.3.4/8/8', ''])(
  'S34 the entry %j is refused with its text',
  (entry) => {
    expect(() => new ClientAddress([entry], 'X-Real-IP', false)).toThrow(entry)
  },
)

test.each([
  ['the last hop, not what the client wrote first', ['1.1.1.1, 203.0.113.7'], false, '203.0.113.7'],
  [
    'the right-most untrusted hop',
    ['1.1.1.1, 203.0.113.7, 10.0.0.2, 10.0.0.3'],
    true,
    '203.0.113.7',
  ],
  ['the first hop when all are trusted', ['10.0.0.9, 10.0.0.2'], true, '10.0.0.9'],
  ['only one step without recursion', ['203.0.113.7, 10.0.0.2'], false, '10.0.0.2'],
  ['repeated fields read as one list', ['1.1.1.1', '203.0.113.7, 10.0.0.2'], true, '203.0.113.7'],
  ['the last readable hop', ['203.0.113.7, unknown, 10.0.0.2'], true, '10.0.0.2'],
  ['a hop with a port', ['203.0.113.7:4711'], false, '203.0.113.7'],
  ['a bracketed hop with a port', ['[2001:db8::7]:4711'], false, '2001:db8::7'],
  ['a mapped hop in its plain form', ['::ffff:203.0.113.7'], false, '203.0.113.7'],
  ['the peer when the field is absent', [], true, '10.0.0.1'],
  ['the peer when the field is empty', [''], true, '10.0.0.1'],
  ['the peer when the field is nonsense', ['"; DROP TABLE'], true, '10.0.0.1'],
])('S34 the client is %s', (_what, values, recursive, expected) => {
  expect(resolve('x-forwarded-for', values, recursive)).toBe(expected)
})

test('S34 the header is the configured one, in any case', () => {
  const address = new ClientAddress(PROXIES, 'X-Client-IP', false)
  const headers = new HeaderList(['x-forwarded-for', '1.1.1.1', 'x-client-ip', '203.0.113.7'])
  expect(address.resolve('10.0.0.1', headers)).toBe('203.0.113.7')
})

test('an IPv4 address on a dual-stack socket is told in its plain form', () => {
  expect(plainAddress('::ffff:127.0.0.1')).toBe('127.0.0.1')
  expect(plainAddress('::1')).toBe('::1')
})
