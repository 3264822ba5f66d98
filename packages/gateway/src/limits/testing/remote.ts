import type { Awaitable, Decision, RedisLimitStore } from '@pratu/plugin-kit'
import { RemoteMeter, type RemoteHold } from '../remote-meter.ts'

export const REDIS_STORE: RedisLimitStore = {
  kind: 'redis',
  redis: {
    topology: 'single',
    nodes: [{ host: '127.0.0.1', port: 6379 }],
    username: undefined,
    password: undefined,
    database: 0,
    tls: undefined,
    timeoutMs: 100,
  },
  onFailure: 'allow',
  counting: 'admitted',
  syncSeconds: undefined,
}

function nobody(): never {
  throw new Error('nobody was to be asked')
}

/** A meter per minute whose store is asked through `reserve`, or not at all. */
export function remoteMeter(
  limit: number,
  store: Partial<RedisLimitStore> = {},
  reserve?: (holds: readonly RemoteHold[]) => Awaitable<Decision>,
): RemoteMeter {
  return new RemoteMeter(
    {
      id: `m${limit}:minute`,
      quantity: 'requests',
      window: { kind: 'calendar', period: 'minute' },
      limit,
    },
    { ...REDIS_STORE, ...store },
    { reserve: reserve ?? nobody, peek: nobody, reset: nobody, record: nobody },
    () => undefined,
  )
}
