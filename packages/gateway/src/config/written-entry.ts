import type { DiagnosedEntity } from './diagnostics.ts'
import type { RawRecord } from './document.ts'
import type { Collection } from './schema/collection.ts'
import { nestedIn } from './schema/registry.ts'
import { maskSecrets } from './secret-masking.ts'

/** A list nested in an entry, and the foreign key that nesting sets. */
export interface NestedList {
  readonly key: string
  readonly child: Collection
  readonly field: string
}

/** Divides an entry into its own members and the lists of other entries nested in it (kong.md §1.3). */
export function separateChildren(
  collection: Collection,
  raw: RawRecord,
): { readonly own: RawRecord; readonly children: readonly NestedList[] } {
  const nested = nestedIn(collection)
  if (nested.size === 0) return { own: raw, children: NO_CHILDREN }
  const children: NestedList[] = []
  const own: Record<string, unknown> = {}
  for (const key of Object.keys(raw)) {
    const child = nested.get(key)
    if (child === undefined) own[key] = raw[key]
    else children.push({ key, child: child.collection, field: child.field })
  }
  return { own: children.length === 0 ? raw : own, children }
}

const NO_CHILDREN: readonly NestedList[] = []

/** What a diagnostic tells of the entry that it belongs to; secrets masked. */
export function describeEntity(
  collection: Collection,
  written: unknown,
  depth: number,
): DiagnosedEntity {
  const { own } = separateChildren(collection, isRecord(written) ? written : {})
  const { id, tags, name = own[collection.nameField ?? 'name'] } = own
  const masked = maskSecrets(own)
  return {
    type: collection.singular,
    depth,
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof name === 'string' ? { name } : {}),
    ...(Array.isArray(tags) ? { tags: tags.map(String) } : {}),
    value: isRecord(masked) ? masked : {},
  }
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
