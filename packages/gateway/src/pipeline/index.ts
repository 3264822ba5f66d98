/**
 * A request while inside the gateway: read `handle.ts` first. Knows no socket, no `undici`, and no plugin by name.
 */
export { ActiveExchanges } from './active-exchanges.ts'
export { handle } from './handle.ts'
export { dispatch } from './dispatch.ts'
export { answerAsService, retain, type Retained } from './shared-work.ts'
export { createProxy } from './proxy.ts'
export { Flight } from './flight.ts'
export { createSpendStage, type CallReader } from './spend.ts'
export type { Plan } from './plan.ts'
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
