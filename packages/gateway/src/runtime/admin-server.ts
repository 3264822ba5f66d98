import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import {
  createAdmin,
  type AdminDependencies,
  type AdminHandler,
  type AdminState,
  type ConfigurationResult,
} from '../admin/index.ts'
import type { ListenAddress, NodeSettings } from '../config/index.ts'
import { renderBareError } from '../errors/index.ts'
import { MemoryBudget } from '../http/index.ts'
import { createListener, type Listener } from '../listener/index.ts'
import type { AccessLog, Logger, Metrics } from '../observe/index.ts'
import type { ConfigurationStore } from './configuration-store.ts'
import type { Fleet } from './fleet.ts'
import { upstreamHealth } from './upstream-health.ts'
import { KONG_VERSION, PRATU_VERSION } from './version.ts'

export interface AdminServerDeps {
  readonly settings: NodeSettings
  readonly plugins: readonly AnyPluginDefinition[]
  readonly store: ConfigurationStore
  readonly metrics: Metrics
  readonly logger: Logger
  readonly accessLog: AccessLog
  readonly nodeId: string
  /** Whether the process was told to end. */
  draining(): boolean
  readonly fleet: Fleet
}

/** Configurations of an administrator are the only bodies here: one at a time is enough. */
const BUFFER_BYTES = 32 * 1024 * 1024

/** The admin port: metrics, status, Kong's Admin API. Serves to the very end, so that a drain can be watched. */
export class AdminServer {
  readonly #settings: NodeSettings
  readonly #listeners: Listener[] = []
  readonly #admin: AdminHandler
  readonly #status: AdminHandler
  readonly #logger: Logger

  constructor(deps: AdminServerDeps) {
    const { settings, plugins, store, metrics, logger, accessLog, nodeId, fleet } = deps
    this.#settings = settings
    this.#logger = logger
    metrics.collect('kong_upstream_target_health', () => upstreamHealth(store.current?.entities))
    const state: AdminState = {
      current: () => store.current,
      failure: () => store.failure,
      applying: () => store.busy,
      draining: () => deps.draining(),
      withdrawn: () => fleet.withdrawn,
      storeAway: () => !settings.readyWithoutRedis && fleet.storeAway,
      workers: () => fleet.workers(),
    }
    const dependencies: AdminDependencies = {
      state,
      settings,
      plugins,
      nodeId,
      version: PRATU_VERSION,
      kongVersion: KONG_VERSION,
      apply: async ({ text, format }): Promise<ConfigurationResult> => {
        const name = format === 'json' ? '<request>.json' : '<request>.yml'
        const result = await store.apply([{ name, text, format }], 'admin')
        return result.ok ? { ok: true, applied: result.applied } : result
      },
      cache: {
        read: (owner, key) => fleet.readCached(owner, key),
        remove: (owner, key) => fleet.removeCached(owner, key),
        purge: (owners, labels) => fleet.purgeCached(owners, labels),
      },
      limits: {
        read: (question) => fleet.readLimits(question),
        reset: (meter, scope) => fleet.resetLimits(meter, scope),
      },
      withdraw: () => fleet.withdraw(),
      token: settings.adminToken,
      metrics,
      accessLog,
      logger,
    }
    this.#admin = createAdmin(dependencies)
    this.#status = createAdmin(dependencies, 'status')
  }

  /** @throws {Error} when an address cannot be bound. */
  async listen(): Promise<readonly ListenAddress[]> {
    const bound: ListenAddress[] = []
    const { adminListen, statusListen } = this.#settings
    const places = [
      ...adminListen.map((address) => ({ address, handler: this.#admin })),
      ...statusListen.map((address) => ({ address, handler: this.#status })),
    ]
    for (const { address, handler } of places) {
      const listener = this.#createListener(handler)
      this.#listeners.push(listener)
      bound.push(await listener.listen(address))
    }
    return bound
  }

  #createListener(handler: AdminHandler): Listener {
    const { limits } = this.#settings
    return createListener(
      {
        limits,
        trustedIps: [],
        realIpHeader: 'X-Real-IP',
        realIpRecursive: false,
        pathMode: 'kong',
        memory: new MemoryBudget(BUFFER_BYTES),
        healthPaths: new Set(),
        renderRefusal: (error, requestId) => renderBareError(error, requestId),
        onDefect: (error) => this.#logger.error('an admin connection was given up', { error }),
      },
      handler,
    )
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close(graceMs)))
  }
}
