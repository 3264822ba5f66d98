import { createRequire } from 'node:module'
import type * as Ioredis from 'ioredis'

const load = createRequire(import.meta.url)

/** The library, loaded with the first connection: most gateways have no Redis, and would carry 8 MB for nothing. */
export function ioredis(): typeof Ioredis {
  return load('ioredis')
}
