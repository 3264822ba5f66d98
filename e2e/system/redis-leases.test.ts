import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Decision, Ledger, Meter, MeterWindow, Reservation } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import type { LimitLedger } from '../../packages/gateway/src/limits/index.ts'
import { startChaosProxy } from '../limits/chaos-proxy.ts'
import { ClockedConnections, tellTime } from '../limits/clocked-redis.ts'
import { leaseOf, openLedger, redisStore } from '../limits/open-ledger.ts'
import { startCluster, startRedis, until } from '../limits/redis-server.ts'

const START_MS = Date.UTC(2026, 10, 24, 10, 30)

async function hold(
  ledger: Ledger,
  meter: Meter,
  scope = 'alice',
  amount = 1,
): Promise<Reservation> {
  const decision = await ledger.reserve([{ meter, scope, amount }])
  if (!decision.admitted) throw new Error(`refused: ${JSON.stringify(decision)}`)
  return decision.reservation
}

const ask = async (ledger: Ledger, meter: Meter, amount = 1): Promise<Decision> =>
  ledger.reserve([{ meter, scope: 'alice', amount }])

async function held(ledger: LimitLedger, meter: Meter): Promise<number> {
  await ledger.settle(5_000)
  return (await ledger.peek(meter, 'alice')).used
}

describe('F70 what is held through Redis', () => {
  test('is free again as soon as it is closed, whatever close is told, on every replica', async () => {
    await using redis = await startRedis()
    const [one, two] = [await openLedger(redis.port), await openLedger(redis.port)]
    const [ours, theirs] = [one, two].map((ledger) => ledger.meter(leaseOf(3, 30_000, redis.port)))
    if (ours === undefined || theirs === undefined) throw new Error('no meters')
    const reservations = [await hold(one, ours), await hold(two, theirs, 'alice', 2)]
    expect(await ask(one, ours)).toMatchObject({
      admitted: false,
      permanent: false,
      meters: [{ limit: 3, remaining: 0, used: 3, resetMs: 0 }],
    })
    expect(await ask(two, theirs, 4)).toMatchObject({ admitted: false, permanent: true })
    await expect(ask(two, theirs, 1_001)).rejects.toThrow(RangeError)
    reservations[1]?.close([2])
    expect(await held(two, theirs)).toBe(1)
    await hold(one, ours, 'alice', 2)
    reservations[0]?.close()
    reservations[0]?.close()
    expect(await held(one, ours)).toBe(2)
    one.close()
    two.close()
  })

  test('does not grow over the limit, and what was grown is given back with the rest', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(leaseOf(3, 30_000, redis.port))
    const reservation = await hold(ledger, meter)
    expect(await reservation.grow(0, 2)).toBe(true)
    expect(await reservation.grow(0, 1)).toBe(false)
    reservation.close()
    expect(await held(ledger, meter)).toBe(0)
    ledger.close()
  })

  test('stays held as long as its process lives, and is free one lease after it was killed', async () => {
    await using redis = await startRedis()
    const leaseMs = 900
    const holder = spawn(process.execPath, [
      new URL('../limits/lease-holder.ts', import.meta.url).pathname,
      String(redis.port),
      String(leaseMs),
    ])
    const [line] = await once(holder.stdout, 'data')
    expect(String(line)).toBe('held\n')
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(leaseOf(1, leaseMs, redis.port))
    const endMs = performance.now() + 3 * leaseMs
    let looks = 0
    await until('three leases are over', async () => {
      expect((await ask(ledger, meter)).admitted).toBe(false)
      looks += 1
      return performance.now() > endMs
    })
    expect(looks).toBeGreaterThan(10)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const killedMs = performance.now()
    await until('it is free', async () => (await ask(ledger, meter)).admitted)
    expect(performance.now() - killedMs).toBeLessThan(leaseMs + 400)
    ledger.close()
  })

  test('is not counted twice when its lease had expired and is taken again', async () => {
    await using redis = await startRedis()
    await tellTime(redis.client, START_MS)
    const ledger = await openLedger(redis.port, { connections: new ClockedConnections() })
    const meter = ledger.meter(leaseOf(4, 300, redis.port))
    const reservations = [await hold(ledger, meter), await hold(ledger, meter)]
    // Redis forgets in an instant, by its clock and by losing its memory.
    await tellTime(redis.client, START_MS + 60_000)
    await until('both are taken again', async () => (await held(ledger, meter)) === 2)
    await redis.client.flushall()
    await tellTime(redis.client, START_MS + 60_000)
    await until('both are taken again', async () => (await held(ledger, meter)) === 2)
    for (const reservation of reservations) reservation.close()
    expect(await held(ledger, meter)).toBe(0)
    ledger.close()
  })

  test('F59 is not held for an hour longer when the clock of Redis steps an hour back', async () => {
    await using redis = await startRedis()
    await tellTime(redis.client, START_MS)
    const ledger = await openLedger(redis.port, { connections: new ClockedConnections() })
    const dead = await openLedger(redis.port, { connections: new ClockedConnections() })
    const meter = ledger.meter(leaseOf(1, 30_000, redis.port))
    await hold(dead, dead.meter(leaseOf(1, 30_000, redis.port)))
    dead.close()
    await tellTime(redis.client, START_MS - 3_600_000)
    expect((await ask(ledger, meter)).admitted).toBe(false)
    await tellTime(redis.client, START_MS - 3_600_000 + 30_000)
    expect((await ask(ledger, meter)).admitted).toBe(true)
    ledger.close()
  })
})

