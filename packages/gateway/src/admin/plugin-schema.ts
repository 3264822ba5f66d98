import {
  defaultOf,
  describeSchema,
  isJsonSchema,
  isSecretSchema,
  propertiesOf,
  typeOf,
  withoutNull,
  type JsonSchema,
} from './json-schema.ts'

/** A field of a Kong schema document, `{<name>: {type, default, …}}` (kong.md §4.3). */
export type KongField = Readonly<Record<string, unknown>>

/** A plugin's configuration schema in Kong's form, which decK reads to fill in defaults (kong.md §4.6). */
export function toKongConfigField(schema: object): KongField {
  const described = describeSchema(schema)
  return {
    type: 'record',
    required: true,
    fields: described === undefined ? [] : recordFields(described),
  }
}

function recordFields(schema: JsonSchema): readonly KongField[] {
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  return propertiesOf(schema).map(([name, property]) => {
    const field = toField(property)
    return { [name]: required.has(name) ? { ...field, required: true } : field }
  })
}

function toField(given: JsonSchema): KongField {
  const schema = withoutNull(given)
  const fallback = defaultOf(given)
  const common = {
    ...(fallback === null ? {} : { default: fallback }),
    ...(isSecretSchema(given) ? { encrypted: true, referenceable: true } : {}),
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
      if (propertiesOf(schema).length === 0 && isJsonSchema(values)) {
        return { type: 'map', ...common, keys: { type: 'string' }, values: toField(values) }
      }
      return { type: 'record', ...common, fields: recordFields(schema) }
    }
    default:
      return { ...ANY, ...common }
  }
}

const ANY: KongField = { type: 'any' }

function rangeOf(schema: JsonSchema): KongField {
  const { minimum, maximum, exclusiveMinimum } = schema
  if (typeof minimum === 'number' && typeof maximum === 'number' && Number.isSafeInteger(maximum)) {
    return { between: [minimum, maximum] }
  }
  return typeof exclusiveMinimum === 'number' ? { gt: exclusiveMinimum } : {}
}
