/**
 * Building blocks for the schemas of entities and plugins: Zod schemas that speak Kong's messages and keep its rules.
 * Nothing is coerced, `null` counts as absent, strings are never empty, unknown members are refused (kong.md §1.7).
 */
import * as z from 'zod'

import { Secret } from './entities.ts'
import * as format from './field-formats.ts'
import { judgePattern } from './pattern-safety.ts'

export * from './field-checks.ts'

type MessageFor = (issue: { readonly input?: unknown }) => string

const MISSING = 'required field missing'

function expected(what: string): MessageFor {
  return ({ input }) => (input === undefined || input === null ? MISSING : `expected ${what}`)
}

/** Marks a schema as optional: absent and `null` give `undefined`. */
export function optional<S extends z.ZodType>(schema: S) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** A value that nothing is said about. */
export function anything() {
  return z.unknown().refine((value) => value !== undefined && value !== null, { error: MISSING })
}

/** Marks a schema as optional with a default, in the form that the schema puts out. */
export function defaulted<S extends z.ZodType>(schema: S, fallback: z.output<S>) {
  return schema
    .nullish()
    .meta({ default: fallback })
    .transform((value) => value ?? fallback)
}

export interface TextLimits {
  /** Characters; 1 unless given: Kong's strings are never empty. */
  readonly min?: number
  readonly max?: number
}

/** Text; not empty unless `min: 0`. */
export function string(limits: TextLimits = {}) {
  const { min = 1, max } = limits
  const schema = z
    .string({ error: expected('a string') })
    .min(min, { error: `length must be at least ${min}`, abort: true })
  return max === undefined
    ? schema
    : schema.max(max, { error: `length must be at most ${max}`, abort: true })
}

/** Text that satisfies a rule of `field-formats.ts` or of the plugin's own. */
export function text(rule: format.TextRule) {
  return string().check((context) => {
    const message = rule(context.value)
    if (message !== undefined)
      context.issues.push({ code: 'custom', message, input: context.value })
  })
}

export interface NumberLimits {
  /** Both ends count. */
  readonly between?: readonly [lowest: number, highest: number]
  /** Exclusive. */
  readonly gt?: number
}

function limited<S extends z.ZodNumber>(schema: S, { between, gt }: NumberLimits) {
  if (between !== undefined) {
    const error = `value should be between ${between[0]} and ${between[1]}`
    return schema.min(between[0], { error, abort: true }).max(between[1], { error, abort: true })
  }
  if (gt !== undefined) return schema.gt(gt, { error: `value must be greater than ${gt}` })
  return schema
}

/** A finite number. */
export function number(limits: NumberLimits = {}) {
  return limited(z.number({ error: expected('a number') }), limits)
}

/** A whole number; `5.0` is one. */
export function integer(limits: NumberLimits = {}) {
  return limited(z.number({ error: expected('an integer') }), limits).int({
    error: 'expected an integer',
    abort: true,
  })
}

function requiredBoolean() {
  return z.boolean({ error: expected('a boolean') })
}

export function boolean(): z.ZodBoolean
export function boolean(fallback: boolean): ReturnType<typeof defaulted<z.ZodBoolean>>
export function boolean(fallback?: boolean) {
  return fallback === undefined ? requiredBoolean() : defaulted(requiredBoolean(), fallback)
}

function requiredEnumeration<const V extends readonly [string, ...string[]]>(values: V) {
  return z.enum(values, {
    error: ({ input }) => {
      if (input === undefined || input === null) return MISSING
      return typeof input === 'string'
        ? `expected one of: ${values.join(', ')}`
        : 'expected a string'
    },
  })
}

/** One of the given words; required unless a default is given. */
export function enumeration<const V extends readonly [string, ...string[]]>(
  values: V,
): ReturnType<typeof requiredEnumeration<V>>
export function enumeration<const V extends readonly [string, ...string[]]>(
  values: V,
  fallback: V[number],
): z.ZodType<V[number], V[number] | null | undefined>
export function enumeration<const V extends readonly [string, ...string[]]>(
  values: V,
  fallback?: z.output<ReturnType<typeof requiredEnumeration<V>>>,
) {
  const schema = requiredEnumeration(values)
  return fallback === undefined ? schema : defaulted(schema, fallback)
}

/** One of the given whole numbers. */
export function integerEnumeration<const V extends readonly [number, ...number[]]>(values: V) {
  return z.literal(values, {
    error: ({ input }) => {
      if (input === undefined || input === null) return MISSING
      return typeof input === 'number'
        ? `expected one of: ${values.join(', ')}`
        : 'expected an integer'
    },
  })
}

