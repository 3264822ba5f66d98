/**
 * A rule for names, lower-cased but for patterns: `=` is, `^` starts with, `$` ends with, `~` contains, `/` is matched by;
 * a list: all of them.
 */
export type NameRule = string | readonly NameRule[]

/** @param name lower-cased. */
export function matchesAny(rules: readonly NameRule[], name: string): boolean {
  return rules.some((rule) => matches(rule, name))
}

function matches(rule: NameRule, name: string): boolean {
  if (typeof rule !== 'string') return rule.every((one) => matches(one, name))
  const text = rule.slice(1)
  switch (rule[0]) {
    case '=':
      return name === text
    case '^':
      return name.startsWith(text)
    case '$':
      return name.endsWith(text)
    case '~':
      return name.includes(text)
    case '/':
      // Patterns of the shipped table only, never of a file; a name is short and is looked up once.
      return new RegExp(text).test(name)
    default:
      return false
  }
}

const COMPACT_DATE = /-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/
const DATE = /-20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/

/** The names under which a model may be listed, the nearest first: as given, its date written apart, without its date. */
export function spellings(model: string): readonly string[] {
  const name = model
    .toLowerCase()
    .trim()
    .replace(/^models\//, '')
  const apart = name.replace(COMPACT_DATE, '-$1-$2-$3')
  const undated = apart.replace(DATE, '')
  return [...new Set([name, apart, undated])]
}
