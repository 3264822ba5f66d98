/** Where a text stops being JSON, and what was expected there. */
export interface JsonError {
  readonly offset: number
  readonly message: string
}

/**
 * Finds the first mistake of a text that `JSON.parse` refused. Its own message may quote the text, secrets included, and
 * does not always say where.
 */
export function findJsonError(text: string): JsonError {
  const scanner = new Scanner(text)
  try {
    scanner.value()
    scanner.end()
  } catch (error) {
    if (error === STOP) return { offset: scanner.at, message: scanner.expected }
    if (error instanceof RangeError)
      return { offset: scanner.at, message: 'the document is nested too deeply' }
    throw error
  }
  return { offset: 0, message: 'this is not JSON' }
}

const STOP = new Error('not JSON')

const SPACE = /[ \t\n\r]*/y
const STRING = /"(?:[ !#-[\]-\uffff]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y
const WORD = /true|false|null/y

class Scanner {
  at = 0
  expected = ''
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  value(): void {
    this.skip(SPACE)
    if (this.accept('{')) this.members('}', () => this.member())
    else if (this.accept('[')) this.members(']', () => this.value())
    else if (!this.skip(STRING) && !this.skip(NUMBER) && !this.skip(WORD)) {
      const what = this.text[this.at] === '"' ? 'a text that ends on its line' : 'a value'
      this.fail(`expected ${what} in JSON`)
    }
    this.skip(SPACE)
  }

  end(): void {
    if (this.at < this.text.length) this.fail('expected the end of the JSON text')
  }

  private members(close: string, one: () => void): void {
    this.skip(SPACE)
    if (this.accept(close)) return
    do one()
    while (this.accept(','))
    if (!this.accept(close)) this.fail(`expected ',' or '${close}' in JSON`)
  }

  private member(): void {
    this.skip(SPACE)
    if (!this.skip(STRING)) this.fail('expected a field name in double quotes in JSON')
    this.skip(SPACE)
    if (!this.accept(':')) this.fail("expected ':' after a field name in JSON")
    this.value()
  }

  private accept(character: string): boolean {
    if (this.text[this.at] !== character) return false
    this.at++
    return true
  }

  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found === null) return false
    this.at = pattern.lastIndex
    return found[0] !== ''
  }

  private fail(expected: string): never {
    this.expected = expected
    throw STOP
  }
}