describe('while Redis is away', () => {
  test('F62 a release waits for Redis, and is carried out once it thaws', async () => {
    await using redis = await startRedis()
    const store = redisStore(redis.port, { onFailure: 'allow' })
    const quick = { ...store, redis: { ...store.redis, timeoutMs: 100 } }
    const ledger = await openLedger(redis.port, { store: quick })
    const meter = ledger.meter({ ...leaseOf(2, 30_000, redis.port), store: quick })
    const reservation = await hold(ledger, meter)
    redis.signal('SIGSTOP')
    reservation.close()
    const during: Reservation[] = []
    await until('Redis is away', async () => {
      during.push(await hold(ledger, meter))
      return ledger.degraded
    })
    // Those are held from now on; only one of them stays.
    for (const one of during.slice(1)) one.close()
    redis.signal('SIGCONT')
    await until('Redis is back', () => !ledger.degraded)
    await until('it knows of the one', async () => (await held(ledger, meter)) === 1)
    during[0]?.close()
    expect(await held(ledger, meter)).toBe(0)
    ledger.close()
  })

  test('F62 on_store_failure: local counts every kind of window, and what is held then is held in Redis later', async () => {
    await using redis = await startRedis()
    const store = redisStore(redis.port, { onFailure: 'local' })
    const ledger = await openLedger(redis.port, { store })
    const windows: readonly MeterWindow[] = [
      { kind: 'calendar', period: 'year' },
      { kind: 'calendar', period: 'month', timeZone: 'Asia/Bangkok' },
      { kind: 'sliding', lengthMs: 3_600_000 },
      { kind: 'gcra', lengthMs: 3_600_000, burst: 2 },
      { kind: 'concurrency', leaseMs: 30_000 },
    ]
    const meters = windows.map((window) =>
      ledger.meter({
        id: JSON.stringify(window),
        quantity: window.kind === 'concurrency' ? 'concurrent_requests' : 'total_tokens',
        window,
        limit: 2,
        store,
      }),
    )
    await redis.kill()
    await until('Redis is away', () => ledger.degraded)
    const all = (): Promise<Decision> =>
      Promise.resolve(ledger.reserve(meters.map((meter) => ({ meter, scope: 'alice', amount: 1 }))))
    const admitted = [await all(), await all()]
    expect(admitted).toMatchObject([
      { admitted: true, degraded: true },
      { admitted: true, degraded: true },
    ])
    expect(await all()).toMatchObject({ admitted: false })
    await redis.restart()
    await until('Redis is back', () => !ledger.degraded)
    const leases = meters.at(-1)
    if (leases === undefined) throw new Error('no meter')
    await until('what is held is held there', async () => (await held(ledger, leases)) === 2)
    for (const decision of admitted) {
      if (decision.admitted) decision.reservation.close(meters.map(() => 3))
    }
    await ledger.settle(5_000)
    const states = await Promise.all(meters.map(async (meter) => ledger.peek(meter, 'alice')))
    expect(states.map(({ used }) => used)).toEqual([6, 6, 6, 6, 0])
    ledger.close()
  })

  test('F64 killed and back empty: what is held is held there again at once', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const other = await openLedger(redis.port)
    const meter = ledger.meter(leaseOf(2, 30_000, redis.port))
    const theirs = other.meter(leaseOf(2, 30_000, redis.port))
    await hold(ledger, meter)
    await hold(other, theirs)
    await redis.restart()
    await until('both are back', () => !ledger.degraded && !other.degraded)
    await until('both are held', async () => (await held(ledger, meter)) === 2)
    expect(await ask(ledger, meter)).toMatchObject({ admitted: false })
    ledger.close()
    other.close()
  })

  test('F67 slow answers leave nothing held that nobody holds', async () => {
    await using redis = await startRedis()
    await using proxy = await startChaosProxy([redis.port])
    const store = redisStore(proxy.port, { onFailure: 'allow' })
    const quick = { ...store, redis: { ...store.redis, timeoutMs: 60 } }
    const ledger = await openLedger(proxy.port, { store: quick })
    const meter = ledger.meter({ ...leaseOf(1_000, 30_000, redis.port), store: quick })
    proxy.delay = () => Math.random() * 100
    const open: Reservation[] = []
    for (let i = 0; i < 60; i++) {
      open.push(await hold(ledger, meter))
      if (i % 3 === 0) open.shift()?.close()
    }
    proxy.delay = () => 0
    await until('Redis is back', () => !ledger.degraded)
    await until(
      'it knows of all that is open',
      async () => (await held(ledger, meter)) === open.length,
    )
    for (const reservation of open) reservation.close()
    await until('nothing is held', async () => (await held(ledger, meter)) === 0)
    ledger.close()
  })
})

