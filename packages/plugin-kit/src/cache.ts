/**
 * Whose answers an entry holds; nobody else is ever given them (S31). Only the ways below make one, so that no key is
 * without one by mistake.
 */
export class Tenant {
  /** Everyone who may ask: an explicit choice of the configuration, never a default. */
  static readonly everyone: Tenant = new Tenant('everyone')
  /** Part of every key; no two tenants have the same. */
  readonly id: string
  // Private, so that no other object passes for a tenant.
  readonly #made = true

  private constructor(id: string) {
    this.id = id
  }

  /** One consumer of the configuration, by id. */
  static consumer(id: string): Tenant {
    return new Tenant(`consumer:${id}`)
  }

  /** The consumers that carry this tag. */
  static tag(tag: string): Tenant {
    return new Tenant(`tag:${tag}`)
  }

  /** Someone whom no plugin has identified, by the digest of what they brought along. */
  static caller(digest: string): Tenant {
    return new Tenant(`caller:${digest}`)
  }

  equals(other: Tenant): boolean {
    return this.#made && other.id === this.id
  }
}

/** Status and fields of an answer that is to be kept. */
export interface CachedHead {
  readonly status: number
  /** Name, value, name, value, …; no value holds a line break. */
  readonly headers: readonly string[]
  /** What its owner wants to know of it later, by name; names without `:` and line breaks, values without line breaks. */
  readonly labels?: Readonly<Record<string, string>>
}

/** What an answer had cost when it was made, and saves whenever it is given again. */
export interface Saved {
  readonly promptTokens: number
  readonly completionTokens: number
  /** Whole nano-dollars; `undefined` when the price is not known. */
  readonly nanoDollars: number | undefined
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
  readonly saved?: Saved
  /** A small number of its owner's, as it was committed; 0 unless given. */
  readonly mark?: number
}

export interface CacheLifetime {
  /** After this the entry is gone, ms. */
  readonly keepMs: number
  /** What readers will see as `freshMs`. */
  readonly freshMs: number
  readonly saved?: Saved | undefined
  /** A whole number of 31 bits that means something to the owner. */
  readonly mark?: number
}

/** Writes one entry. Nobody sees it before `commit`. Exactly one of `commit` or `abandon`; calls after that do nothing. */
export interface CacheWriter {
  /** Copies the chunk. @returns `false` when the entry was given up: too large, or no memory to be had. */
  write(chunk: Uint8Array): boolean
  /** As `write`, but what does not fit leaves the entry as it was. */
  tryWrite(chunk: Uint8Array): boolean
  /** A copy of at most `maxBytes` written bytes from `from` on; empty when there are none. */
  read(from: number, maxBytes: number): Uint8Array
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
