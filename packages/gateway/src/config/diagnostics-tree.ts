import { type Diagnostic, type DiagnosedEntity, formatPath, type Path } from './diagnostics.ts'
import { ENTITY } from './field-checks.ts'

/** Kong's nested form of problems: 1-based positions, texts at the leaves, lists under `@entity` (kong.md §1.8). */
export interface ErrorTree {
  [key: string]: string | readonly string[] | ErrorTree
}

/** One entity with all that is wrong with it, as decK and the Kubernetes ingress controller read it (kong.md §4.4). */
export interface FlattenedError {
  readonly entity_type: string
  readonly entity_name?: string
  readonly entity_id?: string
  readonly entity_tags?: readonly string[]
  readonly entity: Readonly<Record<string, unknown>>
  readonly errors: readonly (
    | { readonly type: 'field'; readonly field: string; readonly message: string }
    | { readonly type: 'entity'; readonly message: string }
  )[]
}

export interface DiagnosticsTree {
  readonly fields: ErrorTree
  readonly flattened_errors: readonly FlattenedError[]
  /** What no entity can be blamed for: the `fields` of an answer that has `flattened_errors`. */
  readonly unplaced: ErrorTree
}

/** The answer of `POST /config` to a configuration with problems. Warnings are left out. */
export function diagnosticsTree(list: readonly Diagnostic[]): DiagnosticsTree {
  const fields: ErrorTree = {}
  const unplaced: ErrorTree = {}
  const flattened = new Map<string, Diagnostic[]>()
  for (const diagnostic of list) {
    if (diagnostic.severity !== 'error') continue
    const path = treePath(diagnostic)
    insert(fields, path, diagnostic.message)
    const { entity, segments } = diagnostic
    if (entity === undefined) insert(unplaced, path, diagnostic.message)
    else {
      const owner = formatPath(segments.slice(0, entity.depth))
      const others = flattened.get(owner)
      if (others === undefined) flattened.set(owner, [diagnostic])
      else others.push(diagnostic)
    }
  }
  return {
    fields,
    flattened_errors: [...flattened.values()].flatMap(flatten),
    unplaced,
  }
}

function treePath({ code, segments, entity }: Diagnostic): readonly string[] {
  const path = segments.map((part) => (typeof part === 'number' ? String(part + 1) : part))
  if (code !== 'invalid-reference' || entity?.name === undefined) return path
  // Kong finds dangling references after flattening, and names the child instead of counting.
  return [path[entity.depth - 2] ?? '', entity.name, ...path.slice(entity.depth)]
}

function insert(tree: ErrorTree, path: readonly string[], message: string): void {
  let node = tree
  for (const part of path.slice(0, -1)) {
    const next = node[part]
    if (isTree(next)) node = next
    else {
      const created: ErrorTree = next === undefined ? {} : { [ENTITY]: [next].flat() }
      node[part] = created
      node = created
    }
  }
  const last = path.at(-1) ?? ENTITY
  const present = node[last]
  if (last === ENTITY) node[last] = [...(Array.isArray(present) ? present : []), message]
  else if (present === undefined) node[last] = message
  else if (isTree(present)) insert(present, [ENTITY], message)
}

function isTree(value: ErrorTree[string] | undefined): value is ErrorTree {
  return typeof value === 'object' && !Array.isArray(value)
}

function flatten(diagnostics: readonly Diagnostic[]): FlattenedError[] {
  const entity = diagnostics[0]?.entity
  if (entity === undefined) return []
  const { type, name, id, tags, value } = entity
  // What is itself wrong identifies nothing.
  const wrong = new Set(diagnostics.map(({ segments }) => segments[entity.depth]))
  const isNamed = name !== undefined && !wrong.has('name') && !wrong.has('username')
  return [
    {
      entity_type: type,
      ...(isNamed ? { entity_name: name } : {}),
      ...(id === undefined || wrong.has('id') ? {} : { entity_id: id }),
      ...(tags === undefined || wrong.has('tags') ? {} : { entity_tags: tags }),
      entity: value,
      errors: diagnostics.map((diagnostic) => flatError(diagnostic, entity)),
    },
  ]
}

function flatError({ segments, message }: Diagnostic, { depth }: DiagnosedEntity) {
  const field = segments.slice(depth)
  if (field.length === 0 || field.at(-1) === ENTITY) return { type: 'entity' as const, message }
  return { type: 'field' as const, field: dotted(field), message }
}

/** `paths.1`: Kong counts from 1 here too. */
function dotted(path: Path): string {
  return path.map((part) => (typeof part === 'number' ? part + 1 : part)).join('.')
}
