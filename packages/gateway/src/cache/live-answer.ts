import type { ByteSink, CachedHead, CacheLifetime, CacheWriter, Saved } from '@pratu/plugin-kit'

/** How much of what is kept is copied at a time for a reader who is behind, bytes. */
const READ_BYTES = 64 * 1024

/** Who reads along: the client that asked first, and everyone who asked the same meanwhile. */
export interface AnswerReader extends ByteSink {
  head(head: CachedHead): void
  /** The one that was asked before has failed, or takes too long: ask yourself, and let the others read along. */
  lead(live: LiveAnswer): void
}

/** What an answer under way needs of the table that it is in. */
export interface AnswerHome {
  /** A place for what is written, `undefined` when there is no memory to be had. */
  store(live: LiveAnswer, head: CachedHead): CacheWriter | undefined
  /** Nobody joins it from now on. */
  remove(live: LiveAnswer): void
  /** @returns an answer in the place of `live`, which others may join. */
  succeed(live: LiveAnswer): LiveAnswer
  /** @returns an answer of its own, which nobody joins. */
  alone(live: LiveAnswer): LiveAnswer
}

export interface AnswerFacts {
  readonly owner: string
  readonly key: string
  readonly lane: string
  /** How many have tried before on behalf of the same readers. */
  readonly attempt: number
}

/** How a reader stands. */
interface Reading {
  readonly out: AnswerReader
  readonly leads: boolean
  readonly waitMs: number
  timer: NodeJS.Timeout | undefined
  headed: boolean
  /** Bytes that it was given. */
  offset: number
  /** It takes no more until it says so. */
  blocked: boolean
}

/** A reader's hold on its place; after `leave` it is told nothing more. */
export interface Place {
  leave(): void
}

/**
 * One call of an upstream and everyone who waits for its answer (F73). What has come is kept once, in the cache's own
 * pages, and each reader has a place in it, so that late joiners replay it and slow ones hold nobody up. An answer that
 * grows too large to keep is passed to all readers abreast from there on.
 */
export class LiveAnswer {
  readonly facts: AnswerFacts
  /** What everyone but the leader saves; known when the answer is complete. */
  saved: Saved | undefined
  readonly #home: AnswerHome
  readonly #readers = new Set<Reading>()
  #phase: 'waiting' | 'open' | 'over' = 'waiting'
  #head: CachedHead | undefined
  #writer: CacheWriter | undefined
  /** Bytes in `#writer`. */
  #kept = 0
  /** What did not fit: waits until all readers are abreast. */
  #waiting: Uint8Array[] = []
  /** After the end: what the slowest reader has not read yet, and where it begins. */
  #rest: { readonly from: number; readonly bytes: Uint8Array } | undefined
  #resume: (() => void) | undefined
  #onNoReaders: (() => void) | undefined

  constructor(home: AnswerHome, facts: AnswerFacts) {
    this.#home = home
    this.facts = facts
  }

