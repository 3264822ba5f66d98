import { RegexSyntaxError } from './regex-syntax-error.ts'

/** A position in the pattern text, moving one code point at a time. */
export class PatternCursor {
  readonly pattern: string
  offset = 0

  constructor(pattern: string) {
    this.pattern = pattern
  }

  get atEnd(): boolean {
    return this.offset >= this.pattern.length
  }

  /** The next character without taking it; empty at the end. */
  peek(): string {
    const codePoint = this.pattern.codePointAt(this.offset)
    return codePoint === undefined ? '' : String.fromCodePoint(codePoint)
  }

  /** Takes the next character; empty at the end. */
  take(): string {
    const character = this.peek()
    this.offset += character.length
    return character
  }

  startsWith(text: string): boolean {
    return this.pattern.startsWith(text, this.offset)
  }

  /** Takes `text` if it comes next. */
  accept(text: string): boolean {
    if (!this.startsWith(text)) return false
    this.offset += text.length
    return true
  }

  /** Takes everything up to `end` and `end` itself. */
  takeUntil(end: string, problem: string): string {
    const found = this.pattern.indexOf(end, this.offset)
    if (found < 0) throw this.error(problem)
    const text = this.pattern.slice(this.offset, found)
    this.offset = found + end.length
    return text
  }

  error(problem: string, offset = this.offset): RegexSyntaxError {
    return new RegexSyntaxError(problem, this.pattern, offset)
  }
}
