import { resolvePlainScalar } from './plain-scalar.ts'
import { REFUSED_KEYS } from './refused-keys.ts'

/** The text uses something that only the careful reader understands. */
export const UNUSUAL = Symbol('unusual')

/**
 * Reads the plain part of YAML that nearly all configurations are written in: block mappings and lists, scalars on one
 * line, flow lists and mappings on one line, comments. Some fifteen times faster than a reader with positions. Whatever
 * else it meets, right or wrong, makes it answer `UNUSUAL`: it never judges, so the careful reader has the last word.
 *
 * A property test holds both readers to the same answer.
 */
export function parseFastYaml(text: string, maxDepth: number): unknown {
  if (STRANGE_CHARACTERS.test(text)) return UNUSUAL
  try {
    return new FastReader(text, maxDepth).document()
  } catch (error) {
    if (error === GIVE_UP) return UNUSUAL
    throw error
  }
}

// Controls other than the line feed, YAML 1.1's other line breaks, a byte order mark, lone surrogates.
const STRANGE_CHARACTERS = /[^\P{Cc}\n]|[\u2028\u2029\ufeff\ufffe\uffff]|\p{Surrogate}/u

const GIVE_UP = new Error('not the plain part of YAML')

const SPACE = 0x20
const HASH = 0x23
const COLON = 0x3a
const DASH = 0x2d
const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d

class FastReader {
  private readonly text: string
  private readonly maxDepth: number
  /** Start of the current line's content, past its indentation. */
  private start = 0
  /** End of the current line, before its line feed. */
  private end = 0
  /** Column of the content; -1 at the end of the text. */
  private indent = 0
  private depth = 0
  /** Where reading inside a line stands. */
  private at = 0

  constructor(text: string, maxDepth: number) {
    this.text = text
    this.maxDepth = maxDepth
  }

  document(): unknown {
    this.readLine(0)
    if (this.indent === 0 && this.text.startsWith('---', this.start)) this.startMarker()
    if (this.indent < 0) return null
    const value = this.block(this.indent)
    if (this.indent >= 0) throw GIVE_UP
    return value
  }

  private startMarker(): void {
    if (this.text.slice(this.start, this.end).trimEnd() !== '---') throw GIVE_UP
    this.nextLine()
  }

  private nextLine(): void {
    this.readLine(this.end + 1)
  }

  /** Finds the next line with content from `offset` on. */
  private readLine(offset: number): void {
    const { text } = this
    let from = offset
    while (from < text.length) {
      let end = text.indexOf('\n', from)
      if (end < 0) end = text.length
      let start = from
      while (start < end && text.charCodeAt(start) === SPACE) start++
      if (start < end && text.charCodeAt(start) !== HASH) {
        this.start = start
        this.end = end
        this.indent = start - from
        return
      }
      from = end + 1
    }
    this.start = text.length
    this.end = text.length
    this.indent = -1
  }

  private block(indent: number): unknown {
    if (++this.depth > this.maxDepth) throw GIVE_UP
    const value = this.isEntry() ? this.list(indent) : this.map(indent)
    this.depth--
    return value
  }

  /** Whether the current line's content is `-` alone or followed by a space. */
  private isEntry(): boolean {
    const { text, start, end } = this
    if (text.charCodeAt(start) !== DASH) return false
    return start + 1 === end || text.charCodeAt(start + 1) === SPACE
  }

  private list(indent: number): unknown[] {
    const items: unknown[] = []
    while (this.indent === indent && this.isEntry()) items.push(this.entry(indent))
    if (this.indent > indent) throw GIVE_UP
    return items
  }

  private entry(indent: number): unknown {
    const { text, end } = this
    let content = this.start + 1
    while (content < end && text.charCodeAt(content) === SPACE) content++
    if (content === end || text.charCodeAt(content) === HASH) return this.nested(indent, false)
    const column = indent + (content - this.start)
    this.start = content
    // The entry's own content is a line of its own that begins further right.
    this.indent = column
    if (this.isEntry()) throw GIVE_UP
    if (this.keyEnd() !== undefined) return this.block(column)
    const value = this.inlineValue(content)
    this.nextLine()
    if (this.indent > indent) throw GIVE_UP
    return value
  }

