import { setTimeout } from 'node:timers/promises'
import type { AnyPluginDefinition, Clock, RequestView } from '@pratu/plugin-kit'
import {
  createCallReader,
  meter,
  NO_OVERLAY,
  overlayOf,
  PriceCatalogue,
  Pricing,
} from '../ai/index.ts'
import type { LimitReading, LimitsQuestion } from '../admin/index.ts'
import { MemoryCache, type CacheLabels } from '../cache/index.ts'
import type { Entities, ListenAddress, NodeSettings } from '../config/index.ts'
import { GatewayError, type ErrorCode } from '../errors/index.ts'
import { createRequestId, MemoryBudget } from '../http/index.ts'
import { NO_JOURNAL } from '../journal/index.ts'
import type { CounterTable, LimitLedger } from '../limits/index.ts'
import type { Listener, RefusalPhase, RefusedRequest } from '../listener/index.ts'
import {
  createExchangeMetrics,
  createLlmMetrics,
  createPluginMetrics,
  type AccessLog,
  type ExchangeMetrics,
  type Logger,
  type Metrics,
  type Redactor,
} from '../observe/index.ts'
import {
  ActiveExchanges,
  createProxy,
  createSpendStage,
  handle,
  type ClientChannel,
  type GatewayContext,
  type InterruptibleExchange,
  type ServiceHandler,
} from '../pipeline/index.ts'
import { createUpstreamClient, type UpstreamClient } from '../upstream/index.ts'
import { answerBare } from './bare-answer.ts'
import { compileSnapshot, type CompileDeps } from './compile.ts'
import { IdleCollection } from './idle-collection.ts'
import { KeptState } from './kept-state.ts'
import { KnownLimits } from './known-limits.ts'
import { MemoryGuard } from './memory-guard.ts'
import { ModelNames } from './model-names.ts'
import { createObserver } from './observer.ts'
import type { OpenedJournal } from './open-journal.ts'
import { openLedger } from './open-ledger.ts'
import type { PinnedSnapshot } from './pinned-snapshot.ts'
import { createProxyListener } from './proxy-listener.ts'
import { currentRequestId, runAsRequest } from './request-context.ts'
import { requireJournal } from './require-journal.ts'
import { sampleServing } from './serving-gauges.ts'
import { inSlices } from './slices.ts'
import { SpendKeeper } from './spend-keeper.ts'
import { logUpstreamEvent } from './upstream-log.ts'
import { createUsageRecords, type UsageRecords } from './usage-records.ts'
import { KONG_VERSION, PRATU_VERSION } from './version.ts'

/** What is over must reach the shared limits before the connections to them close. */
const LEDGER_SETTLE_MS = 200
/** A JSON answer up to this size is held back until it is complete (F24). */
const HOLD_BYTES = 4 * 1024 * 1024

/** How often a drain looks whether the last exchange has settled, ms. */
const SETTLED_CHECK_MS = 20

/** How long the last usage records may take, ms: the whole exit has a second (F48). */
const JOURNAL_CLOSE_MS = 250

export type RequestHandler = (request: RequestView, client: ClientChannel) => void

export interface ServingDeps {
  readonly settings: NodeSettings
  readonly plugins: readonly AnyPluginDefinition[]
  readonly metrics: Metrics
  readonly logger: Logger
  readonly accessLog: AccessLog
  readonly redactor: Redactor
  /** Shared by all workers, so that local limits are exact for the process. */
  readonly counters: CounterTable
  /** Which of the table's threads this is. */
  readonly thread: number
  /** Closed with the thread. */
  readonly journal: OpenedJournal
  /** Whether this thread counts budgets again before its first configuration is in use; one of a process does. */
  readonly rebuilds: boolean
  readonly clock: Clock
  /** From 0. */
  readonly worker: number
  readonly workers: number
  /** Answers `/health` and its like on the proxy port. */
  readonly health: RequestHandler
  readonly healthPaths: ReadonlySet<string>
  /** Called before each request: a worker adopts what the main thread has committed. */
  readonly beforeRequest?: () => void
}

