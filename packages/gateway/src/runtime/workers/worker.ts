/** The entry of a serving thread: everything is in `worker-serving.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerStart } from './messages.ts'
import { runWorker } from './worker-serving.ts'

if (parentPort === null) throw new Error('worker.ts is the entry of a worker thread')
// Only the fleet starts this file, with a `WorkerStart`.
await runWorker(parentPort, workerData as WorkerStart)
