import type { Handler } from '@pratu/plugin-kit'
import { comparePlugins, compilePlan, type BoundPlugin, type Plan } from './plan.ts'

/** An enabled plugin instance with its scope. */
export interface ScopedPlugin extends BoundPlugin {
  readonly routeId: string | undefined
  readonly serviceId: string | undefined
  readonly consumerId: string | undefined
}

/** Chooses the plugins of a request: per name only the most specific instance runs (kong.md §1.10). */
export interface PlanSelector {
  /** For requests that match no route. */
  readonly globals: Plan
  /** Before the consumer is known. */
  select(routeId: string, serviceId: string | undefined): Plan
  /**
   * After authentication: plugins up to and including `after` keep what was selected for `current`; the later ones are
   * chosen anew with the consumer. Answers `current` itself when the consumer has no plugin.
   */
  selectFor(
    current: Plan,
    after: BoundPlugin,
    consumerId: string,
    routeId: string,
    serviceId: string | undefined,
  ): Plan
}

/** Bounds what a flood of consumers can keep in memory; beyond it plans are compiled again. */
const MAX_CONSUMER_PLANS = 10_000

export function createPlanSelector(
  instances: readonly ScopedPlugin[],
  handler: Handler,
): PlanSelector {
  const byName = new Map<string, Map<string, ScopedPlugin>>()
  const consumersWithPlugins = new Set<string>()
  for (const instance of instances) {
    let scopes = byName.get(instance.name)
    if (scopes === undefined) byName.set(instance.name, (scopes = new Map()))
    scopes.set(scopeKey(instance.routeId, instance.serviceId, instance.consumerId), instance)
    if (instance.consumerId !== undefined) consumersWithPlugins.add(instance.consumerId)
  }

  const interned = new Map<string, Plan>()
  const consumerPlans = new Map<string, Plan>()

  function intern(selected: readonly BoundPlugin[]): Plan {
    const key = selected.map(({ id }) => id).join(' ')
    let plan = interned.get(key)
    if (plan === undefined) interned.set(key, (plan = compilePlan(selected, handler)))
    return plan
  }

  function mostSpecific(
    scopes: ReadonlyMap<string, ScopedPlugin>,
    route: string | undefined,
    service: string | undefined,
    consumer: string | undefined,
  ): ScopedPlugin | undefined {
    return (
      (consumer === undefined
        ? undefined
        : (scopes.get(scopeKey(route, service, consumer)) ??
          scopes.get(scopeKey(route, undefined, consumer)) ??
          scopes.get(scopeKey(undefined, service, consumer)))) ??
      scopes.get(scopeKey(route, service, undefined)) ??
      (consumer === undefined ? undefined : scopes.get(scopeKey(undefined, undefined, consumer))) ??
      scopes.get(scopeKey(route, undefined, undefined)) ??
      scopes.get(scopeKey(undefined, service, undefined)) ??
      scopes.get(scopeKey(undefined, undefined, undefined))
    )
  }

  function choose(
    route: string | undefined,
    service: string | undefined,
    consumer: string | undefined,
  ): ScopedPlugin[] {
    const selected: ScopedPlugin[] = []
    for (const scopes of byName.values()) {
      const instance = mostSpecific(scopes, route, service, consumer)
      if (instance !== undefined) selected.push(instance)
    }
    return selected.sort(comparePlugins)
  }

  return {
    globals: intern(choose(undefined, undefined, undefined)),
    select: (routeId, serviceId) => intern(choose(routeId, serviceId, undefined)),
    selectFor(current, after, consumerId, routeId, serviceId) {
      if (!consumersWithPlugins.has(consumerId)) return current
      const key = `${consumerId} ${after.id} ${routeId}`
      const known = consumerPlans.get(key)
      if (known !== undefined) return known
      const kept = current.plugins.filter((plugin) => comparePlugins(plugin, after) <= 0)
      const chosen = choose(routeId, serviceId, consumerId).filter(
        (plugin) => comparePlugins(plugin, after) > 0,
      )
      const plan = intern([...kept, ...chosen])
      if (consumerPlans.size < MAX_CONSUMER_PLANS) consumerPlans.set(key, plan)
      return plan
    },
  }
}

function scopeKey(
  routeId: string | undefined,
  serviceId: string | undefined,
  consumerId: string | undefined,
): string {
  return `${routeId ?? ''} ${serviceId ?? ''} ${consumerId ?? ''}`
}