/** One thread's share of the work: its listeners, its upstream connections, its cache, its current snapshot. */
export class Serving {
  readonly #deps: ServingDeps
  readonly #upstream: UpstreamClient
  readonly #ledger: LimitLedger
  readonly #limits: KnownLimits
  readonly #spend: SpendKeeper
  readonly #cache: MemoryCache
  readonly #prices: PriceCatalogue
  readonly #budget: MemoryBudget
  readonly #guard: MemoryGuard
  readonly #idle: IdleCollection
  readonly #exchangeMetrics: ExchangeMetrics
  readonly #usageRecords: UsageRecords | undefined
  readonly #context: Omit<GatewayContext, 'serverToken' | 'viaToken'>
  readonly #kept = new KeptState()
  readonly #active = new ActiveExchanges<InterruptibleExchange>()
  readonly #listeners: Listener[] = []
  readonly #secretNames = new Set<string>()
  #current: PinnedSnapshot | undefined
  /** Requests that were not probes. */
  #handled = 0

  constructor(deps: ServingDeps) {
    const { settings, metrics, logger, clock, workers } = deps
    this.#deps = deps
    this.#budget = new MemoryBudget(Math.floor(settings.memory.bufferBytes / workers))
    this.#guard = new MemoryGuard(settings.memory.limitBytes)
    this.#idle = new IdleCollection({
      inFlight: () => this.#active.size,
      handled: () => this.#handled,
    })
    this.#upstream = createUpstreamClient({
      settings: settings.upstream,
      onEvent: (event) => logUpstreamEvent(event, logger, metrics),
    })
    this.#ledger = openLedger(deps)
    this.#limits = new KnownLimits(this.#ledger)
    this.#prices = new PriceCatalogue(
      settings.prices === undefined ? NO_OVERLAY : overlayOf(settings.prices),
    )
    this.#cache = new MemoryCache({
      maxBytes: Math.floor(settings.memory.cacheBytes / workers),
      clock,
    })
    this.#exchangeMetrics = createExchangeMetrics(metrics, { namespace: settings.namespace })
    const models = new ModelNames()
    this.#usageRecords =
      deps.journal.journal === NO_JOURNAL
        ? undefined
        : createUsageRecords({
            journal: deps.journal.journal,
            settings: settings.journal,
            replica: settings.hostname,
            now: () => clock.now(),
          })
    this.#spend = new SpendKeeper({
      ...deps,
      settings: settings.journal,
      usageRecords: this.#usageRecords,
      ledger: this.#ledger,
      limits: this.#limits,
    })
    this.#context = {
      ledger: this.#ledger,
      headerTokens: settings.headers,
      requestBufferBytes: settings.limits.requestBufferBytes,
      active: this.#active,
      observer: createObserver({
        exchangeMetrics: this.#exchangeMetrics,
        llmMetrics: createLlmMetrics(metrics, models.names),
        models,
        logger,
        usageRecords: this.#usageRecords,
        spend: this.#spend,
        rule: deps.redactor.rule,
        accessLog: deps.accessLog.enabled
          ? (exchange) => deps.accessLog.exchange(exchange)
          : undefined,
      }),
    }
    sampleServing(metrics, {
      listeners: this.#listeners,
      active: this.#active,
      upstream: this.#upstream,
      budget: this.#budget,
      cache: this.#cache,
      ledger: this.#ledger,
    })
  }

  get cache(): MemoryCache {
    return this.#cache
  }

  /** Between requests: a large cache takes a while to look through. */
  async purgeCached(owners: readonly string[], labels?: CacheLabels): Promise<void> {
    const doomed = new Set(owners)
    await inSlices(
      labels === undefined
        ? this.#cache.purgeInSteps((owner) => doomed.has(owner))
        : this.#cache.purgeLabelledInSteps(doomed, labels),
    )
  }

  get generation(): number {
    return this.#current?.generation ?? 0
  }

  get openExchanges(): number {
    return this.#active.size
  }

  /**
   * Compiles a configuration without using it.
   *
   * @throws whatever makes it unusable; what serves goes on serving.
   */
  async prepare(entities: Entities, generation: number): Promise<PinnedSnapshot> {
    const deps = this.#compileDeps(entities, generation)
    const snapshot = await inSlices(compileSnapshot(entities, generation, deps))
    await this.#spend.rebuild(generation)
    return snapshot
  }

  readLimits(question: LimitsQuestion): Promise<readonly LimitReading[]> {
    return this.#limits.read(question)
  }

  /** @returns of how many meters. @throws {Error} when a store is away. */
  resetLimits(meter: string | undefined, scope: string): Promise<number> {
    return this.#spend.reset(meter, scope)
  }

  #compileDeps(entities: Entities, generation: number): CompileDeps {
    const { settings, plugins, metrics, logger, clock, worker, workers } = this.#deps
    const { compatibility } = entities
    // By the configuration's own word, which wins over the node's.
    const product = compatibility === 'kong' ? `kong/${KONG_VERSION}` : `pratu/${PRATU_VERSION}`
    return {
      plugins,
      context: { ...this.#context, serverToken: product, viaToken: product },
      handler: this.#handler(this.#pricing(entities)),
      ledger: this.#limits.ledgerOf(generation),
      cache: this.#cache,
      clock,
      metrics: createPluginMetrics(metrics, {
        compatibility,
        onMistake: (metric, mistake) => logger.warn('a plugin miscounts', { metric, mistake }),
      }),
      log: ({ name, id }) => logger.child({ plugin: name, plugin_id: id }),
      node: {
        hostname: settings.hostname,
        worker,
        workers,
        cacheTtlSeconds: settings.cacheTtlSeconds,
        cacheBytes: Math.floor(settings.memory.cacheBytes / workers),
      },
      kept: this.#kept,
      exchangeMetrics: this.#exchangeMetrics,
      bodyLimits: { plainBytes: settings.limits.bodyBytes, aiBytes: settings.limits.aiBodyBytes },
    }
  }

  /** Inside out: the call, what it used, what it may use. */
  #handler(pricing: Pricing): ServiceHandler {
    const metered = meter(createProxy(this.#upstream), {
      budget: this.#budget,
      holdBytes: HOLD_BYTES,
      pricing,
      beforeEnd: this.#usageRecords?.beforeEnd,
    })
    const handler = createSpendStage(metered, createCallReader(pricing))
    const { journal, settings } = this.#deps
    return settings.journal.onError === 'reject'
      ? requireJournal(journal.journal, handler)
      : handler
  }

  #pricing({ providers }: Entities): Pricing {
    return new Pricing({
      catalogue: this.#prices,
      kinds: new Map(providers.map(({ name, kind }) => [name, kind])),
      now: () => this.#deps.clock.now(),
    })
  }

  /** From now on new requests run on `snapshot`; those under way finish on theirs (F54). */
  commit(snapshot: PinnedSnapshot): void {
    const previous = this.#current
    this.#current = snapshot
    this.#exchangeMetrics.useCompatibility(snapshot.compatibility)
    this.#kept.retain(snapshot.instanceIds)
    this.#limits.use(snapshot.generation)
    this.#spend.committed()
    this.#hideSecrets(snapshot.secretNames)
    previous?.retire()
    // What a plugin kept goes with it: should it come back, its old answers must not.
    const gone = [...(previous?.instanceIds ?? [])].filter((id) => !snapshot.instanceIds.has(id))
    if (gone.length > 0) void this.purgeCached(gone)
  }

  /** Names are never taken back: requests of earlier configurations have yet to be logged. */
  #hideSecrets(names: ReadonlySet<string>): void {
    const known = this.#secretNames.size
    for (const name of names) this.#secretNames.add(name)
    if (this.#secretNames.size > known) this.#deps.redactor.useNames(this.#secretNames)
  }

  /** @throws {Error} when an address cannot be bound. */
  async listen(addresses = this.#deps.settings.proxyListen): Promise<readonly ListenAddress[]> {
    const bound: ListenAddress[] = []
    for (const address of addresses) {
      const listener = this.#createListener()
      this.#listeners.push(listener)
      bound.push(await listener.listen(address))
    }
    return bound
  }

  #createListener(): Listener {
    const { settings, workers, healthPaths, logger } = this.#deps
    return createProxyListener({
      settings,
      workers,
      memory: this.#budget,
      healthPaths,
      compatibility: () => this.#compatibility(),
      onRefused: (code, phase, request) => this.#refused(code, phase, request),
      onDefect: (error) => logger.error('a connection was given up', { error }),
      onRequest: this.#onRequest,
    })
  }

  #compatibility(): 'pratu' | 'kong' {
    return this.#current?.compatibility ?? this.#deps.settings.compatibility
  }

  #refused(code: ErrorCode, phase: RefusalPhase, request: RefusedRequest | undefined): void {
    const { metrics, logger } = this.#deps
    if (code === 'request_timeout') metrics.counter('pratu_client_timeouts_total', [phase]).add(1)
    if (code === 'too_many_connections') metrics.counter('pratu_connections_refused_total').add(1)
    if (request === undefined) return
    this.#exchangeMetrics.refusedAtListener(code, request.status)
    if (logger.isEnabled('debug'))
      logger.debug('a request was refused', { code, phase, ...request })
  }

  readonly #onRequest = (request: RequestView, client: ClientChannel): void => {
    this.#deps.beforeRequest?.()
    const snapshot = this.#current
    if (this.#deps.healthPaths.has(request.path) && !this.#claims(snapshot, request)) {
      this.#deps.health(request, client)
    } else if (snapshot === undefined) {
      answerBare(client, request, new GatewayError('not_ready'))
    } else if (this.#guard.shedding) {
      this.#exchangeMetrics.refusedAtListener('overloaded', 503)
      answerBare(client, request, new GatewayError('overloaded'))
    } else {
      this.#handled++
      const id = createRequestId()
      runAsRequest(id, handle, snapshot, request, client, id)
    }
  }

  /** A catch-all route does not take the probes over: a pod must not be killed by what its provider answers. */
  #claims(snapshot: PinnedSnapshot | undefined, request: RequestView): boolean {
    const matched = snapshot?.router.match(request)?.matchedPath
    return matched !== undefined && matched !== '/'
  }

  /** Readiness is off: answer what comes, but ask every client to come back on a new connection (F46, F47). */
  drain(): void {
    for (const listener of this.#listeners) listener.drain()
  }

  stopAccepting(): void {
    for (const listener of this.#listeners) listener.stopAccepting()
  }

  /** @returns whether every exchange had settled within `timeoutMs`. */
  async settled(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    while (this.#active.size > 0) {
      const left = deadline - performance.now()
      if (left <= 0) return false
      await setTimeout(Math.min(left, SETTLED_CHECK_MS))
    }
    return true
  }

  /** Whether a store of limits that is in use is away. */
  get storeAway(): boolean {
    return this.#ledger.degraded
  }

  /**
   * Ends the request whose code is running, if it is one of ours and still under way: a defect was caught that nobody
   * else can answer for.
   *
   * @returns its id, where it is known.
   */
  blame(): string | undefined {
    const id = currentRequestId()
    const exchange = this.#active.toArray().find((one) => one.id === id)
    exchange?.interrupt(new GatewayError('internal'))
    return id
  }

  /** Ends what is left with an error in each client's own format (F48). @returns how many there were. */
  interruptAll(): number {
    const left = this.#active.toArray()
    for (const exchange of left) exchange.interrupt(new GatewayError('server_shutting_down'))
    return left.length
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close(graceMs)))
    await this.#upstream.close(0)
    this.#guard.stop()
    this.#idle.stop()
    this.#current?.retire()
    await this.#ledger.settle(LEDGER_SETTLE_MS)
    this.#ledger.close()
    await this.#deps.journal.journal.close(JOURNAL_CLOSE_MS)
  }
}
