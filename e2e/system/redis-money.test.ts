import type { Decision, Ledger, Meter, RedisLimitStore, Reservation } from '@pratu/plugin-kit'
import { describe, expect, test } from 'vitest'
import type { LimitLedger } from '../../packages/gateway/src/limits/index.ts'
import { startChaosProxy } from '../limits/chaos-proxy.ts'
import { budgetOf, openLedger, redisStore } from '../limits/open-ledger.ts'
import { startCluster, startRedis, until } from '../limits/redis-server.ts'

/** Nano-dollars. */
const DOLLAR = 1_000_000_000
const CENT = DOLLAR / 100

async function reserve(ledger: Ledger, meter: Meter, amount: number): Promise<Reservation> {
  const decision = await ledger.reserve([{ meter, scope: 'team', amount }])
  if (!decision.admitted) throw new Error(`refused: ${JSON.stringify(decision)}`)
  return decision.reservation
}

async function spent(ledger: LimitLedger, meter: Meter): Promise<number> {
  return (await ledger.peek(meter, 'team')).used
}

/** 100 ms, as in production. */
function impatient(port: number, onFailure: RedisLimitStore['onFailure']): RedisLimitStore {
  const store = redisStore(port, { onFailure })
  return { ...store, redis: { ...store.redis, timeoutMs: 100 } }
}

describe('F72 T9 a budget of $1.00, two replicas, 200 concurrent requests of $0.05 each', () => {
  test('admits 20, and never more than what is not spent yet', async () => {
    await using redis = await startRedis()
    const ledgers = [await openLedger(redis.port), await openLedger(redis.port)]
    const meters = ledgers.map((ledger) => ledger.meter(budgetOf(DOLLAR, redis.port)))
    const round = (): Promise<(readonly [LimitLedger, Decision])[]> =>
      Promise.all(
        ledgers.flatMap((ledger, i) =>
          Array.from({ length: 200 }, async () => {
            const meter = meters[i]
            if (meter === undefined) throw new Error('no meter')
            const hold = { meter, scope: 'team', amount: 5 * CENT }
            return [ledger, await ledger.reserve([hold])] as const
          }),
        ),
      )
    let total = 0
    for (let rounds = 0; total < DOLLAR; rounds++) {
      expect(rounds).toBeLessThan(40)
      const room = Math.floor((DOLLAR - total) / (5 * CENT))
      const decisions = (await round()).map(([, decision]) => decision)
      const admitted = decisions.filter((decision) => decision.admitted)
      expect(admitted).toHaveLength(room)
      if (room === 0) break
      for (const [i, decision] of admitted.entries()) {
        const actual = i % 4 === 0 ? 5 * CENT : 3 * CENT
        total += actual
        decision.reservation.close([actual])
      }
      await Promise.all(ledgers.map((ledger) => ledger.settle(5_000)))
      expect(
        await Promise.all(ledgers.map((ledger, i) => spent(ledger, meters[i] ?? fail()))),
      ).toEqual([total, total])
    }
    expect(total).toBeLessThanOrEqual(DOLLAR)
    expect(total).toBeGreaterThan(DOLLAR - 5 * CENT)
    for (const ledger of ledgers) ledger.close()
  })
})

function fail(): never {
  throw new Error('no meter')
}

