import { expect, test } from 'vitest'
import { describeRedis } from './settings.ts'
import { parseRedisUrl } from './url.ts'

test.each([
  ['redis://redis', 'redis:6379/0'],
  ['redis://10.0.0.1:6380/3', '10.0.0.1:6380/3'],
  ['redis://[::1]:6380', '::1:6380/0'],
  ['redis+cluster://a:7000,b:7001', 'cluster a:7000,b:7001'],
  ['redis+sentinel://s1,s2:26380/main/2', 'sentinel main@s1:26379,s2:26380/2'],
])('%s is %s', (url, place) => {
  const settings = parseRedisUrl(url, 100)
  expect(settings && describeRedis(settings)).toBe(place)
})

test('who logs in is decoded, and TLS is verified', () => {
  const settings = parseRedisUrl('rediss://us%40er:p%2Fw%3A@redis:6380', 100)
  expect(settings?.username?.reveal()).toBe('us@er')
  expect(settings?.password?.reveal()).toBe('p/w:')
  expect([settings?.tls, settings?.timeoutMs]).toEqual([
    { verify: true, serverName: undefined },
    100,
  ])
  const only = parseRedisUrl('redis://:pw@redis', 100)
  expect([only?.username, only?.password?.reveal()]).toEqual([undefined, 'pw'])
})

test.each([
  'http://redis',
  'redis://',
  'redis://a,b',
  'redis://redis/x',
  'redis://redis:99999',
  'redis://%zz@redis',
  'redis+cluster://a/1',
  'redis+sentinel://s1',
  'redis+sentinel://s1/main/0/more',
])('%s is none', (url) => {
  expect(parseRedisUrl(url, 100)).toBeUndefined()
})
