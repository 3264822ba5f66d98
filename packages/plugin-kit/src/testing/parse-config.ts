import type { ConfigIssue, ConfigSchema, PluginDefinition } from '../plugin.ts'

type Parsed<Config> =
  | { readonly value: Config; readonly issues?: undefined }
  | { readonly issues: readonly ConfigIssue[] }

/** Validates as the gateway does: synchronously. @throws {TypeError} when the schema answers with a promise. */
export function validate<Config>(schema: ConfigSchema<Config>, raw: unknown): Parsed<Config> {
  const result = schema['~standard'].validate(raw)
  if (result instanceof Promise) throw new TypeError('a plugin schema must validate synchronously')
  return result
}

/**
 * A plugin's typed configuration from what a file would say.
 *
 * @throws {Error} with every issue and its path, when the schema refuses it.
 */
export function parseConfig<Config>(definition: PluginDefinition<Config>, raw: unknown): Config {
  const result = validate(definition.schema, raw)
  if (result.issues !== undefined) {
    throw new Error(`${definition.name}: ${result.issues.map(describeIssue).join('; ')}`)
  }
  return result.value
}

/** `path.to.field: message`, and the fields that nobody knows. */
export function describeIssue(issue: ConfigIssue): string {
  const path = issuePath(issue)
  const message = `${issue.message}${unknownFields(issue)}`
  return path === '' ? message : `${path}: ${message}`
}

/** Zod names unknown fields beside the message, not in the path. */
function unknownFields(issue: ConfigIssue): string {
  if (!('keys' in issue) || !Array.isArray(issue.keys)) return ''
  return ` (${issue.keys.map(String).join(', ')})`
}

export function issuePath(issue: ConfigIssue): string {
  return (issue.path ?? [])
    .map((step) => String(typeof step === 'object' ? step.key : step))
    .join('.')
}
