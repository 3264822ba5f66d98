/** What a template may read of the request. */
export type Source = 'headers' | 'query_params' | 'uri_captures' | 'shared'

export interface Reference {
  readonly source: Source
  readonly key: string | number
}

/** Literal text, or a reference. */
export type Operand = string | Reference

/** Literal text, or alternatives of which the first that has a value counts. */
export type Part = string | readonly Operand[]

/** A compiled value such as `Bearer $(headers["x-token"] or 'none')`. Plain data, and no code is ever made of it (S15). */
export type Template = readonly Part[]

/** @returns the referenced value; `undefined` when the request has none. */
export type Resolve = (reference: Reference) => string | undefined

const SOURCES: ReadonlySet<string> = new Set(['headers', 'query_params', 'uri_captures', 'shared'])

/** A template that does not compile. `message` says what is wrong and what would be right. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/**
 * Compiles a value of the request-transformer (kong.md §3.13). Of Kong's Lua expressions these are understood:
 * `headers.x`, `headers["x-y"]`, `query_params.x`, `uri_captures.name`, `uri_captures[1]`, `shared.x` (which is always
 * empty), text in quotes, and `or` between them.
 *
 * @throws {TemplateError} for any other expression.
 */
export function compileTemplate(text: string): Template {
  const parts: Part[] = []
  let at = 0
  for (let open = text.indexOf('$('); open >= 0; open = text.indexOf('$(', at)) {
    if (open > at) parts.push(text.slice(at, open))
    const expression = new ExpressionReader(text, open + 2)
    parts.push(expression.read())
    at = expression.end
  }
  if (at < text.length) parts.push(text.slice(at))
  return parts
}

/**
 * @param encode applied to what came from the request, not to the template's own text.
 * @returns the text; a reference without a value stands for nothing.
 */
export function renderTemplate(
  template: Template,
  resolve: Resolve,
  encode: (value: string) => string = (value) => value,
): string {
  let text = ''
  for (const part of template) {
    text += typeof part === 'string' ? part : evaluate(part, resolve, encode)
  }
  return text
}

/** Every reference in a template. */
export function referencesIn(template: Template): readonly Reference[] {
  return template.flatMap((part) =>
    typeof part === 'string' ? [] : part.filter((operand) => typeof operand !== 'string'),
  )
}

function evaluate(
  operands: readonly Operand[],
  resolve: Resolve,
  encode: (value: string) => string,
): string {
  for (const operand of operands) {
    if (typeof operand === 'string') return operand
    const value = resolve(operand)
    if (value !== undefined) return encode(value)
  }
  return ''
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** Reads one expression up to and including its closing parenthesis. */
class ExpressionReader {
  readonly #text: string
  readonly #start: number
  #at: number

  constructor(text: string, start: number) {
    this.#text = text
    this.#start = start
    this.#at = start
  }

  /** Where the template goes on. */
  get end(): number {
    return this.#at
  }

  read(): readonly Operand[] {
    const operands = [this.#operand()]
    for (;;) {
      const token = this.#match(/\s*(\)|or(?![\w]))/y)
      if (token === ')') return operands
      if (token === undefined) throw this.#problem('only `or` may stand between values')
      operands.push(this.#operand())
    }
  }

  #operand(): Operand {
    const quoted = this.#string()
    if (quoted !== undefined) return quoted
    const source = this.#match(/\s*([A-Za-z_]\w*)/y)
    if (!isSource(source)) {
      throw this.#problem('a value is headers, query_params, uri_captures, shared or quoted text')
    }
    const name = this.#match(/\.([A-Za-z_]\w*)/y)
    if (name !== undefined) return { source, key: name }
    if (this.#match(/\s*(\[)/y) === undefined) throw this.#problem(`${source} needs a name`)
    const index = this.#match(/\s*(\d{1,4})/y)
    const key = index === undefined ? this.#string() : Number(index)
    if (key === undefined || this.#match(/\s*(\])/y) === undefined) {
      throw this.#problem(`${source}[…] holds a quoted name or a number`)
    }
    return { source, key }
  }

  #string(): string | undefined {
    const quoted = this.#match(/\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/sy)
    return quoted
      ?.slice(1, -1)
      .replaceAll(/\\(.)/gs, (_, escaped: string) => ESCAPES.get(escaped) ?? escaped)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match[1]
  }

  #problem(why: string): TemplateError {
    const shown = this.#text.slice(this.#start - 2, this.#start + 60)
    return new TemplateError(`failed to compile template '${shown}': ${why}`)
  }
}

function isSource(text: string | undefined): text is Source {
  return text !== undefined && SOURCES.has(text)
}