test('in a cluster leases lie beside their scope’s counters, and are renewed and released there', async () => {
  await using cluster = await startCluster()
  const port = cluster.nodes[0]?.port ?? 0
  const store = redisStore(port)
  const redis = {
    ...store.redis,
    topology: 'cluster' as const,
    nodes: cluster.nodes.map((node) => ({ host: '127.0.0.1', port: node.port })),
  }
  const clustered = { ...store, redis }
  const ledger = await openLedger(port, { store: clustered })
  const meter = ledger.meter({ ...leaseOf(1, 300, port), store: clustered })
  const requests = ledger.meter({
    ...leaseOf(1, 300, port),
    id: 'requests',
    quantity: 'requests',
    window: { kind: 'sliding', lengthMs: 60_000 },
    limit: 1_000,
    store: clustered,
  })
  const scopes = Array.from({ length: 20 }, (_, i) => `scope-${i}`)
  const both = async (scope: string): Promise<Decision> =>
    ledger.reserve([meter, requests].map((one) => ({ meter: one, scope, amount: 1 })))
  const taken = await Promise.all(scopes.map(both))
  expect(taken.every(({ admitted }) => admitted)).toBe(true)
  const endMs = performance.now() + 900
  await until('three leases are over', () => performance.now() > endMs)
  expect((await Promise.all(scopes.map(both))).some(({ admitted }) => admitted)).toBe(false)
  for (const decision of taken) if (decision.admitted) decision.reservation.close([1, 0])
  await ledger.settle(5_000)
  for (const scope of scopes) {
    expect((await ledger.peek(meter, scope)).used).toBe(0)
    expect((await ledger.peek(requests, scope)).used).toBe(0)
  }
  ledger.close()
})
