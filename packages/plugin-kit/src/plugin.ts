import type { ResponseCache } from './cache.ts'
import type { Exchange, ConsumerRef, CredentialRef, Outcome } from './exchange.ts'
import type { Hold, Ledger, Refusal, Remaining } from './ledger.ts'
import type { Awaitable, ResponseHead, ResponseSink } from './messages.ts'
import type { Reply } from './reply.ts'
import type { ModelCall, Spending } from './spending.ts'

/** Produces the response of an exchange: the last step of `access`, wrapped by plugins that cache. */
export type Handler = (exchange: Exchange, out: ResponseSink) => void

/** Sees the response body chunk by chunk; may replace or hold back bytes. */
export interface BodyFilter {
  /** Whether every byte passes unchanged, so that `Content-Length` stays true. Default false. */
  readonly transparent?: boolean
  /** @returns what goes on to the client; `undefined` for nothing yet. */
  write(chunk: Uint8Array): Uint8Array | undefined
  /** The body is complete. @returns what is left to send. */
  end(): Uint8Array | undefined
  /** The body will not be completed. */
  abandon?(): void
}

/**
 * One configured plugin. Implement only the phases you need; phases run by priority, highest first, ties by name
 * descending (kong.md §2.10). A phase that throws gives that one request a 500 with its id.
 */
export interface Plugin {
  /** Header fields and query parameters that carry this instance's credentials, in any case: logs never show them. */
  readonly secretNames?: readonly string[]
  /** Global instances only, before routing. May answer. */
  rewrite?(exchange: Exchange): Reply | undefined
  /** May answer: then no later plugin's `access` runs, and every later phase of all selected plugins still does. */
  access?(exchange: Exchange): Awaitable<Reply | undefined>
  /** Admission meters: taken together with every other plugin's, all or nothing, at the first such plugin's place. */
  holds?(exchange: Exchange): readonly Hold[]
  /** This plugin's holds were taken; `remaining` in their order. */
  admitted?(exchange: Exchange, remaining: readonly Remaining[]): void
  /** One of this plugin's holds refused; `refusal` speaks of this plugin's holds only. */
  refused?(exchange: Exchange, refusal: Refusal): Reply
  /**
   * What the upstream call of this exchange may use: taken together with every other plugin's, all or nothing, right
   * before the call, when its body is complete. A call that never happens (a cache's answer) is never asked about.
   *
   * @param call what is known of the call to a model; `undefined` for plain traffic.
   * @returns `undefined` when nothing is limited here; a reply to end the exchange with.
   */
  spends?(exchange: Exchange, call: ModelCall | undefined): Spending | Reply | undefined
  /** Wraps the handler of the plan, once, when the snapshot is built. */
  wrap?(next: Handler): Handler
  /** Before status and headers are sent; for refusals and errors too. */
  responseHeaders?(exchange: Exchange, head: ResponseHead): void
  /** A filter for this response's body; `undefined` to leave it alone. */
  responseBody?(exchange: Exchange, head: ResponseHead): BodyFilter | undefined
  /** The exchange has ended. Must not throw and must not wait. */
  log?(exchange: Exchange, outcome: Outcome): void
  /** After the last exchange of the generation has settled. */
  dispose?(): Awaitable<void>
}

/** Where an instance was attached in the configuration. */
export interface PluginInstance {
  readonly id: string
  readonly name: string
  readonly routeId: string | undefined
  readonly serviceId: string | undefined
  readonly consumerId: string | undefined
}

export interface Clock {
  /** Wall clock, epoch ms. For calendar windows and `Date`; never for durations. */
  now(): number
  /** Monotonic ms; for durations. */
  monotonic(): number
}

export interface Randomness {
  /** A version 4 UUID. */
  uuid(): string
}

/** Who is known to the configuration. */
export interface Identities {
  /** A consumer by id or username. */
  consumer(idOrUsername: string): ConsumerRef | undefined
  /**
   * A credential by its lookup text.
   *
   * @param kind Kong's collection name, such as `keyauth_credentials`.
   * @param lookup what the kind is found by; for `keyauth_credentials` the lower-case hex SHA-256 of the key.
   */
  credential(kind: string, lookup: string): KnownCredential | undefined
}

