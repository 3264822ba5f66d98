import { lookup as systemLookup } from 'node:dns'
import type { Clock } from '@pratu/plugin-kit'
import { UpstreamFault } from './fault.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Asks the name service once. Calls back exactly once, possibly late: the resolver has its own time limit. */
export type Lookup = (
  hostname: string,
  callback: (error: Error | null, addresses: readonly ResolvedAddress[]) => void,
) => void

export interface ResolverOptions {
  readonly lookup: Lookup
  readonly clock: Clock
  readonly timeoutMs: number
  /** How long an answer is trusted. */
  readonly ttlMs: number
  /** How long beyond that it is used while the name service gives no answer. */
  readonly staleMs: number
  /** A name points elsewhere: connections to other addresses must not serve new requests. */
  onChange(hostname: string, addresses: readonly string[]): void
  onFailure(hostname: string, error: Error, lastGoodUsed: boolean): void
}

export type ResolveCallback = (
  error: UpstreamFault | undefined,
  addresses: readonly ResolvedAddress[],
) => void

/** After a failed look-up the last good answer is used at once for this long, not after another wait. */
const RETRY_AFTER_MS = 1_000
/** Names that no longer matter are forgotten when there are more than this. */
const MAX_NAMES = 10_000

interface Waiter {
  readonly callback: ResolveCallback
  timer: NodeJS.Timeout | undefined
}

interface NameRecord {
  readonly hostname: string
  /** IPv4 first, as Kong asks for A records; empty before the first answer. */
  addresses: readonly ResolvedAddress[]
  expiresAtMs: number
  staleUntilMs: number
  /** Until then nothing is asked while there is a usable last answer. */
  retryAtMs: number
  lookingUp: boolean
  /** The look-up under way has outlasted the time limit: nobody waits for it while a last answer will do. */
  overdue: boolean
  waiters: Waiter[]
  turn: number
}

const NONE: readonly ResolvedAddress[] = []

/** `getaddrinfo`, so that hosts file, search domains and numeric forms mean what they mean everywhere else. */
export const lookupBySystem: Lookup = (hostname, callback) => {
  systemLookup(hostname, { all: true, verbatim: true }, (error, found) => {
    callback(
      error,
      error === null
        ? found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
        : NONE,
    )
  })
}

/**
 * Names to addresses, with F41's rules: one look-up per name at a time, a time limit, a life time, the last good answer
 * for a while when the name service fails, and word of every change.
 */
export class Resolver {
  readonly #options: ResolverOptions
  readonly #records = new Map<string, NameRecord>()

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /**
   * Calls back with at least one address, each time starting at the next one of the list; synchronously when the answer
   * is known. `upstream_name_resolution` when there is none.
   */
  resolve(hostname: string, callback: ResolveCallback): void {
    const record = this.#record(hostname)
    const nowMs = this.#options.clock.monotonic()
    const patient = nowMs >= record.retryAtMs && !record.overdue
    if (nowMs < record.expiresAtMs || (!patient && nowMs < record.staleUntilMs)) {
      callback(undefined, rotate(record))
      return
    }
    const waiter: Waiter = { callback, timer: undefined }
    waiter.timer = setTimeout(() => this.#giveUp(record, waiter), this.#options.timeoutMs)
    record.waiters.push(waiter)
    this.#lookUp(record)
  }

  /** Asks again in the background when the answer has expired; called as connections are reused. */
  refresh(hostname: string): void {
    const record = this.#record(hostname)
    const nowMs = this.#options.clock.monotonic()
    if (nowMs >= record.expiresAtMs && nowMs >= record.retryAtMs) this.#lookUp(record)
  }

  #record(hostname: string): NameRecord {
    const known = this.#records.get(hostname)
    if (known !== undefined) return known
    if (this.#records.size >= MAX_NAMES) this.#forgetExpired()
    const record: NameRecord = {
      hostname,
      addresses: NONE,
      expiresAtMs: -Infinity,
      staleUntilMs: -Infinity,
      retryAtMs: -Infinity,
      lookingUp: false,
      overdue: false,
      waiters: [],
      turn: 0,
    }
    this.#records.set(hostname, record)
    return record
  }

  #forgetExpired(): void {
    const nowMs = this.#options.clock.monotonic()
    for (const [hostname, record] of this.#records) {
      if (!record.lookingUp && nowMs >= record.staleUntilMs) this.#records.delete(hostname)
    }
  }

