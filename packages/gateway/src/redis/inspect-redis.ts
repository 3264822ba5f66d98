import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisSettings } from '@pratu/plugin-kit'
import { createClient } from './client.ts'
import { Inspector, type RedisFinding } from './inspector.ts'

export interface InspectRedisOptions {
  /** PEM certificates to trust; `undefined`: the system's. */
  readonly ca: readonly string[] | undefined
  /** For everything together. */
  readonly timeoutMs: number
}

/**
 * Looks once at a Redis that limits are to count in.
 *
 * @returns what was found in time; nothing when it cannot be reached from here, which says nothing about it.
 */
export async function inspectRedis(
  settings: RedisSettings,
  { ca, timeoutMs }: InspectRedisOptions,
): Promise<readonly RedisFinding[]> {
  const findings: RedisFinding[] = []
  const inspector = new Inspector({ settings, ca, onFinding: (finding) => findings.push(finding) })
  const client = createClient(settings, { ca, retryDelayMs: () => undefined })
  // Not to be reached is no finding.
  client.on('error', () => undefined)
  const look = async (): Promise<void> => {
    try {
      await client.connect()
    } catch {
      return
    }
    await inspector.inspect(client)
  }
  const stop = new AbortController()
  try {
    const late = sleep(timeoutMs, undefined, { signal: stop.signal }).catch(() => undefined)
    await Promise.race([look(), late])
    return [...findings]
  } finally {
    stop.abort()
    inspector.close()
    client.disconnect()
  }
}
