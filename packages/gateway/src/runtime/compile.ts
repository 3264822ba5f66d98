import type {
  AnyPluginDefinition,
  Clock,
  ErrorShape,
  Ledger,
  NodeFacts,
  Plugin,
  PluginContext,
  PluginLog,
  PluginMetrics,
  ResponseCache,
} from '@pratu/plugin-kit'
import { createCredentialHeaders, DIALECTS } from '../ai/index.ts'
import type { Entities, PluginEntity, Route, Service } from '../config/index.ts'
import type { ExchangeMetrics } from '../observe/index.ts'
import {
  createPlanSelector,
  dispatch,
  type BoundRoute,
  type BoundService,
  type GatewayContext,
  type PlanSelector,
  type ScopedPlugin,
  type ServiceHandler,
} from '../pipeline/index.ts'
import { createRouterInSteps, type RouterEntry } from '../router/index.ts'
import { createIdentities } from './identities.ts'
import type { KeptState } from './kept-state.ts'
import { PinnedSnapshot } from './pinned-snapshot.ts'
import type { Steps } from './slices.ts'
import { createTargeting } from './targeting.ts'

/** What a configuration is compiled against: everything that outlives it. */
export interface CompileDeps {
  readonly plugins: readonly AnyPluginDefinition[]
  readonly context: GatewayContext
  readonly handler: ServiceHandler
  readonly ledger: Ledger
  readonly cache: ResponseCache
  readonly clock: Clock
  readonly metrics: PluginMetrics
  readonly log: (plugin: Pick<PluginEntity, 'id' | 'name'>) => PluginLog
  readonly node: NodeFacts
  readonly kept: KeptState
  readonly exchangeMetrics: ExchangeMetrics
  readonly bodyLimits: { readonly plainBytes: number; readonly aiBytes: number }
}

/**
 * Compiles validated entities into the snapshot that requests run on: plugin instances, interned plans, router.
 *
 * @throws whatever a plugin's `create` throws; nothing of the new configuration is in use or left behind then.
 */
export function* compileSnapshot(
  entities: Entities,
  generation: number,
  deps: CompileDeps,
): Steps<PinnedSnapshot> {
  const instances: ScopedPlugin[] = []
  try {
    yield* createInstances(entities, deps, instances)
    const selector = createPlanSelector(instances, dispatch)
    yield
    const routes = yield* bindRoutes(entities, selector, deps)
    return new PinnedSnapshot({
      generation,
      router: yield* createRouterInSteps(routes),
      globals: selector.globals,
      compatibility: entities.compatibility,
      context: deps.context,
      instanceIds: new Set(instances.map(({ id }) => id)),
      secretNames: new Set(instances.flatMap(({ plugin }) => plugin.secretNames ?? NO_NAMES)),
      dispose: () => disposeAll(instances, deps),
    })
  } catch (error) {
    disposeAll(instances, deps)
    throw error
  }
}

const NO_NAMES: readonly string[] = []

function* createInstances(
  entities: Entities,
  deps: CompileDeps,
  instances: ScopedPlugin[],
): Steps<void> {
  const definitions = new Map(deps.plugins.map((definition) => [definition.name, definition]))
  const identities = yield* createIdentities(entities, deps.clock)
  for (const entity of entities.plugins) {
    yield
    if (!entity.enabled) continue
    const definition = definitions.get(entity.name)
    if (definition === undefined) throw new Error(`plugin '${entity.name}' is not loaded`)
    const { id, name, routeId, serviceId, consumerId } = entity
    const context: PluginContext = {
      instance: { id, name, routeId, serviceId, consumerId },
      clock: deps.clock,
      random: { uuid: () => crypto.randomUUID() },
      ledger: deps.ledger,
      cache: deps.cache,
      identities,
      metrics: deps.metrics,
      log: deps.log(entity),
      compatibility: entities.compatibility,
      node: deps.node,
      keep: (key, create) => deps.kept.keep(id, key, create),
    }
    instances.push({
      id,
      name,
      priority: definition.priority,
      plugin: createPlugin(definition, entity.config, context),
      routeId,
      serviceId,
      consumerId,
    })
  }
}

/** `config` is what this definition's own schema returned; the erased list of definitions cannot say so. */
function createPlugin(
  definition: AnyPluginDefinition,
  config: unknown,
  context: PluginContext,
): Plugin {
  return definition.create(config as never, context)
}

function bindServices(entities: Entities, deps: CompileDeps): Map<string, BoundService> {
  const upstreams = new Map(entities.upstreams.map((upstream) => [upstream.name, upstream]))
  const providers = new Map(entities.providers.map((provider) => [provider.name, provider]))
  const services = new Map<string, BoundService>()
  for (const service of entities.services) {
    if (!service.enabled || !isServed(service)) continue
    const provider = service.provider === undefined ? undefined : providers.get(service.provider)
    services.set(service.id, {
      service,
      targeting: createTargeting(service, upstreams, entities),
      handler: deps.handler,
      credentialHeaders: provider === undefined ? undefined : createCredentialHeaders(provider),
    })
  }
  return services
}

function* bindRoutes(
  entities: Entities,
  selector: PlanSelector,
  deps: CompileDeps,
): Steps<RouterEntry<BoundRoute>[]> {
  const services = bindServices(entities, deps)
  const routes: RouterEntry<BoundRoute>[] = []
  for (const route of entities.routes) {
    yield
    const service = route.serviceId === undefined ? undefined : services.get(route.serviceId)
    // A disabled service takes its routes out of the router (kong.md §1.6).
    if (route.serviceId !== undefined && service === undefined) continue
    routes.push({ route, value: bindRoute(route, service, selector, entities, deps) })
  }
  return routes
}

function isServed({ protocol }: Service): boolean {
  return protocol === 'http' || protocol === 'https'
}

function bindRoute(
  route: Route,
  service: BoundService | undefined,
  selector: PlanSelector,
  { compatibility }: Entities,
  { bodyLimits, exchangeMetrics }: CompileDeps,
): BoundRoute {
  const serviceId = service?.service.id
  const isAi = service?.service.aiFormat !== undefined
  return {
    route,
    service,
    plan: selector.select(route.id, serviceId),
    planFor: (current, after, consumerId) =>
      selector.selectFor(current, after, consumerId, route.id, serviceId),
    errorShape: compatibility === 'kong' ? 'kong' : errorShapeOf(service),
    bodyLimitBytes: isAi ? bodyLimits.aiBytes : bodyLimits.plainBytes,
    series: exchangeMetrics.series(route, service?.service, compatibility),
  }
}

/** Kong's clients read `message`, the provider's library reads `error`: a plain AI service answers both (design §7). */
function errorShapeOf(service: BoundService | undefined): ErrorShape {
  const format = service?.service.aiFormat
  if (format === undefined) return 'kong'
  const shape = DIALECTS[format].errorShape
  return shape === 'openai' ? 'kong+openai' : shape
}

function disposeAll(instances: readonly ScopedPlugin[], { log }: CompileDeps): void {
  for (const { plugin, id, name } of instances) {
    const report = (error: unknown): void => {
      log({ id, name }).error('a plugin failed to dispose', { error: String(error) })
    }
    try {
      const done = plugin.dispose?.()
      if (done instanceof Promise) done.catch(report)
    } catch (error) {
      report(error)
    }
  }
}
