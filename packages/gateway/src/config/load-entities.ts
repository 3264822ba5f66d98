import { randomUUID } from 'node:crypto'

import { formatPath, type Path, type Problem } from './diagnostics.ts'
import type { RawRecord } from './document.ts'
import type { Entities, Target } from './entities.ts'
import { isSecretField } from './secret-masking.ts'
import { canonicalJson, deriveId, sha256Hex } from './ids.ts'
import { catalogueOf, problemsOf, valueAt } from './issues.ts'
import type { ParseOptions } from './parse-options.ts'
import { type ConfigSource, PluginConfigs } from './plugin-configs.ts'
import { substituteReferences } from './references.ts'
import { readTopLevel, type TopLevel } from './top-level.ts'
import {
  type BuildContext,
  type Collection,
  emptyLists,
  type EntityLists,
  Parts,
  pathOf,
  type ReadRow,
  type Row,
  type RowProblem,
} from './schema/collection.ts'
import { nestedIn } from './schema/registry.ts'
import { freezeEntities } from './shared-values.ts'
import { didYouMean } from './suggest.ts'
import { describeEntity, separateChildren } from './written-entry.ts'

export interface LoadedEntities {
  readonly entities: Entities
  readonly problems: readonly Problem[]
  /** The distinct plugin configurations as written, and which of them each plugin entity has, in its order. */
  readonly configSources: readonly ConfigSource[]
  readonly configNumbers: readonly number[]
  pathOf(entityId: string): Path | undefined
}

/** Validates the document's entries, gives them ids, links them, and turns them into entities. */
export function loadEntities(root: RawRecord, options: ParseOptions): LoadedEntities {
  const references = substituteReferences(root, options.environment)
  const topLevel = readTopLevel(references.root, options)
  const loader = new Loader(root, topLevel, options)
  for (const { collection, rows } of topLevel.collections)
    loader.readAll(collection, rows, undefined, undefined)
  loader.buildAll()
  const unresolved = new Set(references.problems.map(({ path }) => formatPath(path)))
  const others = [...topLevel.problems, ...loader.problems]
    // What a reference should have become cannot be judged.
    .filter(({ path }) => !unresolved.has(formatPath(path)))
    .map((problem) => ({
      ...problem,
      message: references.conceal(problem.message),
      hint: problem.hint === undefined ? undefined : references.conceal(problem.hint),
    }))
  return {
    entities: freezeEntities(loader.lists),
    problems: [...references.problems, ...others],
    configSources: loader.plugins.sources,
    configNumbers: loader.configNumbers,
    pathOf: createPathFinder(loader.rows()),
  }
}

interface PendingRow {
  readonly row: Row
  readonly read: ReadRow
}

/** The known entries of one collection. */
class Known {
  readonly ids = new Set<string>()
  readonly names = new Map<string, string>()
  readonly unique = new Set<string>()
}

class Loader implements BuildContext {
  readonly problems: Problem[] = []
  readonly configNumbers: number[] = []
  readonly lists: EntityLists
  readonly compatibility: 'pratu' | 'kong'
  readonly transform: boolean
  readonly nowSeconds: number
  readonly plugins: PluginConfigs
  readonly targets = new Parts<Target>()
  readonly groups = new Parts<string>()
  readonly snis = new Parts<string>()
  /** The document as written, references unresolved: what may be shown. */
  private readonly written: RawRecord
  private readonly pending: PendingRow[] = []
  private readonly known = new Map<string, Known>()
  private readonly parentField = new Map<Row, string>()
  private readonly contentIds = new Map<string, number>()

  constructor(written: RawRecord, topLevel: TopLevel, options: ParseOptions) {
    this.written = written
    this.compatibility = topLevel.compatibility
    this.transform = topLevel.transform
    this.nowSeconds = Math.floor((options.nowMs ?? Date.now()) / 1000)
    this.plugins = new PluginConfigs(options, (row, problem) => this.report(row, problem))
    this.lists = emptyLists(topLevel.compatibility)
  }

  readAll(
    collection: Collection,
    rows: readonly unknown[],
    parent: Row | undefined,
    field: string | undefined,
  ): void {
    rows.forEach((raw, index) => this.readRow(collection, raw, index, parent, field))
  }

  private readRow(
    collection: Collection,
    raw: unknown,
    index: number,
    parent: Row | undefined,
    field: string | undefined,
  ): void {
    const place = { collection, index, parent, raw: {}, id: '' }
    if (!isRecord(raw)) {
      const missing = raw === null || raw === undefined
      this.report(place, {
        code: missing ? 'required-field' : 'invalid-value',
        field: [],
        message: missing ? 'required field missing' : 'expected a record',
      })
      return
    }
    const { own, children } = separateChildren(collection, raw)
    const result = collection.read(own)
    const id = result.ok
      ? (result.row.id ?? this.identify(collection, result.row, own, parent, field))
      : randomUUID()
    const row: Row = { collection, index, parent, raw: own, id }
    if (field !== undefined) this.parentField.set(row, field)
    if (result.ok) {
      if (this.register(row, result.row)) this.pending.push({ row, read: result.row })
    } else {
      this.registerBroken(row)
      for (const { path, ...problem } of problemsOf(
        result.issues,
        own,
        catalogueOf(collection.schema, nestedIn(collection).keys()),
      ))
        this.report(row, { ...problem, field: writtenPath(collection, path, own) })
    }
    for (const { key, child, field: childField } of children) {
      const list = raw[key]
      if (Array.isArray(list)) this.readAll(child, list, row, childField)
      else if (list !== null && list !== undefined)
        this.report(row, { code: 'invalid-value', field: [key], message: 'expected an array' })
    }
  }

