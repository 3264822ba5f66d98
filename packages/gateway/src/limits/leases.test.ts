import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Leases } from './leases.ts'
import { RELEASE, RENEW } from './redis-scripts.ts'
import { RemoteMeter } from './remote-meter.ts'
import { FakeRedis } from './testing/fake-redis.ts'
import { REDIS_STORE, remoteMeter } from './testing/remote.ts'

const meter = new RemoteMeter(
  {
    id: 'streams',
    quantity: 'concurrent_requests',
    window: { kind: 'concurrency', leaseMs: 3_000 },
    limit: 5,
  },
  REDIS_STORE,
  remoteMeter(1).counting,
  () => undefined,
)

function sentAs(redis: FakeRedis): readonly (readonly [string, unknown])[] {
  return redis.sent.map(({ script, values }) => [
    script === RENEW ? 'renew' : script === RELEASE ? 'release' : 'other',
    JSON.parse(String(values[0])),
  ])
}

describe('F70 leases', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const given = (redis: FakeRedis): Leases =>
    new Leases({ connection: redis, holder: 'me', nowMs: () => performance.now() })

  test('are renewed three times in the time that they last, all in one call, and not any more once released', async () => {
    const redis = new FakeRedis()
    const leases = given(redis)
    const first = leases.number(2)
    leases.hold(meter, 'alice', first, 2)
    await vi.advanceTimersByTimeAsync(3_000)
    const renewal = ['renew', { h: 'me', l: [[3_000, 1, 2]] }]
    expect(sentAs(redis)).toEqual([renewal, renewal, renewal])
    redis.sent.length = 0
    leases.release(meter, 'alice', first, 2)
    await vi.advanceTimersByTimeAsync(1)
    expect(sentAs(redis)).toEqual([['release', { h: 'me', l: [[0, 1, 2]] }]])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(redis.sent).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that were released while Redis is away are released when it is back, unless they have expired by then', async () => {
    const redis = new FakeRedis()
    const leases = given(redis)
    leases.hold(meter, 'alice', leases.number(1), 1)
    leases.hold(meter, 'alice', leases.number(1), 1)
    redis.goAway()
    leases.release(meter, 'alice', 1, 1)
    await vi.advanceTimersByTimeAsync(2_000)
    leases.release(meter, 'alice', 2, 1)
    await vi.advanceTimersByTimeAsync(1_500)
    expect(redis.sent).toEqual([])
    expect(leases.settled).toBe(false)
    redis.comeBack()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(sentAs(redis)).toEqual([['release', { h: 'me', l: [[0, 2]] }]])
    expect(leases.settled).toBe(true)
  })

  test('are taken again at once when Redis comes back', async () => {
    const redis = new FakeRedis()
    const leases = given(redis)
    redis.goAway()
    leases.hold(meter, 'alice', leases.number(1), 1)
    redis.comeBack()
    await vi.advanceTimersByTimeAsync(0)
    expect(sentAs(redis)).toEqual([['renew', { h: 'me', l: [[3_000, 1]] }]])
    leases.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a release that is not answered is repeated with the next beat', async () => {
    const redis = new FakeRedis()
    const leases = given(redis)
    leases.hold(meter, 'alice', leases.number(1), 1)
    redis.answer = () => {
      throw new Error('late')
    }
    leases.release(meter, 'alice', 1, 1)
    await vi.advanceTimersByTimeAsync(1)
    expect(leases.settled).toBe(false)
    redis.comeBack()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(sentAs(redis).map(([name]) => name)).toEqual(['release', 'release'])
    expect(leases.settled).toBe(true)
  })
})
