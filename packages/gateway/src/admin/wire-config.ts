import { Redactor, scrubText } from '../observe/index.ts'
import {
  defaultOf,
  isJsonSchema,
  isSecretSchema,
  propertiesOf,
  typeOf,
  withoutNull,
  type JsonSchema,
} from './json-schema.ts'

/** Names whose values are not shown, wherever they stand. */
const SECRET_NAME =
  /^(?:.*_)?(?:password|secret|token|api_key|private_key|passphrase|header_value|param_value|authorization)$/
const MASK = '[secret]'
const MAX_DEPTH = 20
const redactor = new Redactor()

/**
 * A plugin's configuration as Kong would show it: as written, references instead of what they stand for, with the
 * schema's defaults, and null for what is not set (kong.md §4.2). Secrets are masked.
 *
 * @param written the `config` of the file; `undefined` when it has none.
 */
export function toWireConfig(schema: JsonSchema, written: unknown): Record<string, unknown> {
  const given = isJsonSchema(written) ? written : {}
  const shown = new Map<string, unknown>()
  for (const [name, property] of propertiesOf(schema)) {
    shown.set(name, filled(property, given[name], isSecret(name, property)))
  }
  for (const [name, value] of Object.entries(given)) {
    if (!shown.has(name)) shown.set(name, masked(value, SECRET_NAME.test(name), 0))
  }
  showAliases(shown, given)
  return Object.fromEntries(shown)
}

/** `redis_host` beside `redis.host`: whichever was written is shown under both names, as in Kong. */
function showAliases(shown: Map<string, unknown>, given: JsonSchema): void {
  for (const [record, members] of shown) {
    if (!isJsonSchema(members)) continue
    const written = given[record]
    const merged: Record<string, unknown> = { ...members }
    for (const member of Object.keys(members)) {
      const alias = `${record}_${member}`
      if (!shown.has(alias)) continue
      const isNew = isJsonSchema(written) && (written[member] ?? undefined) !== undefined
      if (isNew) shown.set(alias, members[member])
      else merged[member] = shown.get(alias)
    }
    shown.set(record, merged)
  }
}

/** For a plugin that cannot be described: what its author wrote, masked. */
export function toMaskedConfig(written: unknown): unknown {
  return masked(written ?? {}, false, 0)
}

function isSecret(name: string, schema: JsonSchema): boolean {
  return SECRET_NAME.test(name) || isSecretSchema(schema)
}

function filled(schema: JsonSchema, given: unknown, secret: boolean): unknown {
  const inner = withoutNull(schema)
  const isRecord = typeOf(inner) === 'object' && propertiesOf(inner).length > 0
  if (isRecord) {
    // A record that stays null unless it is written says so with a default of its own, or by allowing null.
    if (given === undefined && inner !== schema) return defaultOf(schema)
    return toWireConfig(inner, given)
  }
  if (given === undefined || given === null) return defaultOf(schema)
  const items = inner['items']
  if (Array.isArray(given) && isJsonSchema(items) && propertiesOf(items).length > 0) {
    return given.map((item: unknown) => toWireConfig(items, item))
  }
  return masked(given, secret, 0)
}

/** A reference says where the secret is, not what it is. */
const REFERENCE = /^(?:\{vault:\/\/[^{}]+\}|\$\([A-Z_][A-Z0-9_]*\))$/

function masked(value: unknown, secret: boolean, depth: number): unknown {
  if (typeof value === 'string') {
    if (REFERENCE.test(value)) return value
    return secret ? MASK : maskedText(value)
  }
  if (typeof value !== 'object' || value === null) return secret && value !== null ? MASK : value
  if (depth > MAX_DEPTH) return null
  if (Array.isArray(value)) return value.map((item: unknown) => masked(item, secret, depth + 1))
  const members = Object.entries(value).map(([name, member]) => [
    name,
    masked(member, secret || hidesMember(name), depth + 1),
  ])
  return Object.fromEntries(members)
}

function hidesMember(name: string): boolean {
  return SECRET_NAME.test(name) || redactor.hidesHeader(name.toLowerCase())
}

/** `name:value`, as the transformers write header fields. */
function maskedText(text: string): string {
  const colon = text.indexOf(':')
  if (colon > 0 && redactor.hidesHeader(text.slice(0, colon).trim().toLowerCase())) {
    return REFERENCE.test(text.slice(colon + 1).trim())
      ? text
      : `${text.slice(0, colon + 1)}${MASK}`
  }
  return scrubText(text)
}
