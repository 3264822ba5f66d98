/** Names and list positions from the root of the document to a value. */
export type Path = readonly (string | number)[]

export type Severity = 'error' | 'warning' | 'advice'

/** A place in a source text; line and column count from 1, columns in UTF-16 units. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** The line that a diagnostic speaks of, secrets masked. */
export interface Excerpt {
  readonly text: string
  /** 1-based column of the first marked character in `text`. */
  readonly column: number
  readonly length: number
}

/** Something to tell the user about the configuration. Plain data: it crosses threads. */
export interface Diagnostic extends Position {
  readonly severity: Severity
  /** Stable, for programs. */
  readonly code: string
  /** Where in the document: `services[0].routes[1].paths[0]`; empty for the whole document. */
  readonly path: string
  /** The same path in parts, 0-based; a rule between fields ends in `@entity` (kong.md §1.7). */
  readonly segments: Path
  readonly message: string
  /** What to write instead. */
  readonly hint?: string
  /** Lines to put into the configuration, as YAML. */
  readonly fix?: string
  readonly excerpt?: Excerpt
  /** The entity that the problem belongs to, secrets masked; for Kong's `flattened_errors` (kong.md §4.4). */
  readonly entity?: DiagnosedEntity
}

export interface DiagnosedEntity {
  /** Singular: `route`. */
  readonly type: string
  readonly id?: string
  readonly name?: string
  readonly tags?: readonly string[]
  /** What of `segments` leads to the entity. */
  readonly depth: number
  readonly value: Readonly<Record<string, unknown>>
}

/** A problem before its place in the text is known. */
export interface Problem {
  readonly severity: Severity
  readonly code: string
  readonly path: Path
  readonly message: string
  readonly hint?: string | undefined
  /** Lines to put into the configuration, as YAML. */
  readonly fix?: string | undefined
  /** Whether the name of the field is wrong, not its value. */
  readonly atKey?: boolean
  /** Where the problem is when it is in no file: the name of an environment variable. */
  readonly outside?: string
  readonly entity?: DiagnosedEntity | undefined
}

/** `services[0].routes[1].paths[0]`; rules between fields are shown at their entity. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (part === '@entity') continue
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w@-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}
