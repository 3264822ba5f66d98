import { scrubText } from '../observe/index.ts'

/** Names whose values are not shown. Digests and names of things are not secrets. */
const SECRET_NAME =
  /^(?:.*_)?(?:password|secret|token|api_key|private_key|passphrase|header_value|param_value|authorization)$/
const MASK = '[secret]'
const MAX_DEPTH = 20

/**
 * A plugin's typed configuration as JSON with Kong's kind of names: `headerName` → `header_name`. What cannot be written
 * as JSON is left out; secrets are masked.
 */
export function toWireConfig(config: unknown): unknown {
  return wireValue(config, 0)
}

function wireValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value ?? null
  if (depth > MAX_DEPTH) return null
  if (value instanceof RegExp) return value.source
  if (value instanceof Map) return wireMembers(value.entries(), depth)
  if (value instanceof Set) return [...value].map((item) => wireValue(item, depth + 1))
  if (Array.isArray(value)) return value.map((item) => wireValue(item, depth + 1))
  if (ArrayBuffer.isView(value)) return MASK
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return wireValue(value.toJSON(), depth + 1)
  return wireMembers(Object.entries(value), depth)
}

function wireMembers(
  entries: Iterable<readonly [unknown, unknown]>,
  depth: number,
): Record<string, unknown> {
  const members = new Map<string, unknown>()
  for (const [key, value] of entries) {
    const name = snakeCase(String(key))
    const masked = SECRET_NAME.test(name) && typeof value === 'string' && value !== ''
    members.set(name, masked ? MASK : wireValue(value, depth + 1))
  }
  return Object.fromEntries(members)
}

function snakeCase(name: string): string {
  return name.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase()
}
