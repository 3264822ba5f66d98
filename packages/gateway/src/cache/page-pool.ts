/** Bytes per page. Small answers fill few of them, and half a page is lost per entry on average. */
export const PAGE_BYTES = 512
/** Pages are carved out of blocks of this size, so that memory is only taken when it is needed. */
const BLOCK_BYTES = 1024 * 1024
const PAGES_PER_BLOCK = BLOCK_BYTES / PAGE_BYTES
const LINK_BYTES = Int32Array.BYTES_PER_ELEMENT
const INTS_PER_PAGE = PAGE_BYTES / Int32Array.BYTES_PER_ELEMENT
const DOUBLES_PER_PAGE = PAGE_BYTES / Float64Array.BYTES_PER_ELEMENT

/** No page. */
export const NONE = -1

interface Block {
  readonly bytes: Buffer
  readonly ints: Int32Array
  readonly doubles: Float64Array
}

/** Pages in order, holding `bytes` bytes from the start of the first one on. */
export interface PageChain {
  first: number
  last: number
  pages: number
  bytes: number
}

export function emptyChain(): PageChain {
  return { first: NONE, last: NONE, pages: 0, bytes: 0 }
}

/**
 * Memory outside of the JS heap, in pages that are reused at once. What the garbage collector frees, it frees late: a
 * cache of 128 MiB made of buffers was measured at 400 MiB (docs/decisions, cache memory). The bound has to hold at
 * every moment, not after a collection.
 */
export class PagePool {
  readonly maxPages: number
  readonly #blocks: Block[] = []
  /** The next page of each page, in its chain or in the free list. */
  readonly #links: Int32Array
  readonly #reclaim: () => boolean
  #free = NONE
  /** Pages from here on were never used. */
  #fresh = 0
  #used = 0

  /**
   * @param maxBytes for pages and what is kept about each of them.
   * @param reclaim called when no page is left: releases at least one chain, or answers `false`.
   */
  constructor(maxBytes: number, reclaim: () => boolean) {
    this.maxPages = Math.max(0, Math.floor(maxBytes / (PAGE_BYTES + LINK_BYTES)))
    this.#links = new Int32Array(this.maxPages)
    this.#reclaim = reclaim
  }

  /** Bytes that pages in use occupy. */
  get usedBytes(): number {
    return this.#used * (PAGE_BYTES + LINK_BYTES)
  }

  /** Copies `chunk` to the end of the chain. @returns `false` when pages ran out: the chain then holds a part of it. */
  append(chain: PageChain, chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.length) {
      const offset = chain.bytes % PAGE_BYTES
      if (offset === 0 && !this.#extend(chain)) return false
      const length = Math.min(PAGE_BYTES - offset, chunk.length - at)
      const start = (chain.last % PAGES_PER_BLOCK) * PAGE_BYTES + offset
      const part = length === chunk.length ? chunk : chunk.subarray(at, at + length)
      this.#blockOf(chain.last).bytes.set(part, start)
      chain.bytes += length
      at += length
    }
    return true
  }

  /** A copy of the chain's bytes [from, to), where `from` lies in the first page; the pages may be reused afterwards. */
  read(first: number, from: number, to: number): Buffer {
    const copy = Buffer.allocUnsafe(to - from)
    let page = first
    let skip = from
    let at = 0
    while (at < copy.length) {
      const runStart = page
      let runBytes = PAGE_BYTES - skip
      // Pages that were taken together usually lie together, and one long copy is cheaper than many short ones.
      while (
        runBytes < copy.length - at &&
        this.#links[page] === page + 1 &&
        (page + 1) % PAGES_PER_BLOCK !== 0
      ) {
        page += 1
        runBytes += PAGE_BYTES
      }
      const start = (runStart % PAGES_PER_BLOCK) * PAGE_BYTES + skip
      const length = Math.min(runBytes, copy.length - at)
      this.#blockOf(runStart).bytes.copy(copy, at, start, start + length)
      at += length
      skip = 0
      page = this.#links[page] ?? NONE
    }
    return copy
  }

  /** As `read`, from anywhere in the chain. */
  readFrom(first: number, from: number, to: number): Buffer {
    let page = first
    for (let skip = Math.floor(from / PAGE_BYTES); skip > 0; skip--)
      page = this.#links[page] ?? NONE
    const start = from % PAGE_BYTES
    return this.read(page, start, start + to - from)
  }

  /** The text in bytes [from, to) of one page. */
  text(page: number, from: number, to: number): string {
    const start = (page % PAGES_PER_BLOCK) * PAGE_BYTES
    return this.#blockOf(page).bytes.toString('utf8', start + from, start + to)
  }

  /** The 32-bit number at `index` of a page. */
  int(page: number, index: number): number {
    return this.#blockOf(page).ints[(page % PAGES_PER_BLOCK) * INTS_PER_PAGE + index] ?? NONE
  }

  setInt(page: number, index: number, value: number): void {
    this.#blockOf(page).ints[(page % PAGES_PER_BLOCK) * INTS_PER_PAGE + index] = value
  }

  /** The 64-bit number at `index` of a page, which covers the 32-bit numbers at twice that index. */
  double(page: number, index: number): number {
    return this.#blockOf(page).doubles[(page % PAGES_PER_BLOCK) * DOUBLES_PER_PAGE + index] ?? 0
  }

  setDouble(page: number, index: number, value: number): void {
    this.#blockOf(page).doubles[(page % PAGES_PER_BLOCK) * DOUBLES_PER_PAGE + index] = value
  }

  /** Gives the pages of a whole chain back. */
  release(first: number, last: number, pages: number): void {
    if (first === NONE) return
    this.#links[last] = this.#free
    this.#free = first
    this.#used -= pages
  }

  #extend(chain: PageChain): boolean {
    let page = this.#take()
    while (page === NONE) {
      if (!this.#reclaim()) return false
      page = this.#take()
    }
    if (chain.first === NONE) chain.first = page
    else this.#links[chain.last] = page
    chain.last = page
    chain.pages += 1
    this.#used += 1
    return true
  }

  #take(): number {
    const page = this.#free
    if (page !== NONE) {
      this.#free = this.#links[page] ?? NONE
      return page
    }
    return this.#fresh < this.maxPages ? this.#fresh++ : NONE
  }

  #blockOf(page: number): Block {
    const index = Math.floor(page / PAGES_PER_BLOCK)
    return this.#blocks[index] ?? (this.#blocks[index] = this.#createBlock(index))
  }

  #createBlock(index: number): Block {
    const pages = Math.min(PAGES_PER_BLOCK, this.maxPages - index * PAGES_PER_BLOCK)
    const memory = new ArrayBuffer(pages * PAGE_BYTES)
    return {
      bytes: Buffer.from(memory),
      ints: new Int32Array(memory),
      doubles: new Float64Array(memory),
    }
  }
}
