import * as z from 'zod'

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>

const described = new WeakMap<object, JsonSchema>()

/**
 * What a plugin's configuration looks like, from its own schema; `undefined` for schemas of other libraries than Zod,
 * which cannot be described.
 */
export function describeSchema(schema: object): JsonSchema | undefined {
  if (!(schema instanceof z.ZodType)) return undefined
  const known = described.get(schema)
  if (known !== undefined) return known
  const made: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  if (!isJsonSchema(made)) return undefined
  described.set(schema, made)
  return made
}

/** The members of a record. */
export function propertiesOf(schema: JsonSchema): readonly (readonly [string, JsonSchema])[] {
  const properties = schema['properties']
  if (!isJsonSchema(properties)) return []
  return Object.entries(properties).filter((entry): entry is [string, JsonSchema] =>
    isJsonSchema(entry[1]),
  )
}

/** In Kong every field that is not required may be null, so nothing is lost by leaving that out. */
export function withoutNull(schema: JsonSchema): JsonSchema {
  const choices = schema['anyOf']
  if (!Array.isArray(choices)) return schema
  const others = choices.filter(
    (choice): choice is JsonSchema => isJsonSchema(choice) && choice['type'] !== 'null',
  )
  // Of several forms the last is the general one: text or a list of texts.
  return others.at(-1) ?? schema
}

/** What stands for an absent field; null when nothing does. */
export function defaultOf(schema: JsonSchema): unknown {
  return schema['default'] ?? withoutNull(schema)['default'] ?? null
}

export function typeOf(schema: JsonSchema): string | undefined {
  const { type } = schema
  if (typeof type === 'string') return type
  if (!Array.isArray(type)) return undefined
  return type.map(String).find((one) => one !== 'null')
}

/** Whether a value may be written here that must not be shown. */
export function isSecretSchema(schema: JsonSchema): boolean {
  return schema['writeOnly'] === true || withoutNull(schema)['writeOnly'] === true
}

export function isJsonSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
