/**
 * Patterns of configuration in the syntax of Rust's `regex` crate, matched in time linear in the text. Client input must
 * never be matched by a backtracking engine with a pattern from a file (fault S28).
 */
export { AnchoredRegex, SearchRegex, compileAnchored, compileSearch } from './compile.ts'
export { RegexSyntaxError } from './regex-syntax-error.ts'
