import type { HeaderView } from '@pratu/plugin-kit'
import { compileSearch, type SearchRegex } from '../regex/index.ts'

/**
 * The values of the header fields that routes ask for, read and lower-cased at most once per request however many routes
 * ask.
 */
export class RoutedHeaders {
  readonly #names: string[] = []
  #values: (readonly string[] | undefined)[] = []
  #view: HeaderView | undefined

  /** Makes room for a field. @returns the number under which its values are read. */
  register(name: string): number {
    const known = this.#names.indexOf(name)
    return known < 0 ? this.#names.push(name) - 1 : known
  }

  /** Turns to another request; `undefined` lets go of the last one. */
  read(view: HeaderView | undefined): void {
    this.#view = view
    if (this.#values.length > 0) this.#values = []
  }

  values(index: number): readonly string[] {
    return (this.#values[index] ??= this.#readValues(this.#names[index] ?? ''))
  }

  // `X_Tenant` and `X-Tenant` are one field to the router (kong.md §2.2).
  #readValues(name: string): readonly string[] {
    const view = this.#view
    if (view === undefined) return []
    const dashed = name.replaceAll('_', '-')
    const underscored = name.replaceAll('-', '_')
    const values =
      dashed === underscored ? view.all(dashed) : [...view.all(dashed), ...view.all(underscored)]
    return values.map((value) => value.toLowerCase())
  }
}

/** One configured field: any value of the request's must equal one of these, or contain one of the patterns. */
export interface HeaderTest {
  /** @see RoutedHeaders.register */
  readonly index: number
  readonly plain: readonly string[]
  readonly patterns: readonly SearchRegex[]
}

/**
 * @param values as configured; `~*` starts a pattern. Pattern text is lower-cased too, so that `\D` becomes `\d`, as in
 *   Kong (kong.md §2.2).
 * @throws {RegexSyntaxError}
 */
export function createHeaderTest(index: number, values: readonly string[]): HeaderTest {
  const isPattern = (value: string): boolean => value.startsWith('~*')
  return {
    index,
    plain: values.filter((value) => !isPattern(value)).map((value) => value.toLowerCase()),
    patterns: values.filter(isPattern).map((value) => compileSearch(value.slice(2).toLowerCase())),
  }
}

export function passes(test: HeaderTest, headers: RoutedHeaders): boolean {
  for (const value of headers.values(test.index)) {
    if (test.plain.includes(value)) return true
    for (const pattern of test.patterns) if (pattern.test(value)) return true
  }
  return false
}
