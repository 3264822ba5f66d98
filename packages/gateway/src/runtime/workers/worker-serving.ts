import { setTimeout } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import { createHealthHandler, HEALTH_PATHS } from '../../admin/index.ts'
import {
  createFieldRule,
  createLagMonitor,
  createLogs,
  createMetrics,
} from '../../observe/index.ts'
import { FAREWELL_MS, LAST_WORDS_MS } from '../drain.ts'
import { openJournal } from '../open-journal.ts'
import { loadPlugins } from '../plugin-modules.ts'
import { Serving } from '../serving.ts'
import { systemClock } from '../system-clock.ts'
import {
  toSentError,
  type Answers,
  type Command,
  type Order,
  type Report,
  type WorkerStart,
} from './messages.ts'
import { PreparedSnapshots } from './prepared-snapshots.ts'
import { Pulse, SharedState } from './shared-state.ts'

const HEARTBEAT_MS = 200

/** How long the main thread may take to take over the last log lines, ms. */
const FLUSH_MS = 250

/** Serves on this thread as the main thread commands. */
export async function runWorker(port: MessagePort, start: WorkerStart): Promise<void> {
  const { settings, worker, workers } = start
  const state = new SharedState(start.state)
  const pulse = new Pulse(start.pulse)
  const metrics = createMetrics({ storage: start.metrics, region: start.region })
  const logs = createLogs({
    settings,
    metrics,
    port: start.logs,
    worker,
    terminals: start.terminals,
    rule: createFieldRule(settings.redaction.fields, start.secrets.redactKey),
  })
  const { logger } = logs
  const plugins = await loadPlugins(settings.pluginModules)
  const serving = new Serving({
    settings,
    plugins,
    metrics,
    logger,
    accessLog: logs.proxyAccess,
    redactor: logs.redactor,
    counters: start.counters,
    thread: start.region,
    journal: openJournal({ ...start, metrics, logger }),
    rebuilds: start.rebuilds,
    clock: systemClock,
    worker,
    workers,
    health: createHealthHandler({
      configured: () => state.generation > 0,
      draining: () => state.draining,
      withdrawn: () => state.withdrawn,
      storeAway: () => !settings.readyWithoutRedis && serving.storeAway,
    }),
    healthPaths: HEALTH_PATHS,
    beforeRequest: () => prepared.adopt(),
  })
  const prepared = new PreparedSnapshots(serving, plugins, state, pulse)
  createLagMonitor(metrics)
  setInterval(() => {
    pulse.storeAway = serving.storeAway
    pulse.beat()
  }, HEARTBEAT_MS).unref()
  pulse.beat()

  const report = (message: Report): void => port.postMessage(message)

  async function obey(command: Command): Promise<Answers[Command['kind']]> {
    switch (command.kind) {
      case 'prepare':
        await prepared.prepare(command.generation, command.portions)
        return undefined
      case 'abort':
        prepared.abort(command.generation)
        return undefined
      case 'adopt':
        prepared.adopt()
        return undefined
      case 'listen':
        return serving.listen(command.addresses)
      case 'drain':
        serving.drain()
        return undefined
      case 'stop-accepting':
        serving.stopAccepting()
        return undefined
      case 'await-settled':
        return serving.settled(command.timeoutMs)
      case 'interrupt':
        return serving.interruptAll()
      case 'read-cached':
        return serving.cache.read(command.owner, command.key)
      case 'remove-cached':
        return serving.cache.delete(command.owner, command.key)
      case 'purge-cached':
        await serving.purgeCached(command.owners, command.labels)
        return undefined
      case 'read-limits':
        return serving.readLimits(command.question)
      case 'reset-limits':
        return serving.resetLimits(command.meter, command.scope)
      case 'close':
        await serving.close(command.graceMs)
        await logs.flush(FLUSH_MS)
        return undefined
    }
  }

  // What a defect left behind cannot be trusted: finish what is under way, take nothing new, end (F51).
  const leave = async (): Promise<void> => {
    serving.stopAccepting()
    await setTimeout(Math.min(FAREWELL_MS, settings.drain.timeoutMs))
    if (!(await serving.settled(settings.drain.timeoutMs))) serving.interruptAll()
    await serving.close(LAST_WORDS_MS)
    await logs.flush(FLUSH_MS)
  }
  let failing = false
  const fail = (error: unknown): void => {
    if (failing) return
    failing = true
    const requestId = serving.blame()
    logger.fatal('a defect in this worker', { request_id: requestId, error })
    report({ kind: 'failing', reason: error instanceof Error ? error.message : String(error) })
    void leave().finally(() => process.exit(1))
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  // Only the main thread of this same program posts there.
  port.on('message', ({ id, command }: Order) => {
    obey(command).then(
      (value) => report({ kind: 'done', id, value }),
      (error: unknown) => report({ kind: 'refused', id, error: toSentError(error) }),
    )
  })
}
