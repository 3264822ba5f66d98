import type * as z from 'zod'

import type { Entities, Target } from '../entities.ts'
import * as field from '../fields.ts'
import { shared } from '../shared-values.ts'
import type { Path, Problem } from '../diagnostics.ts'
import type { RawRecord } from '../document.ts'

/** The collections whose entries become entities, in a form that can still grow. */
export type EntityLists = {
  -readonly [K in keyof Entities]: Entities[K] extends readonly (infer E)[] ? E[] : Entities[K]
}

export function emptyLists(compatibility: Entities['compatibility']): EntityLists {
  return {
    compatibility,
    services: [],
    routes: [],
    upstreams: [],
    consumers: [],
    plugins: [],
    credentials: [],
    certificates: [],
    caCertificates: [],
    providers: [],
  }
}

/** One entry of a collection, wherever it stands in the document. */
export interface Row {
  readonly collection: Collection
  readonly index: number
  /** The entry that this one is nested in. */
  readonly parent: Row | undefined
  readonly raw: RawRecord
  readonly id: string
}

export function pathOf(row: Pick<Row, 'collection' | 'index' | 'parent'>): Path {
  const own = [row.collection.name, row.index]
  return row.parent === undefined ? own : [...pathOf(row.parent), ...own]
}

/** What the parts of an id are taken from (kong.md §1.4). */
export interface IdScope {
  /** The parent's id when nested by this field, else the reference as written, else nothing. */
  readonly reference: (field: string) => string
}

export interface BuildContext {
  readonly lists: EntityLists
  /** Beside `lists.plugins`, entry by entry: {@link AcceptedConfig.source}. */
  readonly configNumbers: number[]
  readonly compatibility: 'pratu' | 'kong'
  /** Whether write-time transformations are still to be done (`_transform`). */
  readonly transform: boolean
  readonly nowSeconds: number
  readonly plugins: PluginConfigReader
  /** What belongs to upstreams, consumers and certificates; all of it is known before they are built. */
  readonly targets: Parts<Target>
  readonly groups: Parts<string>
  readonly snis: Parts<string>
  /** The entity that a foreign key points at; nested entries point at what they are nested in. */
  resolve(row: Row, field: string, reference: string | undefined): string | undefined
  /** An id or name of another collection that is no foreign key in Kong's sense. */
  knows(collection: string, nameOrId: string): boolean
  names(collection: string): Iterable<string>
  /** Whether nobody else has claimed this value of a unique field. */
  claim(collection: string, value: string): boolean
  report(row: Row, problem: RowProblem): void
}

export interface RowProblem extends Omit<Problem, 'path' | 'severity'> {
  readonly severity?: Problem['severity']
  readonly field: Path
}

/** Entries that become parts of another entity, by that entity's id. */
export class Parts<T> {
  private readonly lists = new Map<string, T[]>()

  add(ownerId: string, part: T): void {
    const list = this.lists.get(ownerId)
    if (list === undefined) this.lists.set(ownerId, [part])
    else list.push(part)
  }

  of(ownerId: string): readonly T[] {
    return shared(this.lists.get(ownerId))
  }
}

/** What a plugin's schema made of a configuration. */
export interface AcceptedConfig {
  readonly config: unknown
  /** Number among the distinct configurations of the file. */
  readonly source: number
}

/** Validates the configuration of plugin entries. */
export interface PluginConfigReader {
  /** Reports and answers `undefined` when the plugin or its configuration is not acceptable. */
  read(row: Row, name: string, config: RawRecord): AcceptedConfig | undefined
  refusesConsumer(name: string): boolean
}

/** A validated entry, ready to become an entity once references can be resolved. */
export interface ReadRow {
  readonly id: string | undefined
  readonly name: string | undefined
  /** Unique fields that are set. */
  readonly unique: readonly (readonly [field: string, value: string])[]
  key(scope: IdScope): string | undefined
  build(row: Row, context: BuildContext): void
}

export type ReadResult =
  | { readonly ok: true; readonly row: ReadRow }
  | { readonly ok: false; readonly issues: readonly z.core.$ZodIssue[] }

export interface Collection {
  readonly name: string
  readonly singular: string
  readonly schema: z.ZodType
  /** Foreign key → collection. */
  readonly references: Readonly<Record<string, string>>
  /** What flat references may use besides the id. */
  readonly nameField: string | undefined
  /** Whether its entries are built before what they are parts of. */
  readonly isPart: boolean
  read(raw: RawRecord): ReadResult
  writtenIn(field: string, raw: RawRecord): string
}

type Common = { readonly id?: string | undefined }

export interface CollectionDefinition<S extends z.ZodType<Common>> {
  readonly name: string
  readonly singular: string
  readonly schema: S
  readonly references?: Readonly<Record<string, string>>
  readonly nameField?: keyof z.output<S> & string
  readonly unique?: readonly (keyof z.output<S> & string)[]
  /** Unique values that no field holds as written: the field that they are told by, and what is compared. */
  readonly claims?: (
    value: z.output<S>,
  ) => readonly (readonly [field: keyof z.output<S> & string, value: string])[]
  /** The key that an id is derived from; `undefined` when Kong's would be random. */
  readonly key?: (value: z.output<S>, scope: IdScope) => string | undefined
  /** The field that the user wrote, when another one was expanded into `field`. */
  readonly writtenIn?: (field: string, raw: RawRecord) => string
  readonly isPart?: boolean
  readonly build?: (value: z.output<S>, row: Row, context: BuildContext) => void
}

/** Members that any entity may carry (kong.md §1.2, §1.6). */
export const commonFields = {
  id: field.optional(field.uuid()),
  created_at: field.optional(field.number()),
  updated_at: field.optional(field.number()),
  tags: field.optional(field.set(field.tag())),
  _comment: field.optional(field.string({ min: 0 })),
  _ignore: field.optional(field.array(field.anything())),
}

/** Types one collection and hides its schema's type from the registry. */
export function defineCollection<S extends z.ZodType<Common>>(
  definition: CollectionDefinition<S>,
): Collection {
  const { name, singular, schema, nameField, unique = [], references = {} } = definition
  return {
    name,
    singular,
    schema,
    references,
    nameField,
    isPart: definition.isPart ?? false,
    writtenIn: (member, raw) => definition.writtenIn?.(member, raw) ?? member,
    read(raw) {
      const result = schema.safeParse(raw)
      if (!result.success) return { ok: false, issues: result.error.issues }
      const value = result.data
      return {
        ok: true,
        row: {
          id: value.id?.toLowerCase(),
          name: nameField === undefined ? undefined : textOf(value[nameField]),
          unique: [
            ...unique.flatMap((one) => {
              const text = textOf(value[one])
              return text === undefined ? [] : [[one, text] as const]
            }),
            ...(definition.claims?.(value) ?? []),
          ],
          key: (scope) => definition.key?.(value, scope),
          build: (row, context) => definition.build?.(value, row, context),
        },
      }
    },
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
