/**
 * A request while inside the gateway: read `handle.ts` first. Knows no socket, no `undici`, and no plugin by name.
 */
export { ActiveExchanges } from './active-exchanges.ts'
export { handle } from './handle.ts'
export { dispatch } from './dispatch.ts'
export { LiveExchange } from './exchange.ts'
export { ExchangeResponse } from './response.ts'
export { createProxy } from './proxy.ts'
export { UpstreamError } from './upstream-error.ts'
export { compilePlan, comparePlugins, type BoundPlugin, type Plan } from './plan.ts'
export { createPlanSelector, type PlanSelector, type ScopedPlugin } from './plan-selector.ts'
export type { ClientChannel, Departure } from './client-channel.ts'
export type {
  BoundRoute,
  BoundService,
  ExchangeObserver,
  GatewayContext,
  InterruptibleExchange,
  PinnedExchange,
  ServiceHandler,
  Snapshot,
} from './snapshot.ts'