describe('what is settled', () => {
  test.each(['single', 'cluster'] as const)(
    'F62 counts once on a %s Redis, though it froze between the question and the answer',
    async (topology) => {
      await using cluster = topology === 'cluster' ? await startCluster() : undefined
      await using single = cluster === undefined ? await startRedis() : undefined
      const nodes = cluster?.nodes ?? (single === undefined ? [] : [single])
      const port = nodes[0]?.port ?? 0
      const base = impatient(port, 'allow')
      const store: RedisLimitStore = {
        ...base,
        redis: {
          ...base.redis,
          topology,
          nodes: nodes.map((node) => ({ host: '127.0.0.1', port: node.port })),
        },
      }
      const ledger = await openLedger(port, { store })
      const meter = ledger.meter({ ...budgetOf(DOLLAR, port), store })
      const reservations: Reservation[] = []
      for (let i = 0; i < 10; i++) reservations.push(await reserve(ledger, meter, 5 * CENT))
      for (const node of nodes) node.signal('SIGSTOP')
      for (const reservation of reservations) reservation.close([2 * CENT])
      // Long enough for the socket to be given up: old commands and new ones arrive on two connections.
      await until('Redis is away', async () => {
        await ledger.peek(meter, 'team')
        return ledger.degraded
      })
      const endMs = performance.now() + 2_500
      await until('the socket is given up', () => performance.now() > endMs)
      expect(ledger.corrections().waitingBytes).toBeGreaterThan(0)
      for (const node of nodes) node.signal('SIGCONT')
      await until('Redis is back', () => !ledger.degraded)
      await ledger.settle(10_000)
      expect(await spent(ledger, meter)).toBe(20 * CENT)
      expect(ledger.corrections()).toEqual({ waitingBytes: 0, lost: 0 })
      ledger.close()
    },
  )

  test('F67 counts once on a slow Redis, whatever arrives late', async () => {
    await using redis = await startRedis()
    await using proxy = await startChaosProxy([redis.port])
    const store = impatient(proxy.port, 'allow')
    const ledger = await openLedger(proxy.port, { store })
    const meter = ledger.meter({ ...budgetOf(100 * DOLLAR, proxy.port), store })
    proxy.delay = () => Math.random() * 150
    let total = 0
    const open: Promise<void>[] = []
    for (let i = 0; i < 60; i++) {
      const reservation = await reserve(ledger, meter, 5 * CENT)
      const actual = (i % 9) * CENT
      total += actual
      if (i % 2 === 0) reservation.close([actual])
      else open.push(Promise.resolve().then(() => reservation.close([actual])))
    }
    await Promise.all(open)
    proxy.delay = () => 0
    await until('Redis is back', () => !ledger.degraded)
    await ledger.settle(10_000)
    await until('everything is counted', async () => (await spent(ledger, meter)) === total)
    ledger.close()
  })

  test('F63 is told to Redis when it is back, if it was spent without it', async () => {
    await using redis = await startRedis()
    const store = impatient(redis.port, 'local')
    const ledger = await openLedger(redis.port, { store })
    const meter = ledger.meter({ ...budgetOf(DOLLAR, redis.port), store })
    const before = await reserve(ledger, meter, 5 * CENT)
    before.close([1 * CENT])
    await ledger.settle(5_000)
    redis.signal('SIGSTOP')
    await until('Redis is away', async () => {
      await ledger.peek(meter, 'team')
      return ledger.degraded
    })
    const during = await reserve(ledger, meter, 50 * CENT)
    during.close([40 * CENT])
    redis.signal('SIGCONT')
    await until('Redis is back', () => !ledger.degraded)
    await ledger.settle(5_000)
    expect(await spent(ledger, meter)).toBe(41 * CENT)
    ledger.close()
  })

  test('F65 waits while Redis is read-only, and counts once it is a master again', async () => {
    await using other = await startRedis()
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(budgetOf(DOLLAR, redis.port, { onFailure: 'allow' }))
    const reservation = await reserve(ledger, meter, 5 * CENT)
    // A replica that never gets its master's data keeps its own.
    await redis.client.config('SET', 'masterauth', 'wrong')
    await other.client.config('SET', 'requirepass', 'right')
    await redis.client.call('REPLICAOF', '127.0.0.1', String(other.port))
    reservation.close([2 * CENT])
    await until('the ledger has noticed', () => ledger.degraded)
    await redis.client.call('REPLICAOF', 'NO', 'ONE')
    await until('Redis is back', () => !ledger.degraded)
    await ledger.settle(10_000)
    expect(await spent(ledger, meter)).toBe(2 * CENT)
    ledger.close()
  })

  test('F65 in a cluster waits for the replica that takes over, and counts once there', async () => {
    await using cluster = await startCluster()
    const base = impatient(cluster.nodes[0]?.port ?? 0, 'allow')
    const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    // Long enough for a busy machine to open connections to all nodes.
    const redis = { ...base.redis, topology: 'cluster' as const, nodes, timeoutMs: 1_000 }
    const store: RedisLimitStore = { ...base, redis }
    const ledger = await openLedger(0, { store })
    const meter = ledger.meter({ ...budgetOf(DOLLAR, 0), store })
    const scopes = Array.from({ length: 24 }, (_, i) => `team-${i}`)
    const reservations: Reservation[] = []
    for (const scope of scopes) {
      const decision = await ledger.reserve([{ meter, scope, amount: 5 * CENT }])
      if (decision.admitted) reservations.push(decision.reservation)
    }
    expect(reservations).toHaveLength(24)
    const keys = async (from: number): Promise<number> => {
      const sizes = cluster.nodes.slice(from, from + 3).map(({ client }) => client.dbsize())
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
    }
    await until('the replicas have it', async () => (await keys(3)) >= (await keys(0)))
    await cluster.nodes[0]?.kill()
    for (const reservation of reservations) reservation.close([1 * CENT])
    await until('everything is settled', () => ledger.corrections().waitingBytes === 0, 20_000)
    expect(ledger.corrections().lost).toBe(0)
    const counted = async (): Promise<readonly (number | undefined)[]> => {
      const states = await Promise.all(scopes.map(async (scope) => ledger.peek(meter, scope)))
      return states.map(({ used, unknown }) => (unknown === true ? undefined : used / CENT))
    }
    await until('every slot answers', async () => !(await counted()).includes(undefined))
    expect(await counted()).toEqual(scopes.map(() => 1))
    ledger.close()
  })

  test('is given up where Redis does not want it, and that is told', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(budgetOf(DOLLAR, redis.port))
    const reservation = await reserve(ledger, meter, 5 * CENT)
    await redis.client.del('pratu:limits:{team}')
    await redis.client.set('pratu:limits:{team}', 'something else')
    reservation.close([1 * CENT])
    await until('it is given up', () => ledger.corrections().lost === 1)
    expect(ledger.corrections().waitingBytes).toBe(0)
    ledger.close()
  })

  test('F66 SCRIPT FLUSH costs nothing', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(budgetOf(DOLLAR, redis.port))
    for (let i = 0; i < 10; i++) {
      const reservation = await reserve(ledger, meter, 5 * CENT)
      await redis.client.script('FLUSH')
      reservation.close([i * CENT])
      await redis.client.script('FLUSH')
      await ledger.settle(5_000)
    }
    expect(await spent(ledger, meter)).toBe(45 * CENT)
    ledger.close()
  })

  test('F64 FLUSHALL: what comes back is never more than was taken, and spend can be rebuilt', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(budgetOf(DOLLAR, redis.port))
    const reservation = await reserve(ledger, meter, 60 * CENT)
    await redis.client.flushall()
    reservation.close([0])
    await ledger.settle(5_000)
    expect(await spent(ledger, meter)).toBe(0)
    const records = Array.from({ length: 1_000 }, async () =>
      ledger.record(meter, 'team', CENT / 20, Date.now()),
    )
    await Promise.all(records)
    expect(await spent(ledger, meter)).toBe(50 * CENT)
    await expect(reserve(ledger, meter, 51 * CENT)).rejects.toThrow('refused')
    ledger.close()
  })

  test.each([false, true])(
    'F64 what was taken from a Redis that was emptied is never given back to it (counted again by others: %s)',
    async (isReplayed) => {
      await using redis = await startRedis()
      const ledger = await openLedger(redis.port, { isReplayed })
      const births: number[] = []
      // Who listens counts again; this one does not.
      const watching = await openLedger(redis.port)
      watching.meter(budgetOf(1, redis.port))
      watching.onBirth(({ bornAtMs }) => births.push(bornAtMs))
      await until('its birth is known', () => births.length === 1)
      const meter = ledger.meter(budgetOf(DOLLAR, redis.port, { onFailure: 'allow' }))
      const [before, during] = [
        await reserve(ledger, meter, 20 * CENT),
        await reserve(ledger, meter, 20 * CENT),
      ]
      await redis.kill()
      await until('Redis is away', () => ledger.degraded)
      during.close([3 * CENT])
      await redis.restart()
      await until('Redis is back', () => !ledger.degraded && births.length === 2)
      const after = await reserve(ledger, meter, 10 * CENT)
      before.close([2 * CENT])
      await ledger.settle(5_000)
      // What ended before the birth is in somebody's records, or else told now; what ended after it is always told.
      expect(await spent(ledger, meter)).toBe((isReplayed ? 12 : 15) * CENT)
      after.close([4 * CENT])
      await ledger.settle(5_000)
      expect(await spent(ledger, meter)).toBe((isReplayed ? 6 : 9) * CENT)
      await redis.client.flushall()
      await until('it is noticed without a restart', () => births.length === 3)
      watching.close()
      ledger.close()
    },
  )

  test('F64 of all who can count again what a source has used, one does', async () => {
    await using redis = await startRedis()
    const ledgers = await Promise.all([1, 2, 3].map(() => openLedger(redis.port)))
    const claims: boolean[] = []
    for (const ledger of ledgers) {
      ledger.onBirth((store) => void store.claim('node-1').then((won) => claims.push(won)))
    }
    await until('all have tried', () => claims.length === 3)
    expect(claims.filter(Boolean)).toHaveLength(1)
    for (const ledger of ledgers) ledger.close()
  })

  test('F78 what waits for Redis is bounded, and what is given up is told', async () => {
    await using redis = await startRedis()
    const ledger = await openLedger(redis.port)
    const meter = ledger.meter(budgetOf(DOLLAR, redis.port, { onFailure: 'allow' }))
    await redis.kill()
    await until('Redis is away', () => ledger.degraded)
    for (let i = 0; i < 80_000; i++) (await reserve(ledger, meter, 1)).close([1])
    const { waitingBytes, lost } = ledger.corrections()
    expect(waitingBytes).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(lost).toBeGreaterThan(0)
    await redis.restart()
    await until('Redis is back', () => !ledger.degraded)
    await ledger.settle(10_000)
    expect(await spent(ledger, meter)).toBe(80_000 - lost)
    ledger.close()
  })
})