  /** Whether an upstream has begun to answer. */
  get answered(): boolean {
    return this.#phase !== 'waiting'
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Called when the last reader has left; never after the end. */
  onNoReaders(listener: () => void): void {
    this.#onNoReaders = listener
  }

  /** The reader for whom the upstream is asked: it never waits for somebody else. */
  lead(out: AnswerReader): Place {
    return this.#enter({ out, leads: true, waitMs: 0 })
  }

  /** @param waitMs until the answer's head; then somebody else is asked. */
  follow(out: AnswerReader, waitMs: number): Place {
    return this.#enter({ out, leads: false, waitMs })
  }

  #enter(who: Pick<Reading, 'out' | 'leads' | 'waitMs'>): Place {
    const reading: Reading = { ...who, timer: undefined, headed: false, offset: 0, blocked: false }
    this.#readers.add(reading)
    if (!reading.leads && this.#phase === 'waiting') {
      reading.timer = setTimeout(() => this.#expire(reading), reading.waitMs)
      reading.timer.unref()
    }
    if (this.#head !== undefined && this.#sendHead(reading, this.#head)) this.#pump(reading)
    return { leave: () => this.#leave(reading) }
  }

  #leave(reading: Reading): void {
    if (!this.#drop(reading) || this.#phase === 'over') return
    if (this.#readers.size === 0) this.#onNoReaders?.()
    else this.#goOn()
  }

  #drop(reading: Reading): boolean {
    clearTimeout(reading.timer)
    return this.#readers.delete(reading)
  }

  /**
   * The answer begins.
   *
   * @param share `kept`: for everyone, and kept as it comes. `passed`: for everyone, but not to be kept. `mine`: an error
   *   of the upstream; who follows has somebody else ask once before being given it.
   */
  head(head: CachedHead, share: 'kept' | 'passed' | 'mine'): void {
    if (this.#phase !== 'waiting') return
    if (share === 'mine') this.#handOver()
    this.#phase = 'open'
    this.#head = head
    if (share === 'kept') this.#writer = this.#home.store(this, head)
    if (this.#writer === undefined) this.#home.remove(this)
    for (const reading of this.#readers) this.#sendHead(reading, head)
  }

  /** @returns `false` when no reader takes more for now: wait for `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.#phase !== 'open') return true
    const writer = this.#writer
    if (writer === undefined) return this.#pass(chunk)
    if (this.#waiting.length > 0) {
      this.#waiting.push(chunk)
      return false
    }
    if (!writer.tryWrite(chunk)) {
      // Too large to keep. Who is behind still needs what was kept; when all are abreast it is let go.
      this.#home.remove(this)
      this.#waiting.push(chunk)
      return this.#goAbreast()
    }
    const before = this.#kept
    this.#kept += chunk.length
    for (const reading of this.#readers) {
      if (reading.offset !== before || reading.blocked) continue
      reading.offset = this.#kept
      this.#give(reading, chunk)
    }
    return this.#someoneTakes()
  }

  onDrain(resume: () => void): void {
    if (this.#takes()) resume()
    else this.#resume = resume
  }

  /** A copy of everything that was kept; `undefined` when not all of it was. */
  answer(): Uint8Array | undefined {
    if (this.#writer === undefined || this.#waiting.length > 0) return undefined
    return this.#writer.read(0, this.#kept)
  }

  /**
   * The answer is complete.
   *
   * @param lifetime for how long it is kept; not at all when `undefined`.
   * @returns whether it is kept.
   */
  end(lifetime: CacheLifetime | undefined): boolean {
    if (this.#phase !== 'open') return false
    const writer = this.#writer
    const complete = writer !== undefined && this.#waiting.length === 0
    this.#rest = this.#unread()
    this.#phase = 'over'
    this.#writer = undefined
    let kept = false
    if (lifetime !== undefined && complete) kept = writer.commit(lifetime)
    else writer?.abandon()
    this.#home.remove(this)
    for (const reading of this.#readers) this.#pump(reading)
    return kept
  }

  /** The upstream failed. Who had the head is told; who still waits has somebody else ask, once. */
  fail(error: Error): void {
    if (this.#phase === 'over') return
    if (this.#phase === 'waiting') this.#handOver()
    this.#phase = 'over'
    this.#home.remove(this)
    this.#writer?.abandon()
    this.#writer = undefined
    for (const reading of this.#readers) {
      this.#drop(reading)
      attempt(() => reading.out.fail(error))
    }
  }

  /** All who wait, but for the leader, go to a new answer that the first of them leads. Only once. */
  #handOver(): boolean {
    if (this.facts.attempt > 0) return false
    const followers = [...this.#readers].filter(({ leads }) => !leads)
    const [first, ...others] = followers
    if (first === undefined) return false
    for (const reading of followers) this.#drop(reading)
    const next = this.#home.succeed(this)
    for (const { out, waitMs } of others) next.follow(out, waitMs)
    attempt(() => first.out.lead(next))
    return true
  }

  #expire(reading: Reading): void {
    if (this.#phase !== 'waiting' || this.#handOver()) return
    // It has waited for two: now it goes its own way, as behind a lock of nginx that took too long.
    if (this.#drop(reading)) attempt(() => reading.out.lead(this.#home.alone(this)))
  }

  #sendHead(reading: Reading, head: CachedHead): boolean {
    clearTimeout(reading.timer)
    reading.headed = true
    return attempt(() => reading.out.head(head)) || this.#lost(reading)
  }

  /** A reader's own response failed: the others must not feel it. */
  #lost(reading: Reading): false {
    this.#leave(reading)
    return false
  }

  #give(reading: Reading, chunk: Uint8Array): void {
    const done = attempt(() => {
      if (reading.out.write(chunk)) return
      reading.blocked = true
      reading.out.onDrain(() => {
        reading.blocked = false
        this.#pump(reading)
      })
    })
    if (!done) this.#lost(reading)
  }

  /** Gives a reader what it has not read yet, as fast as it takes it. */
  #pump(reading: Reading): void {
    while (this.#readers.has(reading) && !reading.blocked) {
      const chunk = this.#chunkAt(reading.offset)
      if (chunk.length === 0) break
      reading.offset += chunk.length
      this.#give(reading, chunk)
    }
    if (!this.#readers.has(reading) || reading.blocked) return
    if (this.#phase === 'over') {
      this.#drop(reading)
      attempt(() => reading.out.end())
    } else this.#goOn()
  }

  #chunkAt(offset: number): Uint8Array {
    const rest = this.#rest
    if (rest !== undefined) {
      const start = offset - rest.from
      return rest.bytes.subarray(start, start + READ_BYTES)
    }
    return this.#writer?.read(offset, READ_BYTES) ?? NOTHING
  }

  /** A reader moved, or left. */
  #goOn(): void {
    if (this.#waiting.length > 0 && !this.#goAbreast()) return
    if (this.#resume === undefined || !this.#takes()) return
    const resume = this.#resume
    this.#resume = undefined
    resume()
  }

  /** Lets go of what is kept once nobody needs it, and passes on what waits. @returns whether more can be taken. */
  #goAbreast(): boolean {
    for (const { offset } of this.#readers) if (offset < this.#kept) return false
    this.#writer?.abandon()
    this.#writer = undefined
    let taken = true
    for (const chunk of this.#waiting.splice(0)) taken = this.#pass(chunk)
    return taken
  }

  #pass(chunk: Uint8Array): boolean {
    for (const reading of this.#readers) this.#give(reading, chunk)
    return this.#takes()
  }

  /** The fastest reader sets the pace while everything is kept, and the slowest when nothing is. */
  #takes(): boolean {
    if (this.#writer !== undefined) return this.#waiting.length === 0 && this.#someoneTakes()
    for (const { blocked } of this.#readers) if (blocked) return false
    return true
  }

  #someoneTakes(): boolean {
    if (this.#readers.size === 0) return true
    for (const { blocked, offset } of this.#readers) {
      if (!blocked && offset === this.#kept) return true
    }
    return false
  }

  /** One copy of what is needed after the end, for all who are behind. */
  #unread(): { from: number; bytes: Uint8Array } | undefined {
    let from = this.#kept
    for (const { offset } of this.#readers) if (offset < from) from = offset
    const tail = this.#waiting.splice(0)
    if (from === this.#kept && tail.length === 0) return undefined
    const kept = this.#writer?.read(from, this.#kept - from) ?? NOTHING
    return { from, bytes: tail.length === 0 ? kept : Buffer.concat([kept, ...tail]) }
  }
}

const NOTHING = new Uint8Array(0)

/** @returns `false` when it threw: the response behind it has been told of its own failure. */
function attempt(action: () => void): boolean {
  try {
    action()
    return true
  } catch {
    return false
  }
}
