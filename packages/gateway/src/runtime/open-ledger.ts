import { getCACertificates } from 'node:tls'
import type { Clock } from '@pratu/plugin-kit'
import type { NodeSettings } from '../config/index.ts'
import {
  createLimitLedger,
  createMemoryLedger,
  type CounterTable,
  type LimitLedger,
} from '../limits/index.ts'
import type { Logger } from '../observe/index.ts'
import { RedisConnections } from '../redis/index.ts'

export interface LedgerDeps {
  readonly settings: NodeSettings
  readonly counters: CounterTable
  /** Which of the table's threads this is. */
  readonly thread: number
  readonly clock: Clock
  readonly logger: Logger
  /** From 0. */
  readonly worker: number
}

/** The ledger of one serving thread: memory shared with the other threads, and Redis connections of its own. */
export function openLedger(deps: LedgerDeps): LimitLedger {
  const { settings, counters, thread, clock, logger, worker } = deps
  const { caBundle } = settings.upstream
  return createLimitLedger({
    memory: createMemoryLedger({ clock, table: counters, thread }),
    connections: new RedisConnections({
      log: logger,
      ca: caBundle === undefined ? undefined : [...getCACertificates('default'), caBundle],
      inspect: worker === 0,
    }),
    clock,
    isReplayed: true,
    replicaId: `${settings.hostname}:${process.pid}`,
  })
}
