const OPEN = 0x7b
const CLOSE = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c

/** Strings from here on may be files in base64, which cost a model far fewer tokens than their bytes suggest. */
const MEDIA_BYTES = 4096
const DATA_URL = Buffer.from('data:')
/** Up to here a loop is faster than a search. */
const NEAR_BYTES = 64

/** As much of a string as tells base64 from words. */
const SAMPLE_BYTES = 64

/** What a walk over a JSON object found beside its members. */
export interface MemberWalk {
  /** Bytes of strings that look like files in base64, at any depth, and how many there are. */
  readonly mediaBytes: number
  readonly mediaParts: number
}

/**
 * Walks over the members of a JSON object without parsing their values: one pass, nothing but the keys allocated. Nested
 * members are not shown, so that what a client puts into its messages or tools cannot pass for a setting.
 *
 * @param visit the key, unescaped, and where its value stands: [start, end).
 * @returns `undefined` when this is no JSON object, or one that does not end.
 */
export function walkMembers(
  json: Buffer,
  visit: (key: string, start: number, end: number) => void,
): MemberWalk | undefined {
  const walk = new Walk(json)
  return walk.members(visit) ? walk : undefined
}

class Walk implements MemberWalk {
  readonly #json: Buffer
  mediaBytes = 0
  mediaParts = 0

  constructor(json: Buffer) {
    this.#json = json
  }

  members(visit: (key: string, start: number, end: number) => void): boolean {
    const json = this.#json
    let at = this.#skipSpace(0)
    if (json[at] !== OPEN) return false
    at = this.#skipSpace(at + 1)
    if (json[at] === CLOSE) return true
    for (;;) {
      const key = this.#key(at)
      if (key === undefined) return false
      const start = this.#skipSpace(key.end)
      const end = this.#valueEnd(start)
      if (end < 0) return false
      visit(key.text, start, end)
      at = this.#skipSpace(end)
      if (json[at] !== COMMA) return json[at] === CLOSE
      at = this.#skipSpace(at + 1)
    }
  }

  /** The key at `at`, and the index behind its colon. */
  #key(at: number): { readonly text: string; readonly end: number } | undefined {
    const json = this.#json
    if (json[at] !== QUOTE) return undefined
    const end = this.#stringEnd(at + 1)
    if (end < 0) return undefined
    const colon = this.#skipSpace(end + 1)
    if (json[colon] !== COLON) return undefined
    const raw = json.toString('utf8', at, end + 1)
    const text = raw.includes('\\') ? unescape(raw) : raw.slice(1, -1)
    return text === undefined ? undefined : { text, end: colon + 1 }
  }

  #valueEnd(start: number): number {
    const first = this.#json[start]
    if (first === QUOTE) {
      const end = this.#string(start)
      return end < 0 ? end : end + 1
    }
    if (first === OPEN || first === OPEN_LIST) return this.#nestedEnd(start)
    let i = start
    while (i < this.#json.length && !endsLiteral(this.#json[i])) i++
    return i === start || i === this.#json.length ? -1 : i
  }

  #nestedEnd(start: number): number {
    const json = this.#json
    let depth = 0
    for (let i = start; i < json.length; i++) {
      const byte = json[i]
      if (byte === QUOTE) {
        i = this.#string(i)
        if (i < 0) return -1
      } else if (byte === OPEN || byte === OPEN_LIST) depth++
      else if ((byte === CLOSE || byte === CLOSE_LIST) && --depth === 0) return i + 1
    }
    return -1
  }

  /** A string in a value. @returns the index of its closing quote, or -1. */
  #string(open: number): number {
    const end = this.#stringEnd(open + 1)
    if (end - open > MEDIA_BYTES && looksLikeMedia(this.#json, open + 1)) {
      this.mediaBytes += end - open
      this.mediaParts++
    }
    return end
  }

  /** Byte by byte while a string is short, or where it is full of escapes; searched for where it is long. */
  #stringEnd(from: number): number {
    const json = this.#json
    let i = from
    for (;;) {
      const near = Math.min(json.length, i + NEAR_BYTES)
      while (i < near) {
        const byte = json[i]
        if (byte === QUOTE) return i
        i += byte === BACKSLASH ? 2 : 1
      }
      if (i >= json.length) return -1
      const quote = json.indexOf(QUOTE, i)
      if (quote < 0) return -1
      let escapes = 0
      while (quote - escapes > i && json[quote - escapes - 1] === BACKSLASH) escapes++
      if (escapes % 2 === 0) return quote
      i = quote + 1
    }
  }

  #skipSpace(from: number): number {
    const json = this.#json
    let i = from
    while (json[i] === 0x20 || json[i] === 0x0a || json[i] === 0x0d || json[i] === 0x09) i++
    return i
  }
}

function endsLiteral(byte: number | undefined): boolean {
  return (
    byte === COMMA ||
    byte === CLOSE ||
    byte === 0x20 ||
    byte === 0x0a ||
    byte === 0x0d ||
    byte === 0x09
  )
}

function looksLikeMedia(json: Buffer, start: number): boolean {
  if (json.compare(DATA_URL, 0, DATA_URL.length, start, start + DATA_URL.length) === 0) return true
  for (let i = start; i < start + SAMPLE_BYTES; i++) if (!isBase64(json[i] ?? 0)) return false
  return true
}

function isBase64(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2f ||
    byte === 0x2d ||
    byte === 0x5f
  )
}

function unescape(quoted: string): string | undefined {
  try {
    return String(JSON.parse(quoted))
  } catch {
    return undefined
  }
}