  private identify(
    collection: Collection,
    read: ReadRow,
    raw: RawRecord,
    parent: Row | undefined,
    field: string | undefined,
  ): string {
    const reference = (name: string): string => {
      if (name === field && parent !== undefined) return parent.id
      const text = raw[name]
      return typeof text === 'string' ? text : ''
    }
    const key = read.key({ reference })
    if (key !== undefined) return deriveId(collection.name, key)
    // Kong's id would be random. Content decides here, so that replicas agree and counters survive a reload.
    const content = `${collection.name}:*:${parent?.id ?? ''}:${sha256Hex(canonicalJson(raw))}`
    const seen = this.contentIds.get(content) ?? 0
    this.contentIds.set(content, seen + 1)
    return deriveId(collection.name, `${content}:${seen}`)
  }

  /** @returns whether nothing with the same id or unique fields came before. */
  private register(row: Row, read: ReadRow): boolean {
    const known = this.knownOf(row.collection.name)
    if (read.name !== undefined && !known.names.has(read.name)) known.names.set(read.name, row.id)
    let isFirst = true
    for (const [field, value] of read.unique) {
      if (this.claim(row.collection.name, `${field}=${value}`)) continue
      this.reportDuplicate(row, field, value, [row.collection.writtenIn(field, row.raw)])
      isFirst = false
    }
    if (isFirst && known.ids.has(row.id)) {
      this.reportDuplicate(row, 'primary key', row.id, [])
      isFirst = false
    }
    known.ids.add(row.id)
    return isFirst
  }

  /** An entry that is wrong itself still answers to its name: else each reference to it would be reported as well. */
  private registerBroken(row: Row): void {
    const known = this.knownOf(row.collection.name)
    const { nameField } = row.collection
    const name = nameField === undefined ? undefined : row.raw[nameField]
    if (typeof name === 'string') known.names.set(name, row.id)
    const id = row.raw['id']
    if (typeof id === 'string') known.ids.add(id.toLowerCase())
  }

  private reportDuplicate(row: Row, field: string, value: string, at: Path): void {
    const shown = isSecretField(field) ? '[secret]' : value
    this.report(row, {
      code: 'duplicate',
      field: at,
      message: `uniqueness violation: '${row.collection.name}' entity with ${field} set to '${shown}' already declared`,
    })
  }

  private knownOf(collection: string): Known {
    let known = this.known.get(collection)
    if (known === undefined) {
      known = new Known()
      this.known.set(collection, known)
    }
    return known
  }

  buildAll(): void {
    for (const { row, read } of this.pending) if (row.collection.isPart) read.build(row, this)
    for (const { row, read } of this.pending) if (!row.collection.isPart) read.build(row, this)
    this.problems.push(...this.plugins.unknownNames())
  }

  resolve(row: Row, field: string, reference: string | undefined): string | undefined {
    if (this.parentField.get(row) === field && row.parent !== undefined) return row.parent.id
    if (reference === undefined) return undefined
    const target = row.collection.references[field]
    if (target === undefined) return undefined
    const known = this.knownOf(target)
    const id = known.names.get(reference)
    if (id !== undefined) return id
    if (known.ids.has(reference.toLowerCase())) return reference.toLowerCase()
    this.report(row, {
      code: 'invalid-reference',
      field: [field],
      message: `invalid reference '${field}: ${reference}' (no such entry in '${target}')`,
      hint: didYouMean(reference, known.names.keys()),
    })
    return undefined
  }

  knows(collection: string, nameOrId: string): boolean {
    const known = this.knownOf(collection)
    return known.names.has(nameOrId) || known.ids.has(nameOrId)
  }

  names(collection: string): Iterable<string> {
    return this.knownOf(collection).names.keys()
  }

  claim(collection: string, value: string): boolean {
    const { unique } = this.knownOf(collection)
    if (unique.has(value)) return false
    unique.add(value)
    return true
  }

  report(row: Row, { field, severity = 'error', ...problem }: RowProblem): void {
    const path = pathOf(row)
    this.problems.push({
      ...problem,
      severity,
      path: [...path, ...field],
      entity: describeEntity(row.collection, valueAt(this.written, path), path.length),
    })
  }

  /** The rows that became entities; keeps nothing else of the loader alive. */
  rows(): readonly Row[] {
    return this.pending.map(({ row }) => row)
  }
}

/** Finds where entities are written. Made on demand: serving never asks, advice asks for every entity. */
function createPathFinder(rows: readonly Row[]): (entityId: string) => Path | undefined {
  let byId: ReadonlyMap<string, Row> | undefined
  return (entityId) => {
    byId ??= new Map(rows.map((row) => [row.id, row]))
    const row = byId.get(entityId)
    return row === undefined ? undefined : pathOf(row)
  }
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function writtenPath(collection: Collection, path: Path, raw: RawRecord): Path {
  const [first, ...rest] = path
  return typeof first === 'string' ? [collection.writtenIn(first, raw), ...rest] : path
}
