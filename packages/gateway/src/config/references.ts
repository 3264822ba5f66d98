import type { Problem } from './diagnostics.ts'
import type { RawRecord } from './document.ts'

export interface Substitution {
  readonly root: RawRecord
  readonly problems: readonly Problem[]
  /** Puts the references back into a text that shows what they stand for. */
  conceal(text: string): string
}

export function substituteReferences(
  root: RawRecord,
  _environment: Readonly<Record<string, string | undefined>>,
): Substitution {
  return { root, problems: [], conceal: (text) => text }
}
