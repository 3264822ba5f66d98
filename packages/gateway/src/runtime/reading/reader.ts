/** The entry of the thread that validates one configuration and ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { parseConfiguration } from '../../config/index.ts'
import { loadPlugins } from '../plugin-modules.ts'
import type { ReadingOrder, ReadingOutcome } from './reader-thread.ts'

if (parentPort === null) throw new Error('reader.ts is the entry of a worker thread')
// Only `readInThread` starts this file, with a `ReadingOrder`.
const order = workerData as ReadingOrder
const parsed = parseConfiguration(order.sources, {
  plugins: await loadPlugins(order.pluginModules),
  enabledPlugins: order.enabledPlugins,
  environment: order.environment,
  compatibility: order.compatibility,
  ...(order.limits === undefined ? {} : { limits: order.limits }),
})
const outcome: ReadingOutcome = parsed.ok
  ? { ok: true, pack: parsed.pack() }
  : { ok: false, problems: parsed.problems }
const moved = outcome.ok
  ? [...outcome.pack.portions, outcome.pack.writtenConfigs].map(({ buffer }) => buffer)
  : []
parentPort.postMessage(outcome, moved)
