import type { Awaitable } from './messages.ts'

export type Period = 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'

/** Text that must not be printed; read it where it leaves the process. */
export interface SecretText {
  reveal(): string
}

export interface RedisEndpoint {
  readonly host: string
  readonly port: number
}

/** Where a Redis is and how to log in. Equal settings share one connection per worker, across plugins and reloads. */
export interface RedisSettings {
  readonly topology: 'single' | 'sentinel' | 'cluster'
  /** The server, the sentinels, or some nodes of the cluster. */
  readonly nodes: readonly RedisEndpoint[]
  /** What the sentinels call the master; for `sentinel`. */
  readonly masterName?: string | undefined
  /** For Redis's access control lists; `undefined`: the default user. */
  readonly username: SecretText | undefined
  readonly password: SecretText | undefined
  readonly sentinelUsername?: SecretText | undefined
  readonly sentinelPassword?: SecretText | undefined
  /** A cluster has only 0. */
  readonly database: number
  readonly tls: { readonly verify: boolean; readonly serverName: string | undefined } | undefined
  /** How long a command may take before it counts as failed. */
  readonly timeoutMs: number
}

/** Counters shared by all replicas. */
export interface RedisLimitStore {
  readonly kind: 'redis'
  readonly redis: RedisSettings
  /**
   * While Redis is away: `allow` admits uncounted, `deny` fails the request, `local` counts in this process and admits
   * the limit divided by the number of replicas last seen.
   */
  readonly onFailure: 'allow' | 'deny' | 'local'
  /**
   * `admitted`: all or nothing, refused requests are not counted. `kong`: Kong's own way and keys (kong.md §3.3), by
   * which refused requests count too; the meter's id must then be `<prefix>:<period>`, and the keys are
   * `<prefix>:<scope>:<window start, epoch ms>:<period>`.
   */
  readonly counting: 'admitted' | 'kong'
  /** Count in memory and exchange with Redis this often; `undefined`: every decision asks Redis. */
  readonly syncSeconds: number | undefined
}

/** What a meter counts, and how. */
export interface MeterDefinition {
  /** Stable across reloads: counters of equal ids and scopes are the same counter. */
  readonly id: string
  readonly quantity: 'requests'
  /** Fixed windows aligned to the UTC calendar (kong.md §3.3). */
  readonly window: { readonly kind: 'calendar'; readonly period: Period }
  /** Whole units admitted per window and scope; at least 1. */
  readonly limit: number
  /** Where the counters are; absent: in this process, exact for all its workers. */
  readonly store?: RedisLimitStore | undefined
}

/** A defined meter; opaque to its users. */
export interface Meter {
  readonly definition: MeterDefinition
  /** Tells that its owner is disposed of, so that what nobody uses can be closed. Present where that matters. */
  release?(): void
}

/** An amount asked of one meter for one scope (a consumer id, an address, …). */
export interface Hold {
  readonly meter: Meter
  readonly scope: string
  /** In the meter's unit, at least 1. */
  readonly amount: number
}

/** A meter's state right after the decision, the admitted amount included. */
export interface Remaining {
  readonly limit: number
  readonly remaining: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
  /** Nobody counted, since the store is away: the other members say nothing. */
  readonly unknown?: boolean
}

export interface Refusal {
  /** Index of the hold that refused; of several the one that takes longest to admit again. */
  readonly hold: number
  readonly retryAfterMs: number
  /** State of every hold asked, in order; nothing was taken. */
  readonly meters: readonly Remaining[]
}

export interface Admission {
  readonly reservation: Reservation
  readonly meters: readonly Remaining[]
  /** Whether the store was away and a fallback policy decided. */
  readonly degraded: boolean
}

export type Decision =
  | ({ readonly admitted: true } & Admission)
  | ({ readonly admitted: false } & Refusal)

/** The engine of every limit. */
export interface Ledger {
  meter(definition: MeterDefinition): Meter
  /**
   * All or nothing: a refused reservation takes nothing from any meter. The memory store answers synchronously.
   *
   * @throws, or rejects, when a store is away whose meters say `deny`.
   */
  reserve(holds: readonly Hold[]): Awaitable<Decision>
}

/** The admitted holds of one exchange or flight. */
export interface Reservation {
  readonly closed: boolean
  /** The first call wins. `actual` per hold in order, omitted = what was reserved; zeros give everything back. */
  close(actual?: readonly number[]): void
}
