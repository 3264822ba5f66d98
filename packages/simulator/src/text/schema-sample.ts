import { draw } from './random.ts'
import { writeTokens } from './prose.ts'

type Schema = Readonly<Record<string, unknown>>

const MAX_DEPTH = 12

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function bound(schema: Schema, name: string): number | undefined {
  const value = schema[name]
  return typeof value === 'number' ? value : undefined
}

/** Finds what a local reference (`#/…`) points at; `{}` when it points nowhere. */
function resolve(reference: string, root: Schema): Schema {
  let value: unknown = root
  for (const step of reference.replace(/^#\/?/, '').split('/')) {
    if (step === '') continue
    value = isSchema(value) ? value[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
  }
  return isSchema(value) ? value : {}
}

/**
 * Writes a JSON value that fits a JSON schema: `const`, `enum`, `type`, `properties`, `required`, `items`, `minItems`,
 * `anyOf`/`oneOf`/`allOf`, local `$ref`, and the bounds of numbers and lengths. Other keywords are not honoured.
 * An object gets all its declared properties; one named `nonce` gets the nonce.
 */
export class SchemaSample {
  readonly #root: Schema
  readonly #seed: number
  readonly #nonce: string | undefined
  #drawn = 0

  constructor(root: Schema, seed: number, nonce: string | undefined) {
    this.#root = root
    this.#seed = seed
    this.#nonce = nonce
  }

  write(): unknown {
    return this.#value(this.#root, 0)
  }

  #value(schema: Schema, depth: number): unknown {
    if (depth > MAX_DEPTH) return null
    if ('const' in schema) return schema['const']
    const options = list(schema['enum'])
    if (options.length > 0) return options[this.#draw(options.length)]
    const reference = schema['$ref']
    if (typeof reference === 'string') return this.#value(resolve(reference, this.#root), depth + 1)
    const alternative = [...list(schema['anyOf']), ...list(schema['oneOf'])].find(isSchema)
    if (alternative !== undefined) return this.#value(alternative, depth + 1)
    const parts = list(schema['allOf']).filter(isSchema)
    if (parts.length > 0) return this.#value(merge(schema, parts), depth + 1)
    return this.#typed(schema, depth)
  }

  #typed(schema: Schema, depth: number): unknown {
    const type = Array.isArray(schema['type'])
      ? list(schema['type']).find((one) => one !== 'null')
      : schema['type']
    if (type === 'object' || (type === undefined && isSchema(schema['properties'])))
      return this.#object(schema, depth)
    if (type === 'array') return this.#array(schema, depth)
    if (type === 'integer' || type === 'number') return this.#number(schema)
    if (type === 'boolean') return this.#draw(2) === 1
    if (type === 'null') return null
    return this.#string(schema)
  }

  #object(schema: Schema, depth: number): unknown {
    const entries: [string, unknown][] = []
    const properties = schema['properties']
    if (isSchema(properties)) {
      for (const [name, inner] of Object.entries(properties)) {
        const nonce = name === 'nonce' ? this.#nonce : undefined
        entries.push([name, nonce ?? this.#value(isSchema(inner) ? inner : {}, depth + 1)])
      }
    }
    return Object.fromEntries(entries)
  }

  #array(schema: Schema, depth: number): unknown {
    const items = isSchema(schema['items']) ? schema['items'] : {}
    const count = Math.min(100, Math.max(bound(schema, 'minItems') ?? 1, 0))
    return Array.from({ length: count }, () => this.#value(items, depth + 1))
  }

  #number(schema: Schema): number {
    const min = Math.ceil(bound(schema, 'minimum') ?? (bound(schema, 'exclusiveMinimum') ?? -1) + 1)
    const max = Math.floor(
      bound(schema, 'maximum') ?? (bound(schema, 'exclusiveMaximum') ?? min + 100) - 1,
    )
    return max <= min ? min : min + this.#draw(max - min + 1)
  }

  #string(schema: Schema): string {
    const words = writeTokens(this.#seed + this.#draw(1 << 20), 3)
      .slice(0, 2)
      .join('')
    const min = bound(schema, 'minLength') ?? 0
    return words
      .padEnd(Math.min(min, 10_000), '.')
      .slice(0, bound(schema, 'maxLength') ?? Math.max(min, words.length))
  }

  #draw(limit: number): number {
    this.#drawn += 1
    return draw(this.#seed, this.#drawn) % limit
  }
}

function merge(schema: Schema, parts: readonly Schema[]): Schema {
  const merged: Record<string, unknown> = {}
  const properties: Record<string, unknown> = {}
  for (const part of [{ ...schema, allOf: undefined }, ...parts]) {
    Object.assign(merged, part)
    if (isSchema(part['properties'])) Object.assign(properties, part['properties'])
  }
  return { ...merged, allOf: undefined, properties }
}
