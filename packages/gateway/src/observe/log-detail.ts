import { scrubText } from './redaction.ts'

/** What a log line says beside its message. `error` may be anything that was thrown. */
export type LogDetail = Readonly<Record<string, unknown>>

const MAX_DEPTH = 6
const MAX_ITEMS = 100
const MAX_TEXT = 8192

/** Members that are never shown, whatever they hold; compared in lower case without `-` and `_`. */
const SECRET_MEMBERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxyauthorization',
  'apikey',
  'apikeys',
  'xapikey',
  'xgoogapikey',
  'password',
  'secret',
  'clientsecret',
  'token',
  'admintoken',
  'accesstoken',
  'cookie',
  'setcookie',
  'privatekey',
])

/**
 * Makes anything fit for a log line: bounded, printable, without secrets (S22), and without a way to make the logger
 * throw: cycles, BigInt, accessors that throw.
 */
export function toPrintable(value: unknown): unknown {
  return printable(value, 0, new Set())
}

export function isSecretMember(name: string): boolean {
  return SECRET_MEMBERS.has(name.toLowerCase().replaceAll(/[-_]/g, ''))
}

function printable(value: unknown, depth: number, seen: Set<object>): unknown {
  switch (typeof value) {
    case 'string':
      return scrubText(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
    case 'undefined':
      return value
    case 'bigint':
      return value.toString()
    case 'symbol':
      return value.toString()
    case 'function':
      return '[function]'
    case 'object':
      return value === null ? null : printableObject(value, depth, seen)
  }
}

function printableObject(value: object, depth: number, seen: Set<object>): unknown {
  if (seen.has(value)) return '[circular]'
  if (depth >= MAX_DEPTH) return '[…]'
  seen.add(value)
  try {
    if (value instanceof Error) return printableError(value, depth, seen)
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if (value instanceof Date)
      return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
    if (value instanceof Map) return printableEntries(value.entries(), depth, seen)
    if (value instanceof Set) return printableItems([...value], depth, seen)
    if (Array.isArray(value)) return printableItems(value, depth, seen)
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      const json: unknown = value.toJSON()
      return printable(json, depth + 1, seen)
    }
    return printableEntries(Object.entries(value), depth, seen)
  } catch {
    return '[unprintable]'
  } finally {
    seen.delete(value)
  }
}

function printableItems(items: readonly unknown[], depth: number, seen: Set<object>): unknown {
  const shown = items.slice(0, MAX_ITEMS).map((item) => printable(item, depth + 1, seen))
  if (items.length > MAX_ITEMS) shown.push(`… ${items.length - MAX_ITEMS} more`)
  return shown
}

function printableEntries(
  entries: Iterable<readonly [unknown, unknown]>,
  depth: number,
  seen: Set<object>,
): Record<string, unknown> {
  const shown: Record<string, unknown> = Object.create(null)
  let count = 0
  for (const [key, member] of entries) {
    if ((count += 1) > MAX_ITEMS) break
    const name = String(key)
    shown[name] =
      isSecretMember(name) && member !== undefined ? '[secret]' : printable(member, depth + 1, seen)
  }
  return shown
}

function printableError(error: Error, depth: number, seen: Set<object>): Record<string, unknown> {
  const shown: Record<string, unknown> = {
    name: error.name,
    message: printable(error.message, depth, seen),
    stack: printable(error.stack, depth, seen),
  }
  for (const [name, member] of Object.entries(error)) {
    if (name in shown) continue
    shown[name] = isSecretMember(name) ? '[secret]' : printable(member, depth + 1, seen)
  }
  if (error.cause !== undefined) shown['cause'] = printable(error.cause, depth + 1, seen)
  if (error instanceof AggregateError) shown['errors'] = printableItems(error.errors, depth, seen)
  return shown
}
