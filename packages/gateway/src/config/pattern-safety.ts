import { compileAnchored, compileSearch, RegexSyntaxError } from '../regex/index.ts'
import type { TextRule } from './field-formats.ts'

/** Judges a route's `~` pattern, without its `~`, with the engine that will match it (kong.md §2.2, fault S28). */
export const judgeRoutePattern: TextRule = (pattern) => judge(pattern, compileAnchored)

/** Judges a header value of a route: `~*` starts a pattern, which Kong lower-cases (kong.md §2.2). */
export const judgeHeaderValue: TextRule = (value) =>
  value.startsWith('~*') ? judge(value.slice(2).toLowerCase(), compileSearch) : undefined

/** Judges a pattern of a plugin's configuration, which may match anywhere (fault S28). */
export const judgePattern: TextRule = (pattern) => judge(pattern, compileSearch)

function judge(pattern: string, compile: (pattern: string) => unknown): string | undefined {
  try {
    compile(pattern)
    return undefined
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error
    return `invalid regex: '${pattern}' (${error.problem}, at character ${error.offset + 1})`
  }
}
