import type { RedisConnection } from '../redis/index.ts'

/** What of a connection to Redis scripts need. */
export type ScriptRunner = Pick<RedisConnection, 'isUp' | 'isCluster' | 'onUp' | 'evaluate'>
