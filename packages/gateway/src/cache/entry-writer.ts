import { createHash } from 'node:crypto'
import type { CacheLifetime, CacheWriter, Clock } from '@pratu/plugin-kit'
import { EMPTY_RECORD, type EntryTable, MAX_ID_BYTES } from './entry-table.ts'
import { emptyChain, NONE, type PageChain } from './page-pool.ts'

/** What writers of one cache share. */
export interface WritersHome {
  readonly table: EntryTable
  readonly clock: Clock
  readonly maxEntryBytes: number
  readonly writers: Set<EntryWriter>
}

/**
 * One name for owner and key. The owner's length stands before it, so that no two pairs share a name and the owner can
 * be read back. A key that makes the name too long for a page is digested.
 */
export function entryId(owner: string, key: string): string {
  const id = `${owner.length}:${owner}${key}`
  // A UTF-16 unit takes at most three bytes of UTF-8.
  if (id.length * 3 <= MAX_ID_BYTES || Buffer.byteLength(id) <= MAX_ID_BYTES) return id
  return `-${owner.length}:${owner}${createHash('sha256').update(key).digest('base64')}`
}

/** The owner in a name made by {@link entryId}. */
export function ownerIn(id: string): string {
  const colon = id.indexOf(':')
  return id.slice(colon + 1, colon + 1 + Math.abs(Number(id.slice(0, colon))))
}

/** An entry in the making: its bytes are in the table's pages already, and within the bound. */
export class EntryWriter implements CacheWriter {
  readonly owner: string
  readonly id: string
  readonly #home: WritersHome
  readonly #status: number
  readonly #chain: PageChain = emptyChain()
  #idBytes = 0
  #headBytes = 0
  #open = true

  constructor(home: WritersHome, owner: string, id: string, status: number) {
    this.#home = home
    this.owner = owner
    this.id = id
    this.#status = status
    home.writers.add(this)
  }

  /** First of all. @returns `false` when the entry was given up. */
  start(head: Uint8Array): boolean {
    const id = Buffer.from(this.id)
    this.#idBytes = id.length
    this.#headBytes = head.length
    if (id.length <= MAX_ID_BYTES)
      return this.write(EMPTY_RECORD) && this.write(id) && this.write(head)
    this.abandon()
    return false
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#open) return false
    const { table, maxEntryBytes } = this.#home
    if (this.#chain.bytes + chunk.length <= maxEntryBytes && table.append(this.#chain, chunk)) {
      return true
    }
    this.abandon()
    return false
  }

  commit({ freshMs, keepMs }: CacheLifetime): boolean {
    if (!this.#open) return false
    this.#close()
    const { table, clock } = this.#home
    const earlier = table.find(this.id)
    if (earlier !== NONE) table.remove(earlier)
    const storedAt = clock.monotonic()
    table.add(this.id, this.#chain, {
      status: this.#status,
      idBytes: this.#idBytes,
      headBytes: this.#headBytes,
      freshMs,
      storedAtMs: clock.now(),
      storedAt,
      expiresAt: storedAt + keepMs,
    })
    return true
  }

  abandon(): void {
    if (!this.#open) return
    this.#close()
    this.#home.table.discard(this.#chain)
  }

  #close(): void {
    this.#open = false
    this.#home.writers.delete(this)
  }
}
