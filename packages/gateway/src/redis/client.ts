import type { Cluster, Redis } from 'ioredis'
import type { RedisSettings } from '@pratu/plugin-kit'
import { ioredis } from './ioredis.ts'
import { revealed } from './settings.ts'

export type Client = Redis | Cluster

/** For handshakes; the deadline of commands is `connection.ts`'s. */
const HANDSHAKE_MS = 1_000
const CONNECT_MS = 1_000
/** How long a socket that is given up may take to say goodbye. */
const DISCONNECT_MS = 100

export interface ClientOptions {
  /** PEM certificates to trust; `undefined`: the system's. */
  readonly ca: readonly string[] | undefined
  /** @returns ms until the next attempt, or `undefined` for none. */
  readonly retryDelayMs: () => number | undefined
}

/**
 * The one policy for all connections: nothing is queued while there is no connection, nothing is sent twice (a decision
 * that was sent twice would count twice), a server that became a replica is left at once (F65).
 *
 * @returns a client that connects when told to.
 */
export function createClient(settings: RedisSettings, options: ClientOptions): Client {
  const { topology, nodes, database, masterName } = settings
  const retryStrategy = (): number | null => options.retryDelayMs() ?? null
  const common = commonOptions(settings, options)
  const library = ioredis()
  if (topology === 'cluster') {
    return new library.Cluster([...nodes], {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      clusterNodeRetryStrategy: retryStrategy,
      slotsRefreshTimeout: CONNECT_MS,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      retryDelayOnTryAgain: 50,
      maxRedirections: 4,
      redisOptions: common,
    })
  }
  const single = { ...common, lazyConnect: true, enableOfflineQueue: false, db: database }
  if (topology === 'sentinel') {
    return new library.Redis({
      ...single,
      sentinels: [...nodes],
      name: masterName ?? '',
      sentinelUsername: revealed(settings.sentinelUsername),
      sentinelPassword: revealed(settings.sentinelPassword),
      sentinelRetryStrategy: retryStrategy,
      sentinelCommandTimeout: HANDSHAKE_MS,
      retryStrategy,
      enableTLSForSentinelMode: common.tls !== undefined,
      sentinelTLS: common.tls,
    })
  }
  const [node] = nodes
  return new library.Redis({
    ...single,
    host: node?.host ?? '127.0.0.1',
    port: node?.port ?? 6379,
    retryStrategy,
  })
}

function commonOptions(settings: RedisSettings, { ca }: ClientOptions) {
  const { tls } = settings
  return {
    username: revealed(settings.username),
    password: revealed(settings.password),
    connectionName: 'pratu',
    disableClientInfo: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: HANDSHAKE_MS,
    disconnectTimeout: DISCONNECT_MS,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
    tls:
      tls === undefined
        ? undefined
        : {
            rejectUnauthorized: tls.verify,
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
            ...(ca === undefined ? {} : { ca: [...ca] }),
          },
  }
}
