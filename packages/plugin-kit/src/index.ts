/** Everything that a plugin may import. This package imports nothing. */
export * from './messages.ts'
export * from './exchange.ts'
export * from './ledger.ts'
export * from './cache.ts'
export * from './plugin.ts'
export * from './spending.ts'
export * from './reply.ts'
