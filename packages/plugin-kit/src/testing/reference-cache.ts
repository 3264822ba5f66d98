import type { CachedHead, CachedResponse, CacheLifetime, ResponseCache } from '../cache.ts'
import type { Clock } from '../plugin.ts'
import { concat } from './recording-sink.ts'

interface Entry extends CachedHead, CacheLifetime {
  readonly owner: string
  readonly body: Uint8Array
  readonly storedAtMs: number
  readonly storedAt: number
}

/** The simplest cache that obeys the contract: a map, nothing bounded. For tests of plugins, and as a model. */
export function createReferenceCache(clock: Clock): ResponseCache {
  const entries = new Map<string, Entry>()
  const keyOf = (owner: string, key: string): string => JSON.stringify([owner, key])

  return {
    read(owner, key): CachedResponse | undefined {
      const entry = entries.get(keyOf(owner, key))
      if (entry === undefined) return undefined
      const ageMs = clock.monotonic() - entry.storedAt
      if (ageMs >= entry.keepMs) {
        entries.delete(keyOf(owner, key))
        return undefined
      }
      const { status, headers, labels, saved, mark = 0, body, freshMs, storedAtMs } = entry
      return {
        status,
        headers: [...headers],
        ...(labels === undefined ? {} : { labels }),
        ...(saved === undefined ? {} : { saved }),
        mark,
        body: body.slice(),
        freshMs,
        storedAtMs,
        ageMs,
      }
    },
    open(owner, key, { status, headers, labels }) {
      const chunks: Uint8Array[] = []
      let closed = false
      return {
        write: (chunk) => {
          if (!closed) chunks.push(chunk.slice())
          return !closed
        },
        tryWrite(chunk) {
          return this.write(chunk)
        },
        read: (from, maxBytes) => concat(chunks).slice(from, from + maxBytes),
        commit: ({ keepMs, freshMs, saved, mark }) => {
          if (closed) return false
          closed = true
          entries.set(keyOf(owner, key), {
            owner,
            status,
            headers: [...headers],
            ...(labels === undefined ? {} : { labels }),
            ...(saved === undefined ? {} : { saved }),
            ...(mark === undefined ? {} : { mark }),
            body: concat(chunks),
            keepMs,
            freshMs,
            storedAtMs: clock.now(),
            storedAt: clock.monotonic(),
          })
          return true
        },
        abandon: () => {
          closed = true
        },
      }
    },
    delete: (owner, key) => entries.delete(keyOf(owner, key)),
    purge(match = () => true) {
      let removed = 0
      for (const [key, entry] of entries) {
        if (!match(entry.owner)) continue
        entries.delete(key)
        removed += 1
      }
      return removed
    },
  }
}
