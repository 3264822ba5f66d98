import { SYSTEM_CLOCK, type Clock } from './clock.ts'
import type { Transport } from './transport/transport.ts'

/** All times are milliseconds. What is not given has the default of docs/client.md. */
export interface PratuClientOptions {
  /** Where the gateway is, with or without `/v1` at the end. In Node also `PRATU_GATEWAY_URL`. */
  readonly gatewayUrl?: string | URL
  /** Sent as `Authorization: Bearer …`. In Node also `PRATU_API_KEY`. */
  readonly apiKey?: string
  /**
   * How long to wait, 120,000 by default: for the whole of a JSON answer; in a stream for its first event and between any
   * two pieces. It holds for each attempt.
   */
  readonly timeout?: number
  /** How long a connection may take to be made, 10,000 by default. Where `fetch` carries, the platform decides. */
  readonly connectTimeout?: number
  /** Tries after the first one, 2 by default: three in all. */
  readonly maxRetries?: number
  readonly backoff?: BackoffOptions
  /** Connections, where the transport has a pool (Node). */
  readonly pool?: PoolOptions
  /** More headers for every request, such as what an ingress wants. */
  readonly headers?: Readonly<Record<string, string>>
  /** Asks the gateway what each call cost, for `usage` and `meta`; true by default. */
  readonly askCost?: boolean
  /** Carries the requests instead of the default one. */
  readonly transport?: Transport
  /** Time and chance, for tests. */
  readonly clock?: Clock
  readonly random?: () => number
}

export interface PoolOptions {
  /** Connections at the same time, 200 by default; further requests wait in line. */
  readonly maxConnections?: number
  /** Idle connections that are kept, 100 by default. */
  readonly maxKeepAlive?: number
  /** How long an idle connection is kept, 30,000 by default. */
  readonly keepAliveExpiry?: number
}

export interface BackoffOptions {
  /** The first pause, 1,000 by default. After an answer it doubles; after a connection error it grows by itself. */
  readonly initial?: number
  /** The longest pause of the client's own choice, 30,000 by default. */
  readonly max?: number
  /** An answer that asks to wait longer than this ends the call; 60,000 by default. */
  readonly maxRetryAfter?: number
}

/** The options with every default in its place. */
export interface ClientSettings {
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxRetries: number
  readonly backoff: Backoff
  readonly pool: {
    readonly maxConnections: number
    readonly maxKeepAlive: number
    readonly keepAliveExpiryMs: number
  }
  readonly clock: Clock
  readonly random: () => number
}

export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
  readonly maxRetryAfterMs: number
}

/** @throws {TypeError} naming the option that makes no sense. */
export function settingsOf(options: PratuClientOptions): ClientSettings {
  const { pool = {}, backoff = {} } = options
  return {
    baseUrl: baseUrlOf(options.gatewayUrl),
    headers: headersOf(options),
    timeoutMs: positive('timeout', options.timeout ?? 120_000),
    connectTimeoutMs: positive('connectTimeout', options.connectTimeout ?? 10_000),
    maxRetries: whole('maxRetries', options.maxRetries ?? 2, 0),
    backoff: {
      initialMs: positive('backoff.initial', backoff.initial ?? 1_000),
      maxMs: positive('backoff.max', backoff.max ?? 30_000),
      maxRetryAfterMs: positive('backoff.maxRetryAfter', backoff.maxRetryAfter ?? 60_000),
    },
    pool: {
      maxConnections: whole('pool.maxConnections', pool.maxConnections ?? 200, 1),
      maxKeepAlive: whole('pool.maxKeepAlive', pool.maxKeepAlive ?? 100, 0),
      keepAliveExpiryMs: positive('pool.keepAliveExpiry', pool.keepAliveExpiry ?? 30_000),
    },
    clock: options.clock ?? SYSTEM_CLOCK,
    random: options.random ?? Math.random,
  }
}

/** OpenAI's clients want `/v1` in their base URL and the article's client has none: both are understood. */
function baseUrlOf(given: string | URL | undefined): string {
  if (given === undefined)
    throw new TypeError(
      'gatewayUrl is missing: where the gateway is, such as http://127.0.0.1:8000',
    )
  let url: URL
  try {
    url = new URL(given)
  } catch (cause) {
    throw new TypeError(`gatewayUrl is not a URL: ${String(given)}`, { cause })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`gatewayUrl must begin with http:// or https://, not ${url.protocol}`)
  if (url.username !== '' || url.password !== '')
    throw new TypeError('gatewayUrl must not hold a user or password: give apiKey')
  if (url.search !== '' || url.hash !== '')
    throw new TypeError('gatewayUrl must not have a query or a fragment')
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
  return `${url.origin}${path}/v1`
}

function headersOf({ apiKey, headers, askCost }: PratuClientOptions): Record<string, string> {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers ?? {})) all[name.toLowerCase()] = value
  all['accept'] = 'application/json'
  if (askCost !== false) all['x-pratu-cost'] = '1'
  if (apiKey !== undefined) {
    if (!/^[\x21-\x7e]+$/.test(apiKey))
      throw new TypeError('apiKey must be printable ASCII without spaces')
    all['authorization'] = `Bearer ${apiKey}`
  }
  return all
}

function positive(name: string, value: number): number {
  // Timers of every platform overflow above 2^31 - 1 milliseconds and then fire at once.
  if (Number.isFinite(value) && value > 0 && value < 2 ** 31) return value
  throw new TypeError(`${name} must be a number of milliseconds above 0, not ${String(value)}`)
}

export function whole(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new TypeError(`${name} must be a whole number, at least ${least}, not ${String(value)}`)
}
