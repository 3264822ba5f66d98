import type { Path } from './diagnostics.ts'
import { loadEntities } from './load-entities.ts'
import type { ParseOptions } from './parse-options.ts'
import { collectionNamed } from './schema/registry.ts'

/** What is wrong with one entity. */
export interface EntityProblem {
  /** From the entity's root, list positions from 0; a rule between fields ends in `@entity`. */
  readonly path: Path
  readonly message: string
}

/**
 * Judges one entity as it would be in a document, except for what it refers to: foreign keys may have the Admin API's
 * form `{"id": …}`, and neither they nor references to the environment need to resolve (kong.md §4.3).
 *
 * @param collection plural, as in the file: `routes`.
 * @returns no problem when it is valid; `undefined` for a collection that does not exist.
 */
export function validateEntity(
  collection: string,
  value: unknown,
  options: Omit<ParseOptions, 'environment' | 'limits'>,
): readonly EntityProblem[] | undefined {
  const known = collectionNamed(collection)
  if (known === undefined) return undefined
  const foreign = new Set(Object.keys(known.references))
  const root = { _format_version: '3.0', [collection]: [without(value, foreign)] }
  const { problems } = loadEntities(root, { ...options, environment: {} })
  return problems
    .filter(({ severity, code, path }) => {
      const isOwn = path[0] === collection
      const isForeign = path.length === 3 && foreign.has(String(path[2]))
      return severity === 'error' && isOwn && !isForeign && code !== 'unresolved-reference'
    })
    .map(({ path, message }) => ({ path: path.slice(2), message }))
}

function without(value: unknown, fields: ReadonlySet<string>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !fields.has(name)))
}
