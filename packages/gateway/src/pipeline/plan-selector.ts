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

/** Bounds what many consumers with plugins can keep in memory; beyond it plans are compiled for each request. */
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
  /** What follows each plan, by who was identified where. */
  const consumerPlans = new Map<Plan, Map<string, Plan>>()
  let consumerPlanCount = 0

  function intern(selected: readonly BoundPlugin[], keep: boolean): Plan {
    const key = selected.map(({ id }) => id).join(' ')
    let plan = interned.get(key)
    if (plan === undefined) {
      plan = compilePlan(selected, handler)
      if (keep) interned.set(key, plan)
    }
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
    globals: intern(choose(undefined, undefined, undefined), true),
    select: (routeId, serviceId) => intern(choose(routeId, serviceId, undefined), true),
    selectFor(current, after, consumerId, routeId, serviceId) {
      if (!consumersWithPlugins.has(consumerId)) return current
      // What was selected so far is part of the key: another consumer may have been identified before this one.
      let followers = consumerPlans.get(current)
      const key = `${consumerId} ${after.id} ${routeId}`
      const known = followers?.get(key)
      if (known !== undefined) return known
      const kept = current.plugins.filter((plugin) => comparePlugins(plugin, after) <= 0)
      const chosen = choose(routeId, serviceId, consumerId).filter(
        (plugin) => comparePlugins(plugin, after) > 0,
      )
      const keep = consumerPlanCount < MAX_CONSUMER_PLANS
      const plan = intern([...kept, ...chosen], keep)
      if (keep) {
        if (followers === undefined) consumerPlans.set(current, (followers = new Map()))
        followers.set(key, plan)
        consumerPlanCount++
      }
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
