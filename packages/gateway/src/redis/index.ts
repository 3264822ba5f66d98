export { RedisConnection, RedisUnavailable, type ConnectionLog } from './connection.ts'
export { RedisConnections, type ConnectionsOptions } from './connections.ts'
export { defineScript, type RedisScript } from './script.ts'
