import type { Saved } from '@pratu/plugin-kit'
import { NONE, PAGE_BYTES, PagePool, type PageChain } from './page-pool.ts'

// What is known of an entry lies at the start of its first page, whose number names the entry. Indexes of 64-bit
// numbers first, then of 32-bit numbers.
const STORED_AT = 0
const EXPIRES_AT = 1
const FRESH_MS = 2
const STORED_AT_MS = 3
const SAVED_PROMPT = 4
const SAVED_COMPLETION = 5
const SAVED_NANOS = 6
const HASH = 14
const NEXT_IN_BUCKET = 15
const NEWER = 16
const OLDER = 17
const STATUS = 18
const ID_BYTES = 19
const HEAD_BYTES = 20
const BYTES = 21
const LAST_PAGE = 22
const PAGES = 23
const MARK = 24
const RECORD_BYTES = 104

/** Two pages share a bucket at least, and rounding up to a power of two at most doubles the buckets. */
const BUCKET_BYTES_PER_PAGE = Int32Array.BYTES_PER_ELEMENT

/** The longest id of an entry, bytes of UTF-8: it must fit in the first page. */
export const MAX_ID_BYTES: number = PAGE_BYTES - RECORD_BYTES

/** Placed at the start of a chain; filled in when the entry is added. */
export const EMPTY_RECORD: Uint8Array = new Uint8Array(RECORD_BYTES)

export interface EntryFacts {
  readonly status: number
  readonly idBytes: number
  readonly headBytes: number
  readonly freshMs: number
  readonly storedAtMs: number
  /** Monotonic ms. */
  readonly storedAt: number
  readonly expiresAt: number
  readonly saved: Saved | undefined
  readonly mark: number
}

/** Stands for what is not known where only numbers can stand. */
const UNKNOWN = -1

/** FNV-1a over UTF-16 code units: ids are digests or short, and the table compares the whole id anyway. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  return hash
}

/**
 * Entries by id and by age of use, kept in the pages themselves: not one JS object per entry, so nothing of it grows
 * with the number of entries but the pages, and the garbage collector has nothing to walk.
 */
export class EntryTable {
  readonly #pool: PagePool
  readonly #buckets: Int32Array
  #newest = NONE
  #oldest = NONE
  #size = 0

  /** @param maxBytes for pages, and for everything that is kept about them. */
  constructor(maxBytes: number) {
    const pageShare = PAGE_BYTES / (PAGE_BYTES + BUCKET_BYTES_PER_PAGE)
    this.#pool = new PagePool(maxBytes * pageShare, () => this.#removeOldest())
    this.#buckets = new Int32Array(bucketsFor(this.#pool.maxPages)).fill(NONE)
  }

  get size(): number {
    return this.#size
  }

  get usedBytes(): number {
    return this.#pool.usedBytes
  }

  /**
   * Copies `chunk` to the end of a chain that is not an entry yet, and removes the least recently used entries as needed.
   *
   * @returns `false` when there is no memory to be had.
   */
  append(chain: PageChain, chunk: Uint8Array): boolean {
    return this.#pool.append(chain, chunk)
  }

  /** Gives back a chain that will not become an entry. */
  discard({ first, last, pages }: PageChain): void {
    this.#pool.release(first, last, pages)
  }

