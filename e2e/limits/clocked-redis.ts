/** Connections through which scripts are told the time by the test: the scripts are the real ones, and so is Redis. */
import type { RedisSettings } from '@pratu/plugin-kit'
import type { Redis } from 'ioredis'
import {
  RedisConnection,
  RedisConnections,
  defineScript,
  type RedisScript,
} from '../../packages/gateway/src/redis/index.ts'

const CLOCK = 'test:clock'
const TOLD = `(function()
  local ms = tonumber(redis.call('GET', '${CLOCK}'))
  return {math.floor(ms / 1000), (ms % 1000) * 1000}
end)()`

const quiet = { info: () => undefined, warn: () => undefined }
const clocked = new Map<RedisScript, RedisScript>()

class ClockedConnection extends RedisConnection {
  override evaluate(
    script: RedisScript,
    ...rest: [readonly string[], readonly (string | number)[], ((answer: unknown) => void)?]
  ): Promise<unknown> {
    let known = clocked.get(script)
    if (known === undefined) {
      known = defineScript(script.lua.replaceAll("redis.call('TIME')", TOLD))
      clocked.set(script, known)
    }
    return super.evaluate(known, ...rest)
  }
}

export class ClockedConnections extends RedisConnections {
  #connection: ClockedConnection | undefined

  constructor() {
    super({ log: quiet })
  }

  override acquire(settings: RedisSettings): RedisConnection {
    this.#connection ??= new ClockedConnection({ settings, log: quiet })
    return this.#connection
  }

  override release(): void {}

  override get degraded(): boolean {
    return this.#connection?.isUp !== true
  }

  override close(): void {
    this.#connection?.close()
  }
}

/** @param atMs epoch ms. */
export async function tellTime(client: Redis, atMs: number): Promise<void> {
  await client.set(CLOCK, atMs)
}
