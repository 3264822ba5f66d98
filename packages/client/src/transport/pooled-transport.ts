import type { Client } from 'undici'
import { ConnectionPool, type PoolLimits } from './connection-pool.ts'
import {
  messageOf,
  TransportError,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts'

export interface PooledTransportOptions extends PoolLimits {
  /** Milliseconds to reach the gateway, TLS included. */
  readonly connectTimeoutMs: number
  /** How long a connection without a request is kept, in milliseconds. */
  readonly keepAliveExpiryMs: number
}

/** Node's transport: undici, in a pool that is bounded in connections made and in connections kept. */
export function pooledTransport(options: PooledTransportOptions): Transport {
  let pools: Promise<Pools> | undefined
  let closed = false
  return {
    async send(request) {
      if (closed) throw new TransportError('connection', 'the client is closed')
      pools ??= loadPools(options)
      return send((await pools).of(request.url.origin), request)
    },
    async close() {
      closed = true
      await (await pools)?.close()
    },
  }
}

interface Pools {
  of(origin: string): ConnectionPool<Client>
  close(): Promise<void>
}

/** undici is loaded with the first request: programs that only import the client start without it. */
async function loadPools(options: PooledTransportOptions): Promise<Pools> {
  const { buildConnector, Client } = await import('undici')
  // One connector for all connections, so that they share TLS sessions.
  const connect = buildConnector({ timeout: options.connectTimeoutMs, allowH2: false })
  const pools = new Map<string, ConnectionPool<Client>>()
  const poolOf = (origin: string): ConnectionPool<Client> =>
    new ConnectionPool(options, (onIdleLoss) => {
      const client = new Client(origin, {
        connect,
        allowH2: false,
        pipelining: 1,
        keepAliveTimeout: options.keepAliveExpiryMs,
        keepAliveMaxTimeout: options.keepAliveExpiryMs,
        // The time limits are the caller's, over all transports alike.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      client.on('disconnect', onIdleLoss)
      return client
    })
  return {
    of(origin) {
      const known = pools.get(origin)
      if (known !== undefined) return known
      const pool = poolOf(origin)
      pools.set(origin, pool)
      return pool
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()))
    },
  }
}

async function send(
  pool: ConnectionPool<Client>,
  { method, url, headers, body, signal, onConnection }: TransportRequest,
): Promise<TransportResponse> {
  const client = await pool.acquire(signal)
  onConnection()
  try {
    const response = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { ...headers },
      body: body ?? null,
      signal,
    })
    // Fires once, whether the body was read to its end, left or broken.
    response.body.once('close', () => pool.release(client))
    return {
      status: response.statusCode,
      header(name) {
        const value = response.headers[name]
        return typeof value === 'string' ? value : value?.[0]
      },
      body: pieces(response.body),
    }
  } catch (error) {
    pool.release(client)
    throw transportError(error)
  }
}

async function* pieces(
  body: AsyncIterable<Uint8Array> & { once(event: 'error', listener: () => void): unknown },
): AsyncGenerator<Uint8Array, void> {
  // A body that is left breaks off on purpose; the error that says so has nobody to go to.
  body.once('error', () => undefined)
  try {
    yield* body
  } catch (error) {
    throw transportError(error)
  }
}

function transportError(error: unknown): TransportError {
  const timedOut = error instanceof Error && Reflect.get(error, 'code') === CONNECT_TIMEOUT
  return new TransportError(timedOut ? 'connect-timeout' : 'connection', messageOf(error), error)
}

/** undici's code, by which errors of another copy of undici are known too. */
const CONNECT_TIMEOUT = 'UND_ERR_CONNECT_TIMEOUT'
