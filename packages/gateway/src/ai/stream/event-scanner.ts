import { ByteCollector, type MemoryBudget } from '../../http/index.ts'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const DATA = Buffer.from('data')
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const EMPTY = Buffer.alloc(0)

/** Above this an unfinished event is passed on unread: the meter must not hold a stream in memory (F29). */
const MAX_HELD_BYTES = 4 * 1024 * 1024

/** The end of an event may begin in the last three bytes: CR LF CR LF. */
const LONGEST_PARTIAL_END = 3

/**
 * Finds the events of a `text/event-stream` as its bytes pass (HTML Living Standard §9.2). Answers which bytes are whole
 * events, so that a stream that breaks can be ended between two events, and hands each event's data to a reader.
 * Lines may end in LF, CR LF or CR; chunks may split anywhere. What is held back is charged to the process's budget.
 */
export class EventScanner {
  readonly #onEvent: (data: Buffer) => void
  readonly #held: ByteCollector
  /** Of an event that passes unread: the last bytes, in which its end may begin. */
  #tail: Buffer = EMPTY
  #heldHasCr = false
  /** How far what is held was already searched for an event's end. */
  #searched = 0
  #started = false
  #overflowed = false

  /** @param onEvent receives each event's `data` lines, joined by LF; comments and nameless events never. */
  constructor(onEvent: (data: Buffer) => void, budget: MemoryBudget) {
    this.#onEvent = onEvent
    this.#held = new ByteCollector(budget, undefined)
  }

  /** Whether an event was too large to be held, so that what passed last is no event boundary. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** @returns the bytes that may go on: everything up to the last event boundary; empty when there is none yet. */
  push(chunk: Buffer): Buffer {
    const held = this.#held
    if (this.#overflowed) {
      const bytes = Buffer.concat([this.#tail, chunk])
      return this.#advance(bytes, 0, bytes.includes(CR))
    }
    if (held.length === 0) return this.#advance(chunk, 0, chunk.includes(CR))
    const hasCr = this.#heldHasCr || chunk.includes(CR)
    if (held.add(chunk)) return this.#advance(bufferOf(held.view()), this.#searched, hasCr)
    const bytes = Buffer.concat([held.view(), chunk])
    this.#overflowed = true
    return this.#advance(bytes, this.#searched, hasCr)
  }

  /** Reads the whole events of `bytes`, which is all that has not passed, and holds what follows them. */
  #advance(bytes: Buffer, searchFrom: number, hasCr: boolean): Buffer {
    // Searching for a CR that is not there would read the whole rest again for every event.
    const findEnd = hasCr ? eventEnd : eventEndByLineFeeds
    let start = 0
    let end = findEnd(bytes, searchFrom)
    while (end >= 0) {
      // Of an event that passed in part, only the end is known.
      if (this.#overflowed) this.#overflowed = false
      else this.#read(bytes.subarray(start, end))
      start = end
      end = findEnd(bytes, start)
    }
    const restBytes = bytes.length - start
    if (this.#overflowed || restBytes > MAX_HELD_BYTES) return this.#overflow(bytes)
    this.#heldHasCr = hasCr
    this.#searched = Math.max(0, restBytes - LONGEST_PARTIAL_END)
    if (start === 0 && this.#held.length === bytes.length) return EMPTY
    this.#held.release()
    if (restBytes === 0) return bytes
    if (!this.#held.add(bytes.subarray(start))) return this.#overflow(bytes)
    return bytes.subarray(0, start)
  }

  /** Passes an unfinished event on, but for the bytes in which its end may begin. */
  #overflow(bytes: Buffer): Buffer {
    this.#overflowed = true
    this.#held.release()
    const passed = Math.max(0, bytes.length - LONGEST_PARTIAL_END)
    // A few bytes must not keep a large buffer alive.
    this.#tail = Buffer.from(bytes.subarray(passed))
    return bytes.subarray(0, passed)
  }

  /**
   * The stream is over. What is left lacks its blank line; some servers leave it out after the last event, and client
   * libraries read it all the same.
   *
   * @returns the bytes left.
   */
  finish(): Buffer {
    if (this.#overflowed) return this.#tail
    const rest = bufferOf(this.#held.view())
    this.#held.release()
    if (rest.length > 0) this.#read(rest)
    return rest
  }

  /** Forgets what is held. */
  release(): void {
    this.#held.release()
  }

  #read(event: Buffer): void {
    let bytes = event
    if (!this.#started) {
      this.#started = true
      if (bytes.length >= 3 && bytes.subarray(0, 3).equals(BOM)) bytes = bytes.subarray(3)
    }
    let data: Buffer | undefined
    let more: Buffer[] | undefined
    let start = 0
    while (start < bytes.length) {
      const end = lineEnd(bytes, start)
      const line = bytes.subarray(start, end)
      const value = dataOf(line)
      if (value !== undefined) {
        if (data === undefined) data = value
        else (more ??= [data]).push(value)
      }
      start = end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1)
    }
    if (data === undefined) return
    this.#onEvent(more === undefined ? data : joinLines(more))
  }
}

const BLANK_LINE = Buffer.from('\n\n')

function eventEndByLineFeeds(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(BLANK_LINE, from)
  return at < 0 ? -1 : at + 2
}

/** Index just behind the blank line that ends an event, or -1. */
function eventEnd(bytes: Buffer, from: number): number {
  let i = from
  for (;;) {
    const lf = bytes.indexOf(LF, i)
    const cr = bytes.indexOf(CR, i)
    if (lf < 0 && cr < 0) return -1
    const at = cr < 0 || (lf >= 0 && lf < cr) ? lf : cr
    const next = bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1
    if (next >= bytes.length) return -1
    if (bytes[next] === LF) return next + 1
    if (bytes[next] === CR) return bytes[next + 1] === LF ? next + 2 : next + 1
    i = next
  }
}

function lineEnd(bytes: Buffer, start: number): number {
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === LF || byte === CR) return i
  }
  return bytes.length
}

function dataOf(line: Buffer): Buffer | undefined {
  if (line.length < 4 || line.compare(DATA, 0, 4, 0, 4) !== 0) return undefined
  if (line.length === 4) return EMPTY
  if (line[4] !== COLON) return undefined
  return line.subarray(line[5] === SPACE ? 6 : 5)
}

function joinLines(lines: readonly Buffer[]): Buffer {
  return Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.of(LF), line])))
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
