import { parentPort, workerData } from 'node:worker_threads'
import type { Period } from '@pratu/plugin-kit'
import type { CounterTable } from '../counter-table.ts'
import { createMemoryLedger } from '../memory-ledger.ts'

/** What a thread of the contention tests is told. */
export interface ContentionTask {
  readonly table: CounterTable
  /** Its number among the table's threads. */
  readonly thread: number
  /** All threads start when this becomes 1, and stop early when it becomes 2. */
  readonly gate: SharedArrayBuffer
  /** Frozen wall clock, so that no window ends during the test. */
  readonly nowMs: number
  readonly meters: readonly {
    readonly id: string
    readonly period: Period
    readonly limit: number
  }[]
  readonly scopes: readonly string[]
  /** Reservations per scope; every `giveBackEvery`th admitted one is given back. */
  readonly attempts: number
  readonly giveBackEvery?: number
  /** Of each reservation; 1 when absent. */
  readonly amount?: number
}

export interface ContentionResult {
  /** Admitted and kept, per scope. */
  readonly kept: readonly number[]
}

function run(task: ContentionTask): ContentionResult {
  const ledger = createMemoryLedger({
    clock: { now: () => task.nowMs, monotonic: () => 0 },
    table: task.table,
    thread: task.thread,
    machineMs: () => 0,
    uptimeMs: () => 0,
  })
  const meters = task.meters.map(({ id, period, limit }) =>
    ledger.meter({ id, quantity: 'requests', window: { kind: 'calendar', period }, limit }),
  )
  const gate = new Int32Array(task.gate)
  const { amount = 1 } = task
  const kept = task.scopes.map(() => 0)
  let admitted = 0
  Atomics.wait(gate, 0, 0)
  for (let attempt = 0; attempt < task.attempts && Atomics.load(gate, 0) !== 2; attempt++) {
    for (const [i, scope] of task.scopes.entries()) {
      const decision = ledger.reserve(meters.map((meter) => ({ meter, scope, amount })))
      if (!decision.admitted) continue
      admitted += 1
      if (task.giveBackEvery !== undefined && admitted % task.giveBackEvery === 0) {
        decision.reservation.close(meters.map(() => 0))
      } else {
        kept[i] = (kept[i] ?? 0) + 1
        decision.reservation.close()
      }
    }
  }
  return { kept }
}

// The task crossed a thread boundary as a structured clone of exactly this type.
parentPort?.postMessage(run(workerData as ContentionTask))
