import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import * as z from 'zod'

import { FILLED } from './fields.ts'
import type { Collection } from './schema/collection.ts'
import { collections, nestedIn } from './schema/registry.ts'
import { FORMAT_VERSIONS } from './top-level.ts'

type JsonSchema = Readonly<Record<string, unknown>>

/**
 * JSON Schema (2020-12) of the declarative file, for editors: every collection flat and nested, with the plugins'
 * configurations. Rules between fields and between entities are left to `pratu check`.
 */
export function configurationJsonSchema(plugins: readonly AnyPluginDefinition[]): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Pratu declarative configuration',
    type: 'object',
    properties: {
      _format_version: { type: 'string', enum: FORMAT_VERSIONS },
      _transform: { type: ['boolean', 'null'], default: true },
      _comment: { type: ['string', 'null'] },
      _ignore: { type: ['array', 'null'] },
      compatibility: { enum: ['pratu', 'kong'], default: 'pratu' },
      ...Object.fromEntries(collections.map((one) => [one.name, listOf(one)])),
    },
    required: ['_format_version'],
    additionalProperties: false,
    $defs: Object.fromEntries(collections.map((one) => [one.singular, definitionOf(one, plugins)])),
  }
}

function listOf({ singular }: Collection): JsonSchema {
  return { type: ['array', 'null'], items: { $ref: `#/$defs/${singular}` } }
}

function definitionOf(collection: Collection, plugins: readonly AnyPluginDefinition[]): JsonSchema {
  const own = toJsonSchema(collection.schema)
  const children = [...nestedIn(collection).values()].map(
    ({ collection: child }) => [child.name, listOf(child)] as const,
  )
  const definition = {
    ...own,
    properties: { ...propertiesOf(own), ...Object.fromEntries(children) },
  }
  if (collection.name === 'services') return withShorthand(definition)
  return collection.name === 'plugins' ? withConfigs(definition, plugins) : definition
}

/** A service names its host, or a URL that has one. */
function withShorthand({ required: _host, ...service }: JsonSchema): JsonSchema {
  return { ...service, anyOf: [{ required: ['host'] }, { required: ['url'] }] }
}

function withConfigs(plugin: JsonSchema, plugins: readonly AnyPluginDefinition[]): JsonSchema {
  const names = plugins.map(({ name }) => name).toSorted()
  return {
    ...plugin,
    properties: { ...propertiesOf(plugin), name: { type: 'string', enum: names } },
    allOf: plugins.map(({ name, schema }) => ({
      if: { properties: { name: { const: name } } },
      // Schemas of other libraries than Zod cannot be looked into.
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: {
        properties: { config: schema instanceof z.ZodType ? nullable(toJsonSchema(schema)) : {} },
      },
    })),
  }
}

function nullable(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Zod bounds its integers by what a double can hold; nobody wants to read that.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  return withOptionalDefaults(json)
}

/** What has a default may be left out: Zod asks for it where the default is filled in before its own turn. */
function withOptionalDefaults(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (keyword === 'required' && Array.isArray(value))
        return [keyword, value.filter((name) => !hasDefault(schema, String(name)))]
      if (Array.isArray(value)) return [keyword, value.map(descend)]
      if (keyword === FILLED) return ['default', {}]
      return [keyword, descend(value)]
    }),
  )
}

function descend(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return withOptionalDefaults({ ...value })
}

function hasDefault(schema: JsonSchema, name: string): boolean {
  const property = propertiesOf(schema)[name]
  return (
    typeof property === 'object' &&
    property !== null &&
    ('default' in property || FILLED in property)
  )
}

function propertiesOf(schema: JsonSchema): JsonSchema {
  const { properties } = schema
  return typeof properties === 'object' && properties !== null ? { ...properties } : {}
}
