import { readFileSync } from 'node:fs'
import type { MeterWindow } from '@pratu/plugin-kit'
import { expect, test } from 'vitest'
import { openLedger, redisStore } from '../limits/open-ledger.ts'
import { startRedis, until } from '../limits/redis-server.ts'

const WINDOWS: readonly MeterWindow[] = [
  { kind: 'calendar', period: 'week' },
  { kind: 'calendar', period: 'month', timeZone: 'Asia/Bangkok' },
  { kind: 'sliding', lengthMs: 60_000 },
  { kind: 'gcra', lengthMs: 60_000, burst: 5 },
  { kind: 'concurrency', leaseMs: 300 },
]

/** What docs/limits.md says that a user needs. */
function documentedRights(): readonly string[] {
  const page = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8')
  const block = /An ACL user needs\s+```text\n([^`]+)```/.exec(page)?.[1] ?? ''
  return block.split(/\s+/).filter((right) => right !== '')
}

test('a user with the rights that the docs name can do everything that limits do, and nothing is refused', async () => {
  await using redis = await startRedis()
  const rights = documentedRights()
  expect(rights.length).toBeGreaterThan(20)
  await redis.client.call('ACL', 'SETUSER', 'limits', 'on', '>secret', 'resetkeys', ...rights)
  const store = redisStore(redis.port)
  const named = {
    ...store,
    redis: {
      ...store.redis,
      username: { reveal: () => 'limits' },
      password: { reveal: () => 'secret' },
    },
  }
  const ledger = await openLedger(redis.port, { store: named })
  for (const window of WINDOWS) {
    const quantity = window.kind === 'concurrency' ? 'concurrent_requests' : 'total_tokens'
    const id = JSON.stringify(window)
    const meter = ledger.meter({ id, quantity, window, limit: 5, store: named })
    const decision = await ledger.reserve([{ meter, scope: 'alice', amount: 2 }])
    if (!decision.admitted) throw new Error('refused')
    expect(await decision.reservation.grow(0, 1)).toBe(true)
    expect((await ledger.peek(meter, 'alice')).used).toBe(3)
    if (window.kind === 'concurrency') {
      await redis.client.del(meterKey(await redis.client.keys('pratu:leases:*')))
      await until('it is renewed', async () => (await ledger.peek(meter, 'alice')).used === 3)
    } else await ledger.record(meter, 'alice', 1, Date.now())
    decision.reservation.close([0])
    await ledger.settle(5_000)
    await ledger.reset(meter, 'alice')
    expect((await ledger.peek(meter, 'alice')).used).toBe(0)
  }
  expect(ledger.corrections().lost).toBe(0)
  const log: unknown = await redis.client.call('ACL', 'LOG')
  expect(log).toEqual([])
  ledger.close()
})

function meterKey(keys: readonly string[]): string {
  const [key] = keys
  if (key === undefined) throw new Error('nothing is held')
  return key
}

test('a user with fewer rights is not taken for a Redis that is away: what may be done goes on', async () => {
  await using redis = await startRedis()
  const rights = documentedRights().filter((right) => !['+get', '+hdel', '+zrem'].includes(right))
  await redis.client.call('ACL', 'SETUSER', 'limits', 'on', '>secret', 'resetkeys', ...rights)
  const store = redisStore(redis.port)
  const named = {
    ...store,
    redis: {
      ...store.redis,
      username: { reveal: () => 'limits' },
      password: { reveal: () => 'secret' },
    },
  }
  const ledger = await openLedger(redis.port, { store: named })
  const meter = ledger.meter({
    id: 'requests',
    quantity: 'requests',
    window: { kind: 'calendar', period: 'year' },
    limit: 100,
    store: named,
  })
  const endMs = performance.now() + 2_500
  for (let asked = 0; performance.now() < endMs; asked++) {
    const decision = await ledger.reserve([{ meter, scope: 'alice', amount: 1 }])
    expect(decision.admitted).toBe(asked < 100)
    expect(ledger.degraded).toBe(false)
  }
  const log: unknown = await redis.client.call('ACL', 'LOG')
  expect(Array.isArray(log) ? log.length : 0).toBe(1)
  ledger.close()
})
