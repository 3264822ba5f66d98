import * as z from 'zod'

import type { Path, Problem } from './diagnostics.ts'
import { ENTITY } from './field-checks.ts'
import { leadsToSecret, MASK } from './secret-masking.ts'
import { nearest } from './suggest.ts'

/** A validation issue of any Standard Schema library; members beyond the standard are used when they are there. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What is known of the fields around an issue, for did-you-mean. */
export interface FieldCatalogue {
  /** Names that the record at a path may have. */
  names(path: Path): Iterable<string>
}

type FieldProblem = Pick<Problem, 'code' | 'path' | 'message' | 'hint' | 'atKey'>

/** Translates issues into problems; paths are relative to what was validated. */
export function problemsOf(
  issues: readonly SchemaIssue[],
  value: unknown,
  catalogue: FieldCatalogue,
): FieldProblem[] {
  return issues.flatMap((issue) => problemsOfIssue(issue, value, catalogue))
}

function problemsOfIssue(
  issue: SchemaIssue,
  value: unknown,
  catalogue: FieldCatalogue,
): FieldProblem[] {
  const path = (issue.path ?? []).map(segmentOf)
  const unknown = listOf(issue, 'keys')
  if (codeOf(issue) === 'unrecognized_keys' && unknown !== undefined) {
    return unknown.map((key) => ({
      code: 'unknown-field',
      path: [...path, key],
      message: 'unknown field',
      hint: hintForField(key, catalogue.names(path)),
      atKey: true,
    }))
  }
  if (path.at(-1) === ENTITY) return [{ code: 'entity-rule', path, message: issue.message }]
  const given = valueAt(value, path)
  if (given === undefined || given === null)
    return [{ code: 'required-field', path, message: issue.message, hint: undefined }]
  const isSecret = leadsToSecret(path)
  return [
    {
      code: 'invalid-value',
      path,
      message: isSecret ? conceal(issue.message, given) : issue.message,
      hint: isSecret ? undefined : hintForValue(given, issue),
    },
  ]
}

/** A library's own message may quote what it judges. */
function conceal(message: string, given: unknown): string {
  if (typeof given !== 'string' && typeof given !== 'number') return message
  const text = String(given)
  // What is shorter occurs in any sentence.
  return text.length < 3 ? message : message.replaceAll(text, MASK)
}

function segmentOf(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === 'object' ? part.key : part
  return typeof key === 'number' ? key : String(key)
}

function codeOf(issue: object): unknown {
  return 'code' in issue ? issue.code : undefined
}

function listOf(issue: object, member: 'keys' | 'values'): string[] | undefined {
  const list: unknown = Reflect.get(issue, member)
  return Array.isArray(list) ? list.map(String) : undefined
}

function hintForField(key: string, names: Iterable<string>): string | undefined {
  const known = [...names]
  const candidate = nearest(key, known)
  if (candidate !== undefined) return `did you mean '${candidate}'?`
  return known.length === 0 ? undefined : `known fields: ${known.toSorted().join(', ')}`
}

function hintForValue(given: unknown, issue: SchemaIssue): string | undefined {
  if (typeof given === 'string') {
    const candidate = nearest(given, listOf(issue, 'values') ?? [])
    if (candidate !== undefined) return `did you mean '${candidate}'?`
    return typeHint(given, issue.message)
  }
  if (issue.message === 'expected a string' && isScalar(given))
    return `quote it: "${String(given)}"`
  if (/^expected (?:an array|a set)$/.test(issue.message) && isScalar(given))
    return `write a list: [${String(given)}]`
  return undefined
}

function isScalar(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

/** Kong coerces nothing: a number in quotes is a text. */
function typeHint(given: string, message: string): string | undefined {
  if (/^expected (?:an integer|a number)$/.test(message) && /^[-+]?[\d.]+$/.test(given))
    return `write it without quotes: ${given}`
  if (message === 'expected a boolean' && /^(?:true|false|yes|no|on|off)$/i.test(given))
    return `write it without quotes: ${given.toLowerCase()}`
  if (/^expected (?:an array|a set)$/.test(message)) return `write a list: [${given}]`
  return undefined
}

export function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = Reflect.get(current, part)
  }
  return current
}

/** The field names that a Zod schema accepts at a path; nothing for schemas of other libraries. */
export function catalogueOf(schema: unknown, extra: Iterable<string> = []): FieldCatalogue {
  return {
    names(path) {
      const names = schema instanceof z.ZodType ? namesIn(schema, path) : []
      return path.length === 0 ? [...names, ...extra] : names
    },
  }
}

// A mistake may be repeated ten thousand times in a generated file.
const describedSchemas = new WeakMap<z.ZodType, unknown>()

function namesIn(schema: z.ZodType, path: Path): string[] {
  let json = describedSchemas.get(schema)
  if (json === undefined) {
    json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
    describedSchemas.set(schema, json)
  }
  const node = path.reduce<unknown>(
    (parent, part) =>
      typeof part === 'number' ? valueAt(parent, ['items']) : valueAt(parent, ['properties', part]),
    json,
  )
  const properties = valueAt(node, ['properties'])
  return typeof properties === 'object' && properties !== null
    ? Object.keys(properties).filter((name) => !name.startsWith('_'))
    : []
}