export interface ListLimits {
  /** Least number of elements. */
  readonly min?: number
}

/** A list; `null` elements are refused as missing. */
export function array<S extends z.ZodType>(element: S, { min }: ListLimits = {}) {
  const schema = z.array(element, { error: expected('an array') })
  return min === undefined
    ? schema
    : schema.min(min, { error: `length must be at least ${min}`, abort: true })
}

/** A list whose repeated elements are dropped, first come first kept. */
export function set<S extends z.ZodType>(element: S, { min }: ListLimits = {}) {
  const schema = z.array(element, { error: expected('a set') })
  const bounded =
    min === undefined
      ? schema
      : schema.min(min, { error: `length must be at least ${min}`, abort: true })
  return bounded.transform((values) => [...new Set(values)])
}

/** What is wrong with the form that was chosen, rather than that no form fits. */
function unionMessage(issue: z.core.$ZodRawIssue): string {
  const { input } = issue
  if (input === undefined || input === null) return MISSING
  const forms = issue.code === 'invalid_union' ? issue.errors : []
  const chosen = typeof input === 'string' ? forms[0] : Array.isArray(input) ? forms[1] : undefined
  return chosen?.[0]?.message ?? 'expected a string or an array'
}

/** One text or a list of texts; always a list in the program. */
export function stringOrStrings() {
  return z
    .union([string(), array(string(), { min: 1 })], { error: unionMessage })
    .transform((value) => (typeof value === 'string' ? [value] : value))
}

/** A mapping with free keys. `keyRule` judges each key. */
export function map<S extends z.ZodType>(value: S, keyRule?: format.TextRule) {
  return z.record(z.string(), value, { error: expected('a map') }).check((context) => {
    if (keyRule === undefined) return
    for (const key of Object.keys(context.value)) {
      const message = keyRule(key)
      if (message !== undefined)
        context.issues.push({ code: 'custom', message, path: [key], input: key })
    }
  })
}

/** A mapping with exactly these members; anything else is an `unknown field`. */
export function record<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: ({ code, input }) => {
      if (code === 'unrecognized_keys') return 'unknown field'
      return input === undefined || input === null ? MISSING : 'expected a record'
    },
  })
}

/** A mapping with these members, and others that nothing is said about. */
export function openRecord<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.looseObject(shape, { error: expected('a record') })
}

/** A mapping that somebody else judges. */
export function looseRecord() {
  return z.record(z.string(), z.unknown(), {
    error: ({ input }) => (input === undefined || input === null ? MISSING : 'expected a record'),
  })
}

/** Says in a JSON Schema that an absent record is filled in; Zod drops a plain `default` where values are transformed. */
export const FILLED = 'x-filled-when-absent'

/** A nested record that is filled with its own defaults when it is absent, recursively. */
export function filled<S extends z.ZodType>(schema: S) {
  return z.preprocess((value) => value ?? {}, schema.meta({ [FILLED]: true }))
}

/** A referenceable secret (kong.md §1.9): text in the file or the environment, {@link Secret} in the program. */
export function secret(limits: TextLimits = {}) {
  return string(limits)
    .meta({ writeOnly: true })
    .transform((value) => new Secret(value))
}

export const headerName = () => text(format.headerName)
/** Name of an entity or instance. */
export const name = () => text(format.entityName)
export const uuid = () => text(format.uuid)
export const ip = () => text(format.ipAddress)
/** An address or a range in CIDR notation. */
export const ipOrCidr = () => text(format.ipOrCidr)
/** A host name or address without port. */
export const host = () => text(format.host)
export const port = () => integer({ between: [0, 65_535] })
/** A plain path: starts with `/`, no empty segments. */
export const path = () => text(format.path)
/**
 * A pattern for `compileAnchored` or `compileSearch` of the `regex` room, whose time is linear in the text (S28). Never
 * match client input with `RegExp` and a pattern from a file.
 */
export const regex = () => text(judgePattern)
/** An absolute `http(s)` URL. */
export const url = () => text(format.httpUrl)
export const httpMethod = () => text(format.httpMethod)
export const tag = () => text(format.tag)
/** Whole milliseconds as Kong bounds its time-outs. */
export const timeoutMs = () => integer({ between: [1, 2_147_483_646] })
export const statusCode = (lowest = 100, highest = 599) => integer({ between: [lowest, highest] })