  /** @returns the entry's number, or `NONE`. */
  find(id: string): number {
    const hash = hashOf(id)
    let entry = this.#buckets[this.#bucketOf(hash)] ?? NONE
    while (entry !== NONE) {
      if (this.#pool.int(entry, HASH) === hash && this.idOf(entry) === id) return entry
      entry = this.#pool.int(entry, NEXT_IN_BUCKET)
    }
    return NONE
  }

  /** Takes over a chain of record, id, head and body. The id must not be in the table. */
  add(id: string, chain: PageChain, facts: EntryFacts): void {
    const pool = this.#pool
    const entry = chain.first
    const hash = hashOf(id)
    const bucket = this.#bucketOf(hash)
    pool.setDouble(entry, STORED_AT, facts.storedAt)
    pool.setDouble(entry, EXPIRES_AT, facts.expiresAt)
    pool.setDouble(entry, FRESH_MS, facts.freshMs)
    pool.setDouble(entry, STORED_AT_MS, facts.storedAtMs)
    pool.setDouble(entry, SAVED_PROMPT, facts.saved?.promptTokens ?? UNKNOWN)
    pool.setDouble(entry, SAVED_COMPLETION, facts.saved?.completionTokens ?? UNKNOWN)
    pool.setDouble(entry, SAVED_NANOS, facts.saved?.nanoDollars ?? UNKNOWN)
    pool.setInt(entry, HASH, hash)
    pool.setInt(entry, NEXT_IN_BUCKET, this.#buckets[bucket] ?? NONE)
    pool.setInt(entry, STATUS, facts.status)
    pool.setInt(entry, ID_BYTES, facts.idBytes)
    pool.setInt(entry, HEAD_BYTES, facts.headBytes)
    pool.setInt(entry, BYTES, chain.bytes)
    pool.setInt(entry, LAST_PAGE, chain.last)
    pool.setInt(entry, PAGES, chain.pages)
    pool.setInt(entry, MARK, facts.mark)
    this.#buckets[bucket] = entry
    this.#linkNewest(entry)
    this.#size += 1
  }

  /** Makes the entry the most recently used one. */
  touch(entry: number): void {
    if (entry === this.#newest) return
    this.#unlink(entry)
    this.#linkNewest(entry)
  }

  remove(entry: number): void {
    const pool = this.#pool
    const bucket = this.#bucketOf(pool.int(entry, HASH))
    const next = pool.int(entry, NEXT_IN_BUCKET)
    let before = this.#buckets[bucket] ?? NONE
    if (before === entry) this.#buckets[bucket] = next
    else {
      while (pool.int(before, NEXT_IN_BUCKET) !== entry) before = pool.int(before, NEXT_IN_BUCKET)
      pool.setInt(before, NEXT_IN_BUCKET, next)
    }
    this.#unlink(entry)
    this.#size -= 1
    pool.release(entry, pool.int(entry, LAST_PAGE), pool.int(entry, PAGES))
  }

  /** Into how many buckets entries fall; it never changes, nor does the bucket of an entry. */
  get buckets(): number {
    return this.#buckets.length
  }

  /** @param bucket from 0. @returns how many of its entries `matches`; they are removed. */
  removeFrom(bucket: number, matches: (entry: number) => boolean): number {
    let removed = 0
    let entry = this.#buckets[bucket] ?? NONE
    while (entry !== NONE) {
      const next = this.#pool.int(entry, NEXT_IN_BUCKET)
      if (matches(entry)) {
        this.remove(entry)
        removed += 1
      }
      entry = next
    }
    return removed
  }

  idOf(entry: number): string {
    return this.#pool.text(entry, RECORD_BYTES, RECORD_BYTES + this.#pool.int(entry, ID_BYTES))
  }

  factsOf(entry: number): EntryFacts {
    const pool = this.#pool
    return {
      status: pool.int(entry, STATUS),
      idBytes: pool.int(entry, ID_BYTES),
      headBytes: pool.int(entry, HEAD_BYTES),
      freshMs: pool.double(entry, FRESH_MS),
      storedAtMs: pool.double(entry, STORED_AT_MS),
      storedAt: pool.double(entry, STORED_AT),
      expiresAt: pool.double(entry, EXPIRES_AT),
      saved: this.#savedOf(entry),
      mark: pool.int(entry, MARK),
    }
  }

  #savedOf(entry: number): Saved | undefined {
    const pool = this.#pool
    const promptTokens = pool.double(entry, SAVED_PROMPT)
    if (promptTokens === UNKNOWN) return undefined
    const nanoDollars = pool.double(entry, SAVED_NANOS)
    return {
      promptTokens,
      completionTokens: pool.double(entry, SAVED_COMPLETION),
      nanoDollars: nanoDollars === UNKNOWN ? undefined : nanoDollars,
    }
  }

  /** A copy of the head alone. */
  headOf(entry: number): Buffer {
    const pool = this.#pool
    const start = RECORD_BYTES + pool.int(entry, ID_BYTES)
    return pool.read(entry, start, start + pool.int(entry, HEAD_BYTES))
  }

  /** A copy of bytes [from, to) of a chain that is not an entry yet. */
  readChain(chain: PageChain, from: number, to: number): Buffer {
    return this.#pool.readFrom(chain.first, from, to)
  }

  /** A copy of head and body. */
  contentOf(entry: number): Buffer {
    const pool = this.#pool
    return pool.read(entry, RECORD_BYTES + pool.int(entry, ID_BYTES), pool.int(entry, BYTES))
  }

  #removeOldest(): boolean {
    if (this.#oldest === NONE) return false
    this.remove(this.#oldest)
    return true
  }

  #bucketOf(hash: number): number {
    return hash & (this.#buckets.length - 1)
  }

  #linkNewest(entry: number): void {
    const pool = this.#pool
    pool.setInt(entry, OLDER, this.#newest)
    pool.setInt(entry, NEWER, NONE)
    if (this.#newest === NONE) this.#oldest = entry
    else pool.setInt(this.#newest, NEWER, entry)
    this.#newest = entry
  }

  #unlink(entry: number): void {
    const pool = this.#pool
    const newer = pool.int(entry, NEWER)
    const older = pool.int(entry, OLDER)
    if (newer === NONE) this.#newest = older
    else pool.setInt(newer, OLDER, older)
    if (older === NONE) this.#oldest = newer
    else pool.setInt(older, NEWER, newer)
  }
}

/** A power of two, at most two pages per bucket: even one-page entries make short chains. */
function bucketsFor(pages: number): number {
  let buckets = 1
  while (buckets < pages / 2) buckets *= 2
  return buckets
}
