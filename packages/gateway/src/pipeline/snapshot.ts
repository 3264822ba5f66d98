import type {
  ErrorShape,
  Exchange,
  HeaderFields,
  Ledger,
  Outcome,
  ResponseSink,
} from '@pratu/plugin-kit'
import type { GatewayError } from '../errors/index.ts'
import type { HeaderTokens, Route, Service } from '../config/index.ts'
import type { RouteSeries } from '../observe/index.ts'
import type { Router } from '../router/index.ts'
import type { Try, UpstreamTargeting } from '../upstream/index.ts'
import type { ActiveExchanges, Listed } from './active-exchanges.ts'
import type { Flight } from './flight.ts'
import type { BoundPlugin, Plan } from './plan.ts'

/** A route as the router's value: all that a request needs once it has matched. */
export interface BoundRoute {
  readonly route: Route
  readonly service: BoundService | undefined
  /** Before the consumer is known. */
  readonly plan: Plan
  /** @see PlanSelector.selectFor */
  planFor(current: Plan, after: BoundPlugin, consumerId: string): Plan
  readonly errorShape: ErrorShape
  readonly bodyLimitBytes: number
  /** Where its requests are counted. */
  readonly series: RouteSeries
}

export interface BoundService {
  readonly service: Service
  readonly targeting: UpstreamTargeting
  /** Answers requests of this service: the proxy, or the proxy inside the AI meter. */
  readonly handler: ServiceHandler
  /** Fields that carry the provider's credential, which then replace the caller's. */
  readonly credentialHeaders:
    | (() => readonly (readonly [name: string, value: string])[])
    | undefined
}

/** Produces the response of one request of a service. */
export type ServiceHandler = (
  exchange: PinnedExchange,
  service: BoundService,
  out: ResponseSink,
) => void

/** An exchange as the gateway's own rooms see it: the plugin contract and what it is pinned to. */
export interface PinnedExchange extends Exchange {
  readonly snapshot: Snapshot
  readonly bound: BoundRoute | undefined
  readonly plan: Plan
  /** Final in the log phase and for the observer. */
  outcome: Outcome
  source: 'service' | 'kong'
  /** Whether the answer is a `text/event-stream`, whose latency is that of its first token. */
  readonly eventStream: boolean
  /** What each attempt met, in order. */
  tries: readonly Try[]
  /** The text that `strip_path` removed. */
  readonly matchedPath: string | undefined
  /** The fields of the response as sent; `undefined` before its head. */
  readonly responseHeaders: HeaderFields | undefined
  /** Members that phases added to the log line. */
  readonly annotations: ReadonlyMap<string, unknown> | undefined
  /** The fields that go upstream; made at first use. */
  readonly headers: HeaderFields
  /** Who is told, at most one, when the gateway itself must end this exchange (drain deadline). */
  onInterrupt(listener: (error: GatewayError) => void): void
  /** Who is told, at most one, when nothing more is wanted of the upstream although the client is still there. */
  onEnough(listener: () => void): void
  /** The answer was ended here: the upstream is to stop. */
  enough(): void
  /** What the exchange's upstream call has reserved; `undefined` when no plugin limits it. */
  readonly flight: Flight | undefined
  openFlight(flight: Flight): void
  /** Its upstream call was refused by a limit: its admission is given back too. */
  refuseSpend(): void
  /** An attempt is about to be written. */
  markSent(): void
  markUpstreamHead(status: number): void
}

export interface InterruptibleExchange extends PinnedExchange, Listed {
  /** Ends the exchange from inside: its handler cancels the upstream and tells the client in its own format. */
  interrupt(error: GatewayError): void
}

/** What all exchanges of a process share. */
export interface GatewayContext {
  readonly ledger: Ledger
  readonly headerTokens: HeaderTokens
  /** `Server` of our own answers, and of proxied ones without their own. */
  readonly serverToken: string
  /** The protocol-less `Via` entry. */
  readonly viaToken: string
  readonly requestBufferBytes: number
  /** The exchanges that have not settled, for the drain. */
  readonly active: ActiveExchanges<InterruptibleExchange>
  /** Told once per exchange, at its end; must not throw. */
  readonly observer: ExchangeObserver
}

export interface ExchangeObserver {
  settled(exchange: PinnedExchange): void
  /** A plugin or the gateway itself failed; the client got a generic 500 with the exchange's id. */
  failed(exchange: PinnedExchange, error: unknown): void
}

/** One immutable, compiled configuration. Exchanges pin it; it is disposed after its last pin. */
export interface Snapshot {
  readonly generation: number
  readonly router: Router<BoundRoute>
  /** The global plugins, for requests that match no route. */
  readonly globals: Plan
  /** The path-doubling rule of architecture §4 applies. */
  readonly compatibility: 'pratu' | 'kong'
  readonly context: GatewayContext
  pin(): void
  unpin(): void
}
