import { randomUUID } from 'node:crypto'
import { createHealthHandler, HEALTH_PATHS } from '../admin/index.ts'
import type { DrainSettings, ListenAddress, NodeSettings } from '../config/index.ts'
import { createCounterTable } from '../limits/index.ts'
import {
  createFieldRule,
  createLagMonitor,
  createLogs,
  createMetrics,
  createMetricStorage,
  registerNodeMetrics,
  type Logger,
  type Logs,
  type Metrics,
} from '../observe/index.ts'
import { AdminServer } from './admin-server.ts'
import { ConfigurationStore, type Origin, type ReloadFailure } from './configuration-store.ts'
import { drain } from './drain.ts'
import { LocalFleet, type Fleet } from './fleet.ts'
import { openJournal, type JournalSecrets } from './open-journal.ts'
import { loadPlugins } from './plugin-modules.ts'
import { ConfigurationReader } from './reading/configuration-reader.ts'
import { Serving } from './serving.ts'
import { systemClock } from './system-clock.ts'
import { PRATU_VERSION } from './version.ts'
import { ConfigurationWatch } from './watch.ts'
import { regionCount } from './workers/regions.ts'
import { reusePortIssue } from './workers/reuse-port.ts'
import { WorkerFleet } from './workers/worker-fleet.ts'
import { WorkerEnded } from './workers/worker-thread.ts'

export interface GatewayOptions {
  readonly settings: NodeSettings
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What reading the settings had to say; logged at start. */
  readonly warnings: readonly string[]
}

/** A running gateway. */
export interface Gateway {
  readonly proxyAddresses: readonly ListenAddress[]
  readonly adminAddresses: readonly ListenAddress[]
  readonly logger: Logger
  /** Resolves when all logs were written, or after `maxMs`. */
  flushLogs(maxMs: number): Promise<void>
  /** Reads the configured file again. A bad one is refused, and the reason logged. */
  reload(origin: Origin): Promise<void>
  /**
   * Takes the gateway out of service; it cannot be used again.
   *
   * @param hurry aborted when there is no time left.
   */
  drain(settings: DrainSettings, hurry?: AbortSignal): Promise<void>
  /** Ends the request whose code is running with an error. @returns its id, where it is known. */
  blame(): string | undefined
}

/** The configuration at start is not usable. */
export class ConfigurationRefused extends Error {
  override readonly name = 'ConfigurationRefused'
  readonly failure: ReloadFailure

  constructor(failure: ReloadFailure) {
    super(failure.message)
    this.failure = failure
  }
}

/** The gateway could not be started; the message says why, for whoever operates it. */
export class StartFailed extends Error {
  override readonly name = 'StartFailed'
}

