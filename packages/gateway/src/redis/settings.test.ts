import type { RedisSettings } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import { connectionKey, describeRedis } from './settings.ts'

const secret = (text: string) => ({ reveal: () => text })
const SETTINGS: RedisSettings = {
  topology: 'single',
  nodes: [{ host: 'Redis.example', port: 6379 }],
  username: undefined,
  password: secret('canary-password'),
  database: 2,
  tls: undefined,
  timeoutMs: 100,
}

describe('settings of a connection', () => {
  test('equal ones share it, whatever objects say so', () => {
    const again = { ...SETTINGS, password: secret('canary-password') }
    expect(connectionKey(again)).toBe(connectionKey(SETTINGS))
    expect(connectionKey({ ...SETTINGS, nodes: [{ host: 'redis.example', port: 6379 }] })).toBe(
      connectionKey(SETTINGS),
    )
  })

  test.each([
    { nodes: [{ host: 'other', port: 6379 }] },
    { database: 3 },
    { username: secret('u') },
    { password: secret('other') },
    { tls: { verify: true, serverName: undefined } },
    { topology: 'cluster' as const },
  ])('%o is another connection', (difference) => {
    expect(connectionKey({ ...SETTINGS, ...difference })).not.toBe(connectionKey(SETTINGS))
  })

  test('an empty password is none', () => {
    expect(connectionKey({ ...SETTINGS, password: secret('') })).toBe(
      connectionKey({ ...SETTINGS, password: undefined }),
    )
  })

  test('S22 log lines name the place and no secret', () => {
    expect(describeRedis(SETTINGS)).toBe('Redis.example:6379/2')
    const nodes = [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ]
    expect(describeRedis({ ...SETTINGS, topology: 'cluster', nodes })).toBe('cluster a:1,b:2')
    expect(describeRedis({ ...SETTINGS, topology: 'sentinel', nodes, masterName: 'm' })).toBe(
      'sentinel m@a:1,b:2/2',
    )
  })
})
