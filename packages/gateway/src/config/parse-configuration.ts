import { hash } from 'node:crypto'

import { type ConfigurationPack, packEntities, packWrittenConfigs } from './configuration-pack.ts'
import {
  type Diagnostic,
  formatPath,
  type Path,
  type Position,
  type Problem,
} from './diagnostics.ts'
import {
  DEFAULT_DOCUMENT_LIMITS,
  type Document,
  type PlacedProblem,
  type RawRecord,
  readDocument,
} from './document.ts'
import type { Entities } from './entities.ts'
import { loadEntities, type LoadedEntities } from './load-entities.ts'
import type { ParseOptions } from './parse-options.ts'
import type { ConfigurationSource } from './source.ts'

export type ParsedConfiguration =
  | {
      readonly ok: true
      readonly entities: Entities
      readonly warnings: readonly Diagnostic[]
      /** MD5 of the text in hex, as Kong's `configuration_hash`. */
      readonly hash: string
      /** References as written, not what they stand for. Of several files: their merged content. */
      readonly text: string
      /** A plugin's `config` as its author wrote it, references unresolved; `undefined` when there is none. */
      readonly writtenConfig: (pluginId: string) => unknown
      /** Where an entity, or one of its fields, stands in the text. */
      locate(entityId: string, field?: string): Position | undefined
      /** For another thread; see `unpackConfiguration`. */
      pack(): ConfigurationPack
      readonly written: WrittenConfiguration
    }
  | { readonly ok: false; readonly problems: readonly Diagnostic[] }

/** The configuration as its author wrote it, for whoever has something to say about it. */
export interface WrittenConfiguration {
  /** All files merged; references are not resolved. */
  readonly root: RawRecord
  /** Where in `root` an entity is written. */
  pathOf(entityId: string): Path | undefined
  /** Finds the problems' places; in the order of the files. */
  diagnose(problems: readonly Problem[]): readonly Diagnostic[]
}

/**
 * Reads, validates and links a whole configuration. Every problem is found in one go; nothing is thrown for bad input.
 * Takes time in proportion to the text, so large files belong in a thread of their own, which hands over
 * {@link ConfigurationPack}.
 */
export function parseConfiguration(
  sources: readonly ConfigurationSource[],
  options: ParseOptions,
): ParsedConfiguration {
  const document = readDocument(sources, { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits })
  if (document.problems.length > 0)
    return { ok: false, problems: inOrder(document.problems, sources) }
  const loaded = loadEntities(document.root, options)
  const diagnostics = inOrder(
    loaded.problems.map((problem) => document.place(problem)),
    sources,
  )
  if (diagnostics.some(({ severity }) => severity === 'error'))
    return { ok: false, problems: diagnostics }
  const text = textOf(sources, document)
  const about = { warnings: diagnostics, hash: hash('md5', text, 'hex') }
  const writtenConfig = (pluginId: string): unknown => {
    const path = loaded.pathOf(pluginId)
    return path === undefined ? undefined : valueAt(document.root, [...path, 'config'])
  }
  return {
    ok: true,
    entities: loaded.entities,
    ...about,
    text,
    writtenConfig,
    locate: (entityId, field) => locate(document, loaded, entityId, field),
    pack: () => ({
      portions: packEntities(loaded),
      writtenConfigs: packWrittenConfigs(loaded.entities.plugins, writtenConfig),
      ...about,
    }),
    written: {
      root: document.root,
      pathOf: (entityId) => loaded.pathOf(entityId),
      diagnose: (problems) =>
        inOrder(
          problems.map((problem) => document.place(problem)),
          sources,
        ),
    },
  }
}

/** As a reader meets them: file by file, from top to bottom. */
function inOrder(
  problems: readonly PlacedProblem[],
  sources: readonly ConfigurationSource[],
): Diagnostic[] {
  const files = new Map(sources.map(({ name }, index) => [name, index]))
  // What is in no file comes last.
  const rank = (file: string) => files.get(file) ?? files.size
  return problems
    .toSorted((a, b) => rank(a.file) - rank(b.file) || a.line - b.line || a.column - b.column)
    .map(toDiagnostic)
}

/** JSON is YAML; a general YAML writer would take seconds for a large configuration. */
function textOf(sources: readonly ConfigurationSource[], document: Document): string {
  const only = sources.length === 1 ? sources[0] : undefined
  return only === undefined ? JSON.stringify(document.root) : only.text
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, part)
  }
  return value
}

function locate(
  document: Document,
  loaded: LoadedEntities,
  entityId: string,
  field: string | undefined,
): Position | undefined {
  const path = loaded.pathOf(entityId)
  if (path === undefined) return undefined
  const { file, line, column } = document.place({
    severity: 'advice',
    code: 'locate',
    path: field === undefined ? path : [...path, field],
    message: '',
  })
  return { file, line, column }
}

function toDiagnostic(placed: PlacedProblem): Diagnostic {
  const { severity, code, file, line, column, message, hint, fix, excerpt, entity } = placed
  return {
    severity,
    code,
    file,
    line,
    column,
    path: formatPath(placed.localPath),
    segments: placed.path,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(fix === undefined ? {} : { fix }),
    ...(excerpt === undefined ? {} : { excerpt }),
    ...(entity === undefined ? {} : { entity }),
  }
}