/**
 * Composes the parts and starts serving.
 *
 * @throws {ConfigurationRefused} when the configuration is not valid.
 * @throws {PluginModuleError} when a plugin module cannot be used.
 * @throws {StartFailed} when a log cannot be opened or a worker does not start.
 * @throws {Error} the system's, when an address cannot be bound.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings = withServableWorkers(options.settings)
  const { workers } = settings
  const storage = createMetricStorage({ regions: regionCount(workers) })
  const metrics = createMetrics({ storage, region: 0 })
  const secrets = journalSecrets(settings)
  const logs = openLogs(settings, metrics, secrets)
  const { logger } = logs
  for (const warning of options.warnings) logger.warn(warning)
  if (workers !== options.settings.workers)
    logger.warn(`one worker only: ${reusePortIssue() ?? ''}`)
  const nodeId = randomUUID()
  registerNodeMetrics(metrics, {
    nodeId,
    version: PRATU_VERSION,
    containerMetrics: settings.containerMetrics,
  })
  const lag = createLagMonitor(metrics)
  const plugins = await loadPlugins(settings.pluginModules)

  let draining = false
  const serving =
    workers > 1
      ? undefined
      : new Serving({
          settings,
          plugins,
          metrics,
          logger,
          accessLog: logs.proxyAccess,
          redactor: logs.redactor,
          counters: createCounterTable(),
          thread: 0,
          journal: openJournal({
            settings,
            secrets,
            metrics,
            logger,
            worker: 0,
            workers: 1,
            region: 0,
          }),
          rebuilds: true,
          clock: systemClock,
          worker: 0,
          workers: 1,
          health: createHealthHandler({
            configured: () => store.current !== undefined,
            draining: () => draining,
            withdrawn: () => fleet.withdrawn,
            storeAway: () => !settings.readyWithoutRedis && fleet.storeAway,
          }),
          healthPaths: HEALTH_PATHS,
        })
  const fleet: Fleet =
    serving === undefined
      ? new WorkerFleet({ settings, secrets, metrics, storage, logger, sinks: logs.sinks })
      : new LocalFleet(serving)
  const store = new ConfigurationStore({
    reader: new ConfigurationReader({ settings, plugins, environment: options.environment }),
    fleet,
    logger,
    metrics,
  })
  const admin = new AdminServer({
    settings,
    plugins,
    store,
    metrics,
    logger,
    accessLog: logs.adminAccess,
    nodeId,
    draining: () => draining,
    fleet,
  })
  let watch: ConfigurationWatch | undefined

  const close = async (): Promise<void> => {
    watch?.close()
    await fleet.close(0)
    await admin.close(0)
    lag.stop()
  }
  try {
    // Probes are answered from the first moment on, with 503 until there is a configuration.
    const proxyAddresses = await fleet.listen()
    const adminAddresses = await admin.listen()
    await loadFirst(store, settings)
    logger.info('listening', {
      proxy: proxyAddresses.map(addressText),
      admin: adminAddresses.map(addressText),
      workers,
      version: PRATU_VERSION,
    })
    watch = watchConfiguration(settings, store)
    return {
      proxyAddresses,
      adminAddresses,
      logger,
      flushLogs: (maxMs) => logs.flush(maxMs),
      async reload(origin) {
        if (settings.configuration === undefined) return
        await store.load(settings.configuration, origin)
      },
      async drain(drainSettings, hurry) {
        draining = true
        watch?.close()
        await drain(drainSettings, { fleet, logger, metrics, hurry })
        await admin.close(0)
        lag.stop()
      },
      blame: () => serving?.blame(),
    }
  } catch (error) {
    await close()
    throw error instanceof WorkerEnded ? new StartFailed(error.message, { cause: error }) : error
  }
}

/** Hashes of one process can be compared; across processes with a key. */
function journalSecrets({ journal, redaction }: NodeSettings): JournalSecrets {
  return {
    redisUrl: journal.redisUrl?.reveal(),
    redactKey: redaction.key?.reveal() ?? randomUUID(),
  }
}

function openLogs(settings: NodeSettings, metrics: Metrics, secrets: JournalSecrets): Logs {
  try {
    return createLogs({
      settings,
      metrics,
      rule: createFieldRule(settings.redaction.fields, secrets.redactKey),
    })
  } catch (error) {
    throw new StartFailed(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

async function loadFirst(store: ConfigurationStore, settings: NodeSettings): Promise<void> {
  const result =
    settings.configuration === undefined
      ? await store.apply([{ name: '<none>', text: '_format_version: "3.0"\n' }], 'start')
      : await store.load(settings.configuration, 'start')
  if (!result.ok) throw new ConfigurationRefused(result.failure)
}

function watchConfiguration(
  { configuration }: NodeSettings,
  store: ConfigurationStore,
): ConfigurationWatch | undefined {
  if (configuration?.kind !== 'path') return undefined
  return new ConfigurationWatch({
    path: configuration.path,
    seen: store.current?.digest,
    onChange: () => void store.load(configuration, 'file'),
  })
}

function withServableWorkers(settings: NodeSettings): NodeSettings {
  return settings.workers > 1 && reusePortIssue() !== undefined
    ? { ...settings, workers: 1 }
    : settings
}

function addressText({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
