import type { MessagePort } from 'node:worker_threads'
import { createHealthHandler, HEALTH_PATHS } from '../../admin/index.ts'
import { unpackConfiguration } from '../../config/index.ts'
import {
  createAccessLog,
  createLagMonitor,
  createLogger,
  createMetrics,
  createNoAccessLog,
  createPortLogSink,
  Redactor,
} from '../../observe/index.ts'
import type { PinnedSnapshot } from '../pinned-snapshot.ts'
import { loadPlugins } from '../plugin-modules.ts'
import { Serving } from '../serving.ts'
import { systemClock } from '../system-clock.ts'
import { isCommand, type Command, type Report, type WorkerStart } from './messages.ts'
import { SharedState } from './shared-state.ts'

const HEARTBEAT_MS = 200

/** Serves on this thread as the main thread commands. */
export async function runWorker(port: MessagePort, start: WorkerStart): Promise<void> {
  const { settings, worker, workers, terminal } = start
  const state = new SharedState(workers, start.state)
  const metrics = createMetrics({ storage: start.metrics, region: worker + 1 })
  const dropped = (destination: string) => {
    const counter = metrics.counter('pratu_log_dropped_total', [destination])
    return (lines: number): void => counter.add(lines)
  }
  const format = terminal ? 'text' : 'json'
  const logger = createLogger({
    level: settings.logLevel,
    sink: createPortLogSink(start.logs.error, {
      log: 'error',
      onDropped: dropped(settings.errorLog),
    }),
    format,
    members: { worker },
  })
  const redactor = new Redactor()
  const accessLog =
    settings.proxyAccessLog === 'off'
      ? createNoAccessLog()
      : createAccessLog({
          sink: createPortLogSink(start.logs.access, {
            log: 'access',
            onDropped: dropped(settings.proxyAccessLog),
          }),
          redactor,
          format,
        })
  const plugins = await loadPlugins(settings.pluginModules)
  const prepared = new Map<number, PinnedSnapshot>()
  const serving = new Serving({
    settings,
    plugins,
    metrics,
    logger,
    accessLog,
    redactor,
    counters: start.counters,
    clock: systemClock,
    worker,
    workers,
    health: createHealthHandler({
      configured: () => state.generation > 0,
      draining: () => state.draining,
    }),
    healthPaths: HEALTH_PATHS,
    beforeRequest: adopt,
  })
  createLagMonitor(metrics)
  setInterval(() => state.beat(worker), HEARTBEAT_MS).unref()
  state.beat(worker)

  /** One atomic read a request: every worker switches at the same moment. */
  function adopt(): void {
    const { generation } = state
    if (generation === serving.generation) return
    const snapshot = prepared.get(generation)
    if (snapshot === undefined) return
    prepared.delete(generation)
    serving.commit(snapshot)
  }

  const report = (message: Report): void => port.postMessage(message)
  const obey = async (command: Command): Promise<void> => {
    switch (command.kind) {
      case 'prepare':
        report({
          kind: 'prepared',
          generation: command.generation,
          error: await prepare(command),
        })
        break
      case 'abort':
        prepared.get(command.generation)?.retire()
        prepared.delete(command.generation)
        break
      case 'listen':
        try {
          const addresses = await serving.listen(command.addresses)
          report({ kind: 'listening', addresses, error: undefined })
        } catch (error) {
          report({ kind: 'listening', addresses: [], error: String(error) })
        }
        break
      case 'drain':
        serving.drain()
        break
      case 'stop-accepting':
        serving.stopAccepting()
        break
      case 'await-settled':
        report({ kind: 'settled', all: await serving.settled(command.timeoutMs) })
        break
      case 'interrupt':
        report({ kind: 'interrupted', count: serving.interruptAll() })
        break
      case 'close':
        await serving.close(command.graceMs)
        report({ kind: 'closed' })
        break
      case 'purge-cache': {
        const { owner } = command
        serving.cache.purge(owner === undefined ? undefined : (one) => one === owner)
        break
      }
    }
  }

  /** @returns what makes the configuration unusable here. The main thread has validated it before. */
  async function prepare({
    generation,
    portions,
  }: Extract<Command, { kind: 'prepare' }>): Promise<string | undefined> {
    try {
      const entities = await unpackConfiguration({ portions }, { plugins })
      const snapshot = await serving.prepare(entities, generation)
      if (state.generation === generation) serving.commit(snapshot)
      else prepared.set(generation, snapshot)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  // What a defect left behind cannot be trusted: finish what is under way, take nothing new, end (F51).
  let failing = false
  const fail = (error: unknown): void => {
    if (failing) return
    failing = true
    logger.fatal('a defect in this worker', { error })
    report({ kind: 'failing', reason: error instanceof Error ? error.message : String(error) })
    serving.stopAccepting()
    void serving
      .settled(settings.drain.timeoutMs)
      .then(() => serving.close(0))
      .finally(() => process.exit(1))
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  port.on('message', (message: unknown) => {
    if (isCommand(message)) obey(message).catch(fail)
  })
}
