import { maskSecretText } from '../secret-masking.ts'
import type { ValueKind } from './values.ts'
import { type Setting, VARIABLES, type Variable } from './variables.ts'

export type Environment = Readonly<Record<string, string | undefined>>
/** Flags of the command line by name, without dashes; an absent flag is `undefined`. */
export type NodeFlags = Readonly<Record<string, string | undefined>>

interface Given {
  /** `--workers`, `PRATU_WORKERS`, … */
  readonly name: string
  readonly text: string
}

/** Finds and reads settings, and keeps what is wrong with them. */
export class SettingReader {
  readonly problems: string[] = []
  readonly warnings: string[] = []
  private readonly flags: NodeFlags
  private readonly environment: Environment

  constructor(flags: NodeFlags, environment: Environment) {
    this.flags = flags
    this.environment = environment
  }

  /** The value of a setting, or `undefined` when it is not given or not acceptable; then a problem is kept. */
  optional<T>(setting: Setting, kind: ValueKind<T>): T | undefined {
    const given = this.find(setting)
    if (given === undefined) return undefined
    const warn = (message: string) => this.warn(`${given.name}: ${message}`)
    const value = kind.parse(given.text, warn)
    if (value === undefined)
      this.problems.push(
        `${given.name}: '${maskSecretText(given.text)}' is not acceptable; write ${kind.accepts}`,
      )
    return value
  }

  value<T>(setting: Setting, kind: ValueKind<T>, fallback: T): T {
    return this.optional(setting, kind) ?? fallback
  }

  /** Where a setting comes from: flag, then `PRATU_*`, then `KONG_*`, then variables shared with other programs. */
  find(setting: Setting): Given | undefined {
    const given = this.candidates(setting)
    const [winner, ...others] = given
    if (winner === undefined) return undefined
    for (const other of others)
      if (other.text !== winner.text)
        this.warn(`${other.name} has no effect: ${winner.name} is set as well and wins`)
    return winner
  }

  warn(message: string): void {
    if (!this.warnings.includes(message)) this.warnings.push(message)
  }

  private candidates(setting: Setting): Given[] {
    const { flag, pratu, kong = [], common = [] }: Variable = VARIABLES[setting]
    const given: Given[] = []
    const flagText = flag === undefined ? undefined : this.flags[flag]
    if (flag !== undefined && flagText !== undefined)
      given.push({ name: `--${flag}`, text: flagText.trim() })
    for (const name of [...(pratu === undefined ? [] : [pratu]), ...kong, ...common]) {
      // Kong trims values and takes an empty one as unset (kong.md §5).
      const text = this.environment[name]?.trim()
      if (text !== undefined && text !== '') given.push({ name, text })
    }
    return given
  }
}