export interface KnownCredential {
  readonly credential: CredentialRef
  readonly consumer: ConsumerRef
}

export interface PluginLog {
  warn(message: string, detail?: Readonly<Record<string, unknown>>): void
  error(message: string, detail?: Readonly<Record<string, unknown>>): void
}

/** One series of a counter. */
export interface PluginCounter {
  /** @param amount finite and not negative. */
  add(amount: number): void
}

/** One series of a gauge. */
export interface PluginGauge {
  /** @param value finite. */
  set(value: number): void
}

/** What a plugin may add to the node's metrics. */
export interface PluginMetrics {
  /**
   * A series to keep, for what is counted with every request: adding to it costs nothing to speak of.
   *
   * @param labels values in the order that the metric was declared with.
   */
  counter(metric: string, labels: readonly string[]): PluginCounter
  /** @param labels values in the order that the metric was declared with. */
  count(metric: string, labels: readonly string[], amount: number): void
  /** A series to keep. @param labels values in the order that the metric was declared with. */
  gauge(metric: string, labels: readonly string[]): PluginGauge
}

/** Everything a plugin instance may touch; injected, so that tests decide. */
export interface PluginContext {
  readonly instance: PluginInstance
  readonly clock: Clock
  readonly random: Randomness
  readonly ledger: Ledger
  /** Shared by all plugins of the worker; give your own `instance.id` as owner. */
  readonly cache: ResponseCache
  readonly identities: Identities
  readonly metrics: PluginMetrics
  readonly log: PluginLog
  /** Kong's exact behaviour where ours differs on purpose (`compatibility: kong`). */
  readonly compatibility: 'pratu' | 'kong'
  readonly node: NodeFacts
  /** State that outlives a reload, kept by `key` and this instance's id. */
  keep<T>(key: string, create: () => T): T
}

export interface NodeFacts {
  /** `<hostname>`, for log lines and ids. */
  readonly hostname: string
  /** Which worker this is, from 0. */
  readonly worker: number
  readonly workers: number
  /** The cache plugins' default time to live, seconds (`KONG_MEM_CACHE_TTL`); `undefined` when unset. */
  readonly cacheTtlSeconds: number | undefined
  /** Bytes that caches of this worker may use in all (`KONG_MEM_CACHE_MAX_SIZE` ÷ workers). */
  readonly cacheBytes: number
}

/** The part of Standard Schema that the gateway uses; Zod 4 schemas satisfy it. @see https://standardschema.dev */
export interface ConfigSchema<Config> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (
      value: unknown,
    ) => Awaitable<
      | { readonly value: Config; readonly issues?: undefined }
      | { readonly issues: readonly ConfigIssue[] }
    >
  }
}

export interface ConfigIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export interface PluginDefinition<Config> {
  /** Kong's name where Kong has it. */
  readonly name: string
  /** Higher runs first (kong.md §2.10). */
  readonly priority: number
  readonly version?: string
  /** Kong's field names and defaults in, camelCase out. Synchronous. */
  readonly schema: ConfigSchema<Config>
  /** Scopes that make no sense for it, as in Kong (`value must be null`). */
  readonly refuses?: readonly 'consumer'[]
  /** Once per instance and snapshot. */
  create(config: Config, context: PluginContext): Plugin
}

/** A definition whose config type is erased: what lists of plugins hold. */
export interface AnyPluginDefinition {
  readonly name: string
  readonly priority: number
  readonly version?: string
  readonly schema: ConfigSchema<unknown>
  readonly refuses?: readonly 'consumer'[]
  create(config: never, context: PluginContext): Plugin
}

/** Types a plugin; returns it unchanged. */
export function definePlugin<Config>(
  definition: PluginDefinition<Config>,
): PluginDefinition<Config> {
  return definition
}
