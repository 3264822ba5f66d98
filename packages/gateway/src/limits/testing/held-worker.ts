import { parentPort, workerData } from 'node:worker_threads'
import type { CounterTable } from '../counter-table.ts'
import { createMemoryLedger } from '../memory-ledger.ts'

/** What a thread that holds and gives back until it is terminated is told. */
export interface HeldTask {
  readonly table: CounterTable
  readonly thread: number
  readonly limit: number
}

function run({ table, thread, limit }: HeldTask): void {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const ledger = createMemoryLedger({ clock, table, thread })
  const held = ledger.meter({
    id: 'held',
    quantity: 'concurrent_requests',
    window: { kind: 'concurrency', leaseMs: 30_000 },
    limit,
  })
  const sliding = ledger.meter({
    id: 'sliding',
    quantity: 'requests',
    window: { kind: 'sliding', lengthMs: 60_000 },
    limit: Number.MAX_SAFE_INTEGER,
  })
  parentPort?.postMessage('started')
  for (let i = 0; ; i++) {
    const scope = `scope-${i % 50}`
    const decision = ledger.reserve([
      { meter: held, scope, amount: 1 },
      { meter: sliding, scope, amount: 1 },
    ])
    // Some stay open, as streams do.
    if (decision.admitted && i % 97 !== 0) decision.reservation.close([0, 0])
  }
}

// The task crossed a thread boundary as a structured clone of exactly this type.
run(workerData as HeldTask)
