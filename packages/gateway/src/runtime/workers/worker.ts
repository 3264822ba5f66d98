/** The entry of a serving thread: everything is in `worker-serving.ts`. */
import module from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { WorkerStart } from './messages.ts'

if (parentPort === null) throw new Error('worker.ts is the entry of a worker thread')
// A replacement is waited for, and threads do not share the compile cache of the process by themselves.
module.enableCompileCache()
const { runWorker } = await import('./worker-serving.ts')
// Only the pool starts this file, with a `WorkerStart`.
await runWorker(parentPort, workerData as WorkerStart)
