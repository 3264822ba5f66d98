import type { RedisSettings } from '@pratu/plugin-kit'
import { RedisConnection, type ConnectionLog } from './connection.ts'
import { connectionKey } from './settings.ts'

/** A connection nobody uses any more is kept this long: a reload may take it up again. */
const IDLE_MS = 30_000

export interface ConnectionsOptions {
  readonly log: ConnectionLog
  /** PEM certificates to trust; `undefined`: the system's. */
  readonly ca?: readonly string[] | undefined
  readonly inspect?: boolean
  /** How long a connection without users is kept, ms. */
  readonly idleMs?: number
}

interface Shared {
  readonly connection: RedisConnection
  users: number
  closing: NodeJS.Timeout | undefined
}

/** The Redis connections of one worker: one per distinct settings, whoever uses them, across reloads. */
export class RedisConnections {
  readonly #options: ConnectionsOptions
  readonly #byKey = new Map<string, Shared>()

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Connects in the background if need be. Each call needs one `release`. */
  acquire(settings: RedisSettings): RedisConnection {
    const key = connectionKey(settings)
    let shared = this.#byKey.get(key)
    if (shared === undefined) {
      const { log, ca, inspect } = this.#options
      const connection = new RedisConnection({ settings, log, ca, inspect: inspect ?? false })
      shared = { connection, users: 0, closing: undefined }
      this.#byKey.set(key, shared)
    }
    clearTimeout(shared.closing)
    shared.users += 1
    return shared.connection
  }

  /** @param onClosed called if that was the last user and none came back. */
  release({ settings }: RedisConnection, onClosed?: () => void): void {
    const key = connectionKey(settings)
    const shared = this.#byKey.get(key)
    if (shared === undefined) return
    shared.users -= 1
    if (shared.users > 0) return
    shared.closing = setTimeout(() => {
      this.#byKey.delete(key)
      shared.connection.close()
      onClosed?.()
    }, this.#options.idleMs ?? IDLE_MS)
    shared.closing.unref()
  }

  /** Whether a Redis that is in use is away. */
  get degraded(): boolean {
    for (const { connection, users } of this.#byKey.values()) {
      if (users > 0 && !connection.isUp) return true
    }
    return false
  }

  close(): void {
    for (const { connection, closing } of this.#byKey.values()) {
      clearTimeout(closing)
      connection.close()
    }
    this.#byKey.clear()
  }
}
