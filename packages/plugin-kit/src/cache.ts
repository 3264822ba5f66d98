/** Status and fields of an answer that is to be kept. */
export interface CachedHead {
  readonly status: number
  /** Name, value, name, value, …; no value holds a line break. */
  readonly headers: readonly string[]
}

/** A complete answer as it was kept. The bytes belong to the reader. */
export interface CachedResponse extends CachedHead {
  readonly body: Uint8Array
  /** Milliseconds since it was stored, by the monotonic clock. */
  readonly ageMs: number
  /** How long it counts as fresh, from when it was stored, ms; it may be kept for longer. */
  readonly freshMs: number
  /** Epoch milliseconds when it was stored; for people, never for arithmetic. */
  readonly storedAtMs: number
}

export interface CacheLifetime {
  /** After this the entry is gone, ms. */
  readonly keepMs: number
  /** What readers will see as `freshMs`. */
  readonly freshMs: number
}

/** Writes one entry. Nobody sees it before `commit`. Exactly one of `commit` or `abandon`; calls after that do nothing. */
export interface CacheWriter {
  /** Copies the chunk. @returns `false` when the entry was given up: too large, or no memory to be had. */
  write(chunk: Uint8Array): boolean
  /** Replaces any earlier entry. @returns `false` when the entry had been given up. */
  commit(lifetime: CacheLifetime): boolean
  abandon(): void
}

/**
 * Answers kept in memory: bounded in bytes, least recently used first out, one for all plugins of a worker, and kept
 * across reloads. Entries belong to an owner, usually a plugin's id, so that owners cannot meet each other's entries.
 */
export interface ResponseCache {
  /** Makes the entry the most recently used one. */
  read(owner: string, key: string): CachedResponse | undefined
  /** @returns `undefined` when the head alone is too large, or there is no memory to be had. */
  open(owner: string, key: string, head: CachedHead): CacheWriter | undefined
  /** @returns whether there was such an entry. */
  delete(owner: string, key: string): boolean
  /** Removes every entry of the owners that match; of all when no rule is given. @returns how many. */
  purge(match?: (owner: string) => boolean): number
}
