/** The entry of the thread that validates one configuration and ends: the work is in `read-and-pack.ts`. */
import module from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { ReadingOrder } from './reader-thread.ts'

if (parentPort === null) throw new Error('reader.ts is the entry of a worker thread')
module.enableCompileCache()
const { readAndPack } = await import('./read-and-pack.ts')
// Only `readInThread` starts this file, with a `ReadingOrder`.
const { outcome, moved } = await readAndPack(workerData as ReadingOrder)
parentPort.postMessage(outcome, [...moved])
