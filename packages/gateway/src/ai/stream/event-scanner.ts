const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const DATA = Buffer.from('data')
const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const EMPTY = Buffer.alloc(0)

/** Above this an unfinished event is passed on unread: the meter must not hold a stream in memory. */
const MAX_HELD_BYTES = 1024 * 1024

/**
 * Finds the events of a `text/event-stream` as its bytes pass (HTML Living Standard §9.2). Answers which bytes are whole
 * events, so that a stream that breaks can be ended between two events, and hands each event's data to a reader.
 * Lines may end in LF, CR LF or CR; chunks may split anywhere.
 */
export class EventScanner {
  readonly #onEvent: (data: Buffer) => void
  #held: Buffer = EMPTY
  /** How far `#held` was already searched for an event's end. */
  #searched = 0
  #started = false
  #overflowed = false

  /** @param onEvent receives each event's `data` lines, joined by LF; comments and nameless events never. */
  constructor(onEvent: (data: Buffer) => void) {
    this.#onEvent = onEvent
  }

  /** Whether an event was too large to be held, so that what passed last is no event boundary. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** @returns the bytes that may go on: everything up to the last event boundary; empty when there is none yet. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    let start = 0
    let from = this.#held.length === 0 ? 0 : this.#searched
    // Searching for a CR that is not there would read the whole rest again for every event.
    const findEnd = bytes.includes(CR) ? eventEnd : eventEndByLineFeeds
    for (;;) {
      const end = findEnd(bytes, from)
      if (end < 0) break
      this.#read(bytes.subarray(start, end))
      start = end
      from = end
    }
    const rest = bytes.subarray(start)
    if (rest.length > MAX_HELD_BYTES) {
      this.#overflowed = true
      this.#held = EMPTY
      this.#searched = 0
      return bytes
    }
    if (start > 0) this.#overflowed = false
    this.#held = rest
    // The end of an event may begin in the last three bytes: CR LF CR LF.
    this.#searched = Math.max(0, rest.length - 3)
    return start === bytes.length ? bytes : bytes.subarray(0, start)
  }

  /**
   * The stream is over. What is left lacks its blank line; some servers leave it out after the last event, and client
   * libraries read it all the same.
   *
   * @returns the bytes left.
   */
  finish(): Buffer {
    const rest = this.#held
    this.#held = EMPTY
    this.#searched = 0
    if (rest.length > 0) this.#read(rest)
    return rest
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
