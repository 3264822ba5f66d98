/** A pattern that the engine does not accept. `message` is meant for whoever wrote the pattern. */
export class RegexSyntaxError extends Error {
  override readonly name = 'RegexSyntaxError'
  readonly pattern: string
  /** Where in the pattern, in UTF-16 units from 0. */
  readonly offset: number
  /** What is wrong, without pattern and position. */
  readonly problem: string

  constructor(problem: string, pattern: string, offset: number) {
    super(`${problem} (at character ${offset + 1} of \`${pattern}\`)`)
    this.problem = problem
    this.pattern = pattern
    this.offset = offset
  }
}