  private map(indent: number): Record<string, unknown> {
    const members: Record<string, unknown> = {}
    while (this.indent === indent) {
      if (this.isEntry()) throw GIVE_UP
      const key = this.keyEnd()
      if (key === undefined) throw GIVE_UP
      const { name, after } = key
      if (REFUSED_KEYS.has(name) || Object.hasOwn(members, name)) throw GIVE_UP
      members[name] = this.member(indent, after)
    }
    if (this.indent > indent) throw GIVE_UP
    return members
  }

  /** The value after a key's colon. */
  private member(indent: number, after: number): unknown {
    const { text, end } = this
    let content = after
    while (content < end && text.charCodeAt(content) === SPACE) content++
    if (content === end) return this.nested(indent, true)
    if (text.charCodeAt(content) === HASH) {
      if (content === after) throw GIVE_UP
      return this.nested(indent, true)
    }
    const value = this.inlineValue(content)
    this.nextLine()
    // A deeper line would continue the scalar.
    if (this.indent > indent) throw GIVE_UP
    return value
  }

  /** What follows a `-` or `key:` with nothing on its line: a deeper block, or null. */
  private nested(indent: number, inMap: boolean): unknown {
    this.nextLine()
    if (this.indent > indent) return this.block(this.indent)
    // A list may stand at the indentation of the key that it belongs to.
    if (inMap && this.indent === indent && this.isEntry()) return this.block(indent)
    return null
  }

