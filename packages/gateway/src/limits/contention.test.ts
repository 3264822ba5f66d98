import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createCounterTable, releaseThread, type CounterTable } from './counter-table.ts'
import { createMemoryLedger } from './memory-ledger.ts'
import type { ContentionResult, ContentionTask } from './testing/contention-worker.ts'
import type { HeldTask } from './testing/held-worker.ts'

const NOON = Date.UTC(2026, 4, 12, 12)
const THREADS = 4

type Task = Omit<ContentionTask, 'gate' | 'nowMs' | 'thread'>

/** For the main thread and those that race. */
function tableOf(slots: number): CounterTable {
  return createCounterTable({ slots, threads: 1 + THREADS })
}

function start(task: Task): { gate: Int32Array; workers: Worker[] } {
  const gate = new SharedArrayBuffer(4)
  const workers = Array.from({ length: THREADS }, (_, i) => {
    const workerData: ContentionTask = { ...task, thread: 1 + i, gate, nowMs: NOON }
    return new Worker(new URL('./testing/contention-worker.ts', import.meta.url), { workerData })
  })
  return { gate: new Int32Array(gate), workers }
}

function open(gate: Int32Array): void {
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
}

/** @returns how many were kept by all threads together, per scope. */
async function contend(task: Task): Promise<readonly number[]> {
  const { gate, workers } = start(task)
  const results = workers.map(async (worker) => {
    const [message] = await once(worker, 'message')
    // The worker posts exactly this type.
    return message as ContentionResult
  })
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  open(gate)
  const kept = await Promise.all(results)
  return task.scopes.map((_, i) => kept.reduce((sum, result) => sum + (result.kept[i] ?? 0), 0))
}

function countIn(table: CounterTable, id: string, scope: string): number {
  const ledger = createMemoryLedger({
    clock: { now: () => NOON, monotonic: () => 0 },
    table,
    machineMs: () => 0,
    uptimeMs: () => 0,
  })
  const limit = 1_000_000
  const meter = ledger.meter({
    id,
    quantity: 'requests',
    window: { kind: 'calendar', period: 'minute' },
    limit,
  })
  const decision = ledger.reserve([{ meter, scope, amount: 1 }])
  if (decision.admitted) decision.reservation.close([0])
  return limit - (decision.meters[0]?.remaining ?? 0) - 1
}

const minute = (limit: number) => ({ id: 'a', period: 'minute', limit }) as const

test('F68 four threads that race for one counter admit exactly its limit', async () => {
  const table = tableOf(64)
  const kept = await contend({
    table,
    meters: [minute(20_000)],
    scopes: ['alice'],
    attempts: 20_000,
  })
  expect(kept).toEqual([20_000])
  expect(countIn(table, 'a', 'alice')).toBe(20_000)
})

test('F68 with several meters the tightest decides, exactly, and the others count as much', async () => {
  const table = tableOf(64)
  const meters = [minute(12_000), { id: 'b', period: 'hour', limit: 9_321 } as const]
  expect(await contend({ table, meters, scopes: ['alice'], attempts: 20_000 })).toEqual([9_321])
  expect(countIn(table, 'a', 'alice')).toBe(9_321)
})

test('F70 what is given back under contention is admitted again, and nothing is lost', async () => {
  const table = tableOf(64)
  const kept = await contend({
    table,
    meters: [minute(10_000)],
    scopes: ['alice'],
    attempts: 20_000,
    giveBackEvery: 3,
  })
  expect(kept).toEqual([10_000])
  expect(countIn(table, 'a', 'alice')).toBe(10_000)
})

test('threads that add thousands of new scopes at once agree on one counter for each', async () => {
  const table = tableOf(8_192)
  const scopes = Array.from({ length: 4_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  const kept = await contend({ table, meters: [minute(3)], scopes, attempts: 2 })
  expect(kept.every((count) => count === 3)).toBe(true)
})

test('a full table under contention refuses early but admits no scope beyond its limit', async () => {
  const table = tableOf(256)
  const scopes = Array.from({ length: 2_000 }, (_, i) => `scope-${i}`)
  const kept = await contend({ table, meters: [minute(3)], scopes, attempts: 4 })
  expect(Math.max(...kept)).toBe(3)
  expect(kept.filter((count) => count === 3).length).toBeGreaterThanOrEqual(250)
})

test('F50 a thread that is terminated in the middle leaves its counts and no lock behind', async () => {
  for (let round = 0; round < 2; round++) {
    const table = tableOf(4_096)
    const scopes = Array.from({ length: 1_000 }, (_, i) => `scope-${i}`)
    const meters = [minute(1_000_000)]
    const { gate, workers } = start({ table, meters, scopes, attempts: Number.MAX_SAFE_INTEGER })
    await Promise.all(workers.map((worker) => once(worker, 'online')))
    open(gate)
    while (countIn(table, 'a', 'scope-999') === 0) await new Promise(setImmediate)
    await Promise.all(workers.map((worker) => worker.terminate()))
    for (const i of workers.keys()) releaseThread(table, 1 + i)

    const before = countIn(table, 'a', 'scope-0')
    expect(before).toBeGreaterThan(0)
    expect(
      await contend({ table, meters: [minute(before + 100)], scopes: ['scope-0'], attempts: 200 }),
    ).toEqual([100])
  }
})

test('F72 four threads with 50 calls of $0.05 each for the last dollar: exactly 20 are admitted', async () => {
  const table = tableOf(64)
  const amount = 50_000_000
  const budget = { id: 'budget', period: 'month', limit: 1_000_000_000 } as const
  const kept = await contend({ table, meters: [budget], scopes: ['alice'], attempts: 50, amount })
  expect(kept).toEqual([20])
})

test('F50 F70 threads terminated while they take and give back leave nothing held, and no lock', async () => {
  const limit = 2
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  for (let round = 0; round < 6; round++) {
    const table = tableOf(1_024)
    const workers = [1, 2].map((thread) => {
      const workerData: HeldTask = { table, thread, limit }
      return new Worker(new URL('./testing/held-worker.ts', import.meta.url), { workerData })
    })
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    for (const [i, worker] of workers.entries()) {
      await worker.terminate()
      releaseThread(table, 1 + i)
    }
    const ledger = createMemoryLedger({ clock, table })
    const held = ledger.meter({
      id: 'held',
      quantity: 'concurrent_requests',
      window: { kind: 'concurrency', leaseMs: 30_000 },
      limit,
    })
    for (let i = 0; i < 50; i++) {
      expect(ledger.peek(held, `scope-${i}`).used).toBe(0)
      expect(ledger.reserve([{ meter: held, scope: `scope-${i}`, amount: limit }]).admitted).toBe(
        true,
      )
    }
  }
})
