import type { Awaitable } from './messages.ts'

export type Period = 'second' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year'

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

/** What is counted. `concurrent_requests` are held for as long as their reservation is open. */
export type Quantity =
  | 'requests'
  | 'input_tokens'
  | 'output_tokens'
  | 'total_tokens'
  | 'nano_dollars'
  | 'concurrent_requests'

/** How a meter forgets what it has counted. */
export type MeterWindow =
  /**
   * Fixed windows aligned to the calendar (kong.md §3.3); weeks start on Monday. Around the end of one, up to twice the
   * limit may pass. `timeZone` is an IANA name; absent: UTC.
   */
  | { readonly kind: 'calendar'; readonly period: Period; readonly timeZone?: string | undefined }
  /** Never more than the limit in *any* span of this length (F69). Up to an eighth of the length late to forget. */
  | { readonly kind: 'sliding'; readonly lengthMs: number }
  /**
   * The generic cell rate algorithm: `limit` per `lengthMs`, evenly spread, `burst` of them at once, at least 1. Never
   * more than `limit + burst` in any span of this length (F69). What remains is what is left of the burst.
   */
  | { readonly kind: 'gcra'; readonly lengthMs: number; readonly burst: number }
  /**
   * Held until the reservation closes. What a process that died was holding is free again after `leaseMs` at the latest
   * (F70); living processes renew by themselves.
   */
  | { readonly kind: 'concurrency'; readonly leaseMs: number }

/** What a meter counts, and how. */
export interface MeterDefinition {
  /** Stable across reloads: counters of equal ids, windows and scopes are the same counter, whatever their limit. */
  readonly id: string
  readonly quantity: Quantity
  readonly window: MeterWindow
  /** Whole units admitted per window and scope; at least 1, at most 2⁵³ - 1. */
  readonly limit: number
  /** `report`: counts and never refuses. Absent: `enforce`. */
  readonly mode?: 'enforce' | 'report' | undefined
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
  /** At least 0. */
  readonly remaining: number
  /** What is counted, also beyond the limit: corrections and `report` may exceed it. */
  readonly used: number
  /** Milliseconds until everything counted so far is forgotten; 0 for what is only held. */
  readonly resetMs: number
  /** Nobody counted, since the store is away: the other members say nothing. */
  readonly unknown?: boolean
}

export interface Refusal {
  /** Index of the hold that refused; of several the one that takes longest to admit again. */
  readonly hold: number
  /**
   * When the same question could be admitted if nobody else asked and nothing were given back; at least 1. Where only that
   * helps (concurrency) nobody knows: 1,000.
   */
  readonly retryAfterMs: number
  /** The amount is larger than the limit itself, or than the burst of a `gcra`: it will never be admitted. */
  readonly permanent: boolean
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
  /** @throws {RangeError} for a limit, a length, a burst or a time zone that makes no sense. */
  meter(definition: MeterDefinition): Meter
  /**
   * All or nothing: a refused reservation takes nothing from any meter. The memory store answers synchronously.
   *
   * @throws, or rejects, when a store is away whose meters say `deny`.
   */
  reserve(holds: readonly Hold[]): Awaitable<Decision>
  /** The state of a meter for a scope; takes nothing. */
  peek(meter: Meter, scope: string): Awaitable<Remaining>
  /** Forgets what was counted for a scope; what is held stays held. */
  reset(meter: Meter, scope: string): Awaitable<void>
  /**
   * Counts what was used without a reservation, whatever the limit: how spend is rebuilt from a journal. A window that is
   * over by now has nothing left to count.
   *
   * @param atMs when it was used, epoch ms.
   */
  record(meter: Meter, scope: string, amount: number, atMs: number): Awaitable<void>
}

/** The admitted holds of one exchange or flight. */
export interface Reservation {
  readonly closed: boolean
  /**
   * The running total of a hold, while a stream runs. Costs no I/O.
   *
   * @returns `short` when the total has passed what is reserved: ask `grow`, or end the stream.
   */
  used(hold: number, total: number): 'within' | 'short'
  /**
   * Asks for more of a hold. After `close` it asks for nothing and answers false.
   *
   * @returns whether the amount was added to what is reserved; all of it, or nothing.
   */
  grow(hold: number, amount: number): Awaitable<boolean>
  /**
   * The first call wins. Never waits: what a remote store has to be told is handed over.
   *
   * What is given back goes to the window in which it was taken; a calendar window that is over has nothing to correct,
   * and from a `gcra` time has given part of it back already. What exceeds the reservation counts from now on, in a
   * calendar only while its window lasts.
   *
   * @param actual per hold in order, may exceed what was reserved; omitted = what was reserved; zeros give everything
   *   back. What is only held (concurrency) is given back whatever it says.
   */
  close(actual?: readonly number[]): void
}
