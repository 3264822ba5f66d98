import { createHash } from 'node:crypto'
import type { CacheLifetime, CacheWriter, Clock } from '@pratu/plugin-kit'
import { EMPTY_RECORD, type EntryTable, MAX_ID_BYTES } from './entry-table.ts'
import { emptyChain, NONE, type PageChain } from './page-pool.ts'

const NOTHING = Buffer.alloc(0)

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
  /** What is written will not be stored: it was asked for before a purge. */
  #doomed = false
  /** Where the chain is whole up to, when memory ran out in the middle of a chunk. */
  #torn: number | undefined

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

  tryWrite(chunk: Uint8Array): boolean {
    if (!this.#open) return false
    const { table, maxEntryBytes } = this.#home
    const { bytes } = this.#chain
    if (bytes + chunk.length > maxEntryBytes) return false
    if (table.append(this.#chain, chunk)) return true
    this.#torn = bytes
    return false
  }

  read(from: number, maxBytes: number): Buffer {
    const start = EMPTY_RECORD.length + this.#idBytes + this.#headBytes
    const end = Math.min(this.#torn ?? this.#chain.bytes, start + from + maxBytes)
    return !this.#open || end <= start + from
      ? NOTHING
      : this.#home.table.readChain(this.#chain, start + from, end)
  }

  /** It is not to be stored, whatever its writer says; who reads along may go on. */
  doom(): void {
    this.#doomed = true
  }

  commit({ freshMs, keepMs, saved, mark = 0 }: CacheLifetime): boolean {
    if (this.#doomed || this.#torn !== undefined) this.abandon()
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
      saved,
      mark,
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
