import type {
  CachedHead,
  CachedResponse,
  CacheWriter,
  Clock,
  ResponseCache,
} from '@pratu/plugin-kit'
import { EntryTable } from './entry-table.ts'
import { headLines, readHead } from './head-lines.ts'
import { entryId, EntryWriter, ownerIn, type WritersHome } from './entry-writer.ts'
import { NONE } from './page-pool.ts'

const LARGEST_ENTRY_BYTES = 8 * 1024 * 1024
/** No entry may push out more than this part of all others. */
const LARGEST_ENTRY_SHARE = 1 / 16

/** Some tens of microseconds of a purge. */
const BUCKETS_PER_STEP = 64
const EVERYONE = (): boolean => true

export interface MemoryCacheOptions {
  /** Bytes for everything: answers, ids, records, and answers that are still being written. */
  readonly maxBytes: number
  /** For one entry; at most a sixteenth of `maxBytes`, and 8 MiB unless given. */
  readonly maxEntryBytes?: number
  readonly clock: Clock
}

/** What an answer was marked with when it was kept, by name. */
export type CacheLabels = NonNullable<CachedHead['labels']>

export interface CacheUsage {
  readonly entries: number
  readonly usedBytes: number
  readonly maxBytes: number
}

/**
 * The response cache of one worker: least recently used first out, bounded in bytes at every moment (F74). It copies in
 * and out, so nothing that it hands out changes later, and nothing that it holds keeps a network buffer alive.
 */
export class MemoryCache implements ResponseCache {
  readonly #maxBytes: number
  readonly #clock: Clock
  readonly #table: EntryTable
  readonly #home: WritersHome
  /** Whose entries there may be. */
  readonly #owners = new Set<string>()

  constructor({ maxBytes, maxEntryBytes = LARGEST_ENTRY_BYTES, clock }: MemoryCacheOptions) {
    this.#maxBytes = maxBytes
    this.#clock = clock
    this.#table = new EntryTable(maxBytes)
    this.#home = {
      table: this.#table,
      clock,
      maxEntryBytes: Math.min(maxEntryBytes, Math.floor(maxBytes * LARGEST_ENTRY_SHARE)),
      writers: new Set(),
    }
  }

  read(owner: string, key: string): CachedResponse | undefined {
    const table = this.#table
    const entry = table.find(entryId(owner, key))
    if (entry === NONE) return undefined
    const facts = table.factsOf(entry)
    const { status, headBytes, freshMs, storedAtMs, storedAt, expiresAt, saved, mark } = facts
    const now = this.#clock.monotonic()
    if (now >= expiresAt) {
      table.remove(entry)
      return undefined
    }
    table.touch(entry)
    const content = table.contentOf(entry)
    return {
      status,
      ...readHead(content.subarray(0, headBytes)),
      body: content.subarray(headBytes),
      ageMs: now - storedAt,
      freshMs,
      storedAtMs,
      mark,
      ...(saved === undefined ? undefined : { saved }),
    }
  }

  open(owner: string, key: string, head: CachedHead): CacheWriter | undefined {
    this.#owners.add(owner)
    // Lines separate the fields where they are kept, and HTTP has no line breaks in a field.
    const lines = headLines(head)
    if (lines === undefined) return undefined
    const writer = new EntryWriter(this.#home, owner, entryId(owner, key), head.status)
    return writer.start(Buffer.from(lines)) ? writer : undefined
  }

  delete(owner: string, key: string): boolean {
    const id = entryId(owner, key)
    for (const writer of this.#home.writers) if (writer.id === id) writer.doom()
    const entry = this.#table.find(id)
    if (entry === NONE) return false
    this.#table.remove(entry)
    return true
  }

  purge(match?: (owner: string) => boolean): number {
    const steps = this.purgeInSteps(match)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  /**
   * As `purge`, for a thread that has requests to answer meanwhile: to look at every entry of a large cache takes some
   * hundred milliseconds. Answers that are still being written are dropped too: they were asked for before the purge.
   */
  *purgeInSteps(match: (owner: string) => boolean = EVERYONE): Generator<void, number, void> {
    const doomed = new Set([...this.#owners].filter(match))
    if (doomed.size === 0) return 0
    for (const owner of doomed) this.#owners.delete(owner)
    for (const writer of this.#home.writers) if (doomed.has(writer.owner)) writer.doom()
    const table = this.#table
    const isDoomed = (entry: number): boolean => doomed.has(ownerIn(table.idOf(entry)))
    return yield* this.#removeInSteps(isDoomed)
  }

  /**
   * Removes the entries of `owners` that carry all of `labels`. Answers that are still being written are not stored either, as
   * nothing is known of their labels here.
   *
   * @returns how many were removed.
   */
  *purgeLabelledInSteps(
    owners: ReadonlySet<string>,
    labels: CacheLabels,
  ): Generator<void, number, void> {
    const table = this.#table
    for (const writer of this.#home.writers) if (owners.has(writer.owner)) writer.doom()
    const wanted = Object.entries(labels)
    return yield* this.#removeInSteps((entry) => {
      if (!owners.has(ownerIn(table.idOf(entry)))) return false
      const { labels: carried = {} } = readHead(table.headOf(entry))
      return wanted.every(([name, value]) => carried[name] === value)
    })
  }

  *#removeInSteps(matches: (entry: number) => boolean): Generator<void, number, void> {
    const table = this.#table
    let removed = 0
    for (let bucket = 0; bucket < table.buckets; bucket++) {
      removed += table.removeFrom(bucket, matches)
      if (bucket % BUCKETS_PER_STEP === 0) yield
    }
    return removed
  }

  usage(): CacheUsage {
    const { size, usedBytes } = this.#table
    return { entries: size, usedBytes, maxBytes: this.#maxBytes }
  }
}