  /** The key that the current line starts with; `undefined` when it starts with none that is plain enough. */
  private keyEnd(): { readonly name: string; readonly after: number } | undefined {
    const { text, start, end } = this
    const first = text.charCodeAt(start)
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) {
      const close = text.indexOf(first === DOUBLE_QUOTE ? '"' : "'", start + 1)
      if (close < 0 || close >= end || text.charCodeAt(close + 1) !== COLON) return undefined
      const name = text.slice(start + 1, close)
      if (name.includes('\\') || !this.endsKey(close + 2)) throw GIVE_UP
      return { name, after: close + 2 }
    }
    let at = start
    while (at < end && isKeyCharacter(text.charCodeAt(at))) at++
    if (at === start || text.charCodeAt(at) !== COLON || !this.endsKey(at + 1)) return undefined
    if (!isKeyStart(first)) throw GIVE_UP
    return { name: text.slice(start, at), after: at + 1 }
  }

  private endsKey(at: number): boolean {
    return at >= this.end || this.text.charCodeAt(at) === SPACE
  }

  /** A scalar or flow collection that fills the rest of the line. */
  private inlineValue(content: number): unknown {
    this.at = content
    const first = this.text.charCodeAt(content)
    if (first === OPEN_LIST || first === OPEN_MAP) {
      const value = this.flow()
      this.expectLineEnd()
      return value
    }
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) {
      const value = this.quoted(first)
      this.expectLineEnd()
      return value
    }
    return this.plain(content)
  }

  /** After a value only spaces and a comment may follow. */
  private expectLineEnd(): void {
    const { text, end } = this
    let at = this.at
    while (at < end && text.charCodeAt(at) === SPACE) at++
    if (at < end && (at === this.at || text.charCodeAt(at) !== HASH)) throw GIVE_UP
  }

  private plain(content: number): unknown {
    const { text, end } = this
    if (!isPlainStart(text.charCodeAt(content), text.charCodeAt(content + 1))) throw GIVE_UP
    let last = content
    for (let at = content; at < end; at++) {
      const code = text.charCodeAt(at)
      if (code === SPACE) continue
      if (code === HASH && text.charCodeAt(at - 1) === SPACE) break
      if (code === COLON) {
        const next = at + 1 < end ? text.charCodeAt(at + 1) : SPACE
        if (next === SPACE) throw GIVE_UP
      }
      last = at + 1
    }
    return resolvePlainScalar(text.slice(content, last))
  }

  private quoted(quote: number): string {
    const { text } = this
    const open = this.at
    const close = text.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", open + 1)
    if (close < 0 || close >= this.end) throw GIVE_UP
    // '' inside single quotes and \ inside double quotes are left to the careful reader.
    if (quote === SINGLE_QUOTE && text.charCodeAt(close + 1) === SINGLE_QUOTE) throw GIVE_UP
    const value = text.slice(open + 1, close)
    if (quote === DOUBLE_QUOTE && value.includes('\\')) throw GIVE_UP
    this.at = close + 1
    return value
  }

  /** A flow collection that ends on its line. */
  private flow(): unknown {
    if (++this.depth > this.maxDepth) throw GIVE_UP
    const opening = this.text.charCodeAt(this.at)
    this.at++
    const value = opening === OPEN_LIST ? this.flowList() : this.flowMap()
    this.depth--
    return value
  }

  private flowList(): unknown[] {
    const items: unknown[] = []
    for (let code = this.skipSpaces(); code !== CLOSE_LIST; code = this.skipSpaces()) {
      items.push(this.flowValue(code))
      if (this.separator(CLOSE_LIST)) break
    }
    this.at++
    return items
  }

  private flowMap(): Record<string, unknown> {
    const members: Record<string, unknown> = {}
    for (let code = this.skipSpaces(); code !== CLOSE_MAP; code = this.skipSpaces()) {
      const name = this.flowKey(code)
      if (REFUSED_KEYS.has(name) || Object.hasOwn(members, name)) throw GIVE_UP
      const next = this.skipSpaces()
      if (next === COMMA || next === CLOSE_MAP) throw GIVE_UP
      members[name] = this.flowValue(next)
      if (this.separator(CLOSE_MAP)) break
    }
    this.at++
    return members
  }

  private flowKey(first: number): string {
    const { text } = this
    const open = this.at
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) {
      const name = this.quoted(first)
      this.colon()
      return name
    }
    if (!isKeyStart(first)) throw GIVE_UP
    while (isKeyCharacter(text.charCodeAt(this.at))) this.at++
    const name = text.slice(open, this.at)
    this.colon()
    return name
  }

  private colon(): void {
    const { text } = this
    if (text.charCodeAt(this.at) !== COLON || text.charCodeAt(this.at + 1) !== SPACE) throw GIVE_UP
    this.at += 2
  }

  private flowValue(code: number): unknown {
    if (code === OPEN_LIST || code === OPEN_MAP) return this.flow()
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) return this.quoted(code)
    const { text } = this
    const open = this.at
    while (isFlowCharacter(text.charCodeAt(this.at))) this.at++
    if (this.at === open || !isFlowStart(code)) throw GIVE_UP
    return resolvePlainScalar(text.slice(open, this.at))
  }

  /** @returns whether the collection ends here; otherwise the comma has been passed. */
  private separator(close: number): boolean {
    const code = this.skipSpaces()
    if (code === close) return true
    if (code !== COMMA) throw GIVE_UP
    this.at++
    return false
  }

  private skipSpaces(): number {
    const { text, end } = this
    while (this.at < end && text.charCodeAt(this.at) === SPACE) this.at++
    if (this.at >= end) throw GIVE_UP
    return text.charCodeAt(this.at)
  }
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Letters and `_`: a key that starts otherwise may be something else. */
function isKeyStart(code: number): boolean {
  return isLetter(code) || code === 0x5f
}

/** Letters, digits, `_`, `-`, `.`. */
function isKeyCharacter(code: number): boolean {
  return isLetter(code) || isDigit(code) || code === 0x5f || code === DASH || code === 0x2e
}

/** Not one of YAML's indicators; `-`, `?` and `:` only when text follows (`next` is NaN at the end of the text). */
function isPlainStart(code: number, next: number): boolean {
  if (code === DASH || code === 0x3f || code === COLON) return next > SPACE
  return !PLAIN_INDICATORS.has(code)
}

const PLAIN_INDICATORS: ReadonlySet<number> = new Set(Buffer.from('#&*!|>%@`"\'[]{},', 'latin1'))

function isFlowStart(code: number): boolean {
  return isLetter(code) || isDigit(code) || code === 0x2f || code === 0x7e || code === 0x5f
}

/** Letters, digits and `/ . _ ~ * $ + ( ) -`: what cannot end or change a flow scalar. */
function isFlowCharacter(code: number): boolean {
  return isLetter(code) || isDigit(code) || FLOW_CHARACTERS.has(code)
}

const FLOW_CHARACTERS: ReadonlySet<number> = new Set(Buffer.from('/._~*$+()-', 'latin1'))