  /** A look-up that hangs holds a thread of libuv's few, so there is never a second one for the same name. */
  #lookUp(record: NameRecord): void {
    if (record.lookingUp) return
    record.lookingUp = true
    this.#options.lookup(record.hostname, (error, found) => {
      record.lookingUp = false
      record.overdue = false
      if (error === null && found.length > 0) this.#accept(record, found)
      else this.#reject(record, error ?? new Error('the answer holds no address'))
    })
  }

  #accept(record: NameRecord, found: readonly ResolvedAddress[]): void {
    const { clock, ttlMs, staleMs } = this.#options
    const nowMs = clock.monotonic()
    const addresses = [
      ...found.filter(({ family }) => family === 4),
      ...found.filter(({ family }) => family === 6),
    ]
    const changed = record.addresses !== NONE && !isSameSet(record.addresses, addresses)
    record.addresses = addresses
    record.expiresAtMs = nowMs + ttlMs
    record.staleUntilMs = nowMs + ttlMs + staleMs
    record.retryAtMs = -Infinity
    if (changed) {
      this.#options.onChange(
        record.hostname,
        addresses.map(({ address }) => address),
      )
    }
    const waiters = record.waiters
    record.waiters = []
    for (const { callback, timer } of waiters) {
      clearTimeout(timer)
      callback(undefined, rotate(record))
    }
  }

  #reject(record: NameRecord, error: Error): void {
    const nowMs = this.#options.clock.monotonic()
    record.retryAtMs = nowMs + RETRY_AFTER_MS
    const waiters = record.waiters
    record.waiters = []
    this.#options.onFailure(record.hostname, error, nowMs < record.staleUntilMs)
    for (const waiter of waiters) {
      clearTimeout(waiter.timer)
      this.#answerWithout(record, waiter, error)
    }
  }

  #giveUp(record: NameRecord, waiter: Waiter): void {
    const nowMs = this.#options.clock.monotonic()
    record.waiters = record.waiters.filter((other) => other !== waiter)
    const error = new Error(`no answer from the name service in ${this.#options.timeoutMs} ms`)
    // Told once per look-up, however many wait for it.
    if (!record.overdue) {
      record.overdue = true
      this.#options.onFailure(record.hostname, error, nowMs < record.staleUntilMs)
    }
    this.#answerWithout(record, waiter, error)
  }

  #answerWithout(record: NameRecord, { callback }: Waiter, cause: Error): void {
    if (this.#options.clock.monotonic() < record.staleUntilMs) {
      callback(undefined, rotate(record))
      return
    }
    const message = `cannot resolve ${record.hostname}`
    callback(new UpstreamFault('upstream_name_resolution', message, { cause }), NONE)
  }
}

/** All addresses, starting with the next IPv4 one: several addresses share the load, as in Kong (kong.md §2.8). */
function rotate(record: NameRecord): readonly ResolvedAddress[] {
  const { addresses } = record
  if (addresses.length < 2) return addresses
  const preferred = addresses[0]?.family
  const count = addresses.filter(({ family }) => family === preferred).length
  const start = record.turn++ % count
  return [...addresses.slice(start, count), ...addresses.slice(0, start), ...addresses.slice(count)]
}

function isSameSet(before: readonly ResolvedAddress[], after: readonly ResolvedAddress[]): boolean {
  const known = new Set(before.map(({ address }) => address))
  const found = new Set(after.map(({ address }) => address))
  return known.size === found.size && [...found].every((address) => known.has(address))
}
