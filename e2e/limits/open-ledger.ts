/** A ledger over Redis inside the test's own process. */
import type { MeterDefinition, Period, RedisLimitStore } from '@pratu/plugin-kit'
import {
  createCounterTable,
  createLimitLedger,
  createMemoryLedger,
  type LimitLedger,
} from '../../packages/gateway/src/limits/index.ts'
import { RedisConnections } from '../../packages/gateway/src/redis/index.ts'
import { until } from './redis-server.ts'

export function redisStore(port: number, more: Partial<RedisLimitStore> = {}): RedisLimitStore {
  return {
    kind: 'redis',
    redis: {
      topology: 'single',
      nodes: [{ host: '127.0.0.1', port }],
      username: undefined,
      password: undefined,
      database: 0,
      tls: undefined,
      timeoutMs: 5_000,
    },
    onFailure: 'deny',
    counting: 'admitted',
    syncSeconds: undefined,
    ...more,
  }
}

export function meterOf(
  id: string,
  period: Period,
  limit: number,
  store?: RedisLimitStore,
): MeterDefinition {
  return { id, quantity: 'requests', window: { kind: 'calendar', period }, limit, store }
}

export interface LedgerOptions {
  readonly connections?: RedisConnections
  readonly store?: RedisLimitStore
  readonly isReplayed?: boolean
}

/** Resolves when Redis is connected. */
export async function openLedger(port: number, options: LedgerOptions = {}): Promise<LimitLedger> {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const quiet = { info: () => undefined, warn: () => undefined }
  const ledger = createLimitLedger({
    memory: createMemoryLedger({ clock, table: createCounterTable() }),
    connections: options.connections ?? new RedisConnections({ log: quiet }),
    clock,
    replicaId: `test:${process.pid}`,
    isReplayed: options.isReplayed ?? false,
  })
  ledger.meter(meterOf('open', 'hour', 1, options.store ?? redisStore(port)))
  await until('Redis is connected', () => !ledger.degraded)
  return ledger
}

/** At most so many at once, held in leases. */
export function leaseOf(limit: number, leaseMs: number, port: number): MeterDefinition {
  return {
    id: `leases-${limit}-${leaseMs}`,
    quantity: 'concurrent_requests',
    window: { kind: 'concurrency', leaseMs },
    limit,
    store: redisStore(port),
  }
}

/** Money per day. */
export function budgetOf(
  nanoDollars: number,
  port: number,
  more: Partial<RedisLimitStore> = {},
): MeterDefinition {
  return {
    id: `budget-${nanoDollars}`,
    quantity: 'nano_dollars',
    window: { kind: 'calendar', period: 'day' },
    limit: nanoDollars,
    store: redisStore(port, more),
  }
}
