import { parentPort, workerData } from 'node:worker_threads'
import { createMetrics } from '../metrics.ts'

// A serving thread as it would be: writes its region, then hangs until it is terminated.
const metrics = createMetrics({ storage: workerData, region: 0 })
metrics.counter('pratu_refused_requests_total', ['from-worker']).add(5)
metrics.gauge('pratu_streams_open').add(3)
setInterval(() => undefined, 1000)
parentPort?.postMessage('ready')
