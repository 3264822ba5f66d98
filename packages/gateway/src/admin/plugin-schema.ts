import * as z from 'zod'

/** A field of a Kong schema document, `{<name>: {type, default, …}}` (kong.md §4.3). */
export type KongField = Readonly<Record<string, unknown>>

type JsonSchema = Readonly<Record<string, unknown>>

/**
 * A plugin's configuration schema in Kong's form, which decK reads to fill in defaults (kong.md §4.6).
 *
 * @param schema any Standard Schema; only Zod's can be described, others give an empty record.
 */
export function toKongConfigField(schema: unknown): KongField {
  if (!(schema instanceof z.ZodType)) return { type: 'record', required: true, fields: [] }
  const described: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  const fields = isJsonSchema(described) ? recordFields(described) : []
  return { type: 'record', required: true, fields }
}

function recordFields(schema: JsonSchema): readonly KongField[] {
  const properties = schema['properties']
  if (!isJsonSchema(properties)) return []
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  return Object.entries(properties).flatMap(([name, property]) => {
    if (!isJsonSchema(property)) return []
    const field = toField(property)
    return [{ [name]: required.has(name) ? { ...field, required: true } : field }]
  })
}

function toField(given: JsonSchema): KongField {
  const schema = withoutNull(given)
  const common = {
    ...('default' in given ? { default: given['default'] } : {}),
    ...(given['writeOnly'] === true || schema['writeOnly'] === true
      ? { encrypted: true, referenceable: true }
      : {}),
    ...(Array.isArray(schema['enum']) ? { one_of: schema['enum'] } : {}),
  }
  switch (typeOf(schema)) {
    case 'string':
      return { type: 'string', ...common }
    case 'boolean':
      return { type: 'boolean', ...common }
    case 'integer':
      return { type: 'integer', ...common, ...rangeOf(schema) }
    case 'number':
      return { type: 'number', ...common, ...rangeOf(schema) }
    case 'array': {
      const items = schema['items']
      return { type: 'array', ...common, elements: isJsonSchema(items) ? toField(items) : ANY }
    }
    case 'object': {
      const values = schema['additionalProperties']
      if (!isJsonSchema(schema['properties']) && isJsonSchema(values)) {
        return { type: 'map', ...common, keys: { type: 'string' }, values: toField(values) }
      }
      return { type: 'record', ...common, fields: recordFields(schema) }
    }
    default:
      return { ...ANY, ...common }
  }
}

const ANY: KongField = { type: 'any' }

/** Nothing is needed to say that null is allowed: in Kong's schemas every field that is not required allows it. */
function withoutNull(schema: JsonSchema): JsonSchema {
  const choices = schema['anyOf']
  if (!Array.isArray(choices)) return schema
  const others = choices.filter(
    (choice): choice is JsonSchema => isJsonSchema(choice) && choice['type'] !== 'null',
  )
  // Of several forms the last is the general one: text or a list of texts.
  return others.at(-1) ?? schema
}

function typeOf(schema: JsonSchema): string | undefined {
  const { type } = schema
  if (typeof type === 'string') return type
  if (!Array.isArray(type)) return undefined
  return type.map(String).find((one) => one !== 'null')
}

function rangeOf(schema: JsonSchema): KongField {
  const { minimum, maximum, exclusiveMinimum } = schema
  if (typeof minimum === 'number' && typeof maximum === 'number' && Number.isSafeInteger(maximum)) {
    return { between: [minimum, maximum] }
  }
  return typeof exclusiveMinimum === 'number' ? { gt: exclusiveMinimum } : {}
}

function isJsonSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
