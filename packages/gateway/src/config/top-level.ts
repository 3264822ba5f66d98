import type { Problem } from './diagnostics.ts'
import type { RawRecord } from './document.ts'
import { normalisePath } from './normalise-path.ts'
import type { ParseOptions } from './parse-options.ts'
import type { Collection } from './schema/collection.ts'
import { collectionNamed, collections } from './schema/registry.ts'
import { nearest } from './suggest.ts'

export interface TopLevel {
  readonly compatibility: 'pratu' | 'kong'
  readonly transform: boolean
  readonly collections: readonly {
    readonly collection: Collection
    readonly rows: readonly unknown[]
  }[]
  readonly problems: readonly Problem[]
}

export const FORMAT_VERSIONS = ['1.1', '2.1', '3.0'] as const
const SCALARS = ['_format_version', '_transform', '_comment', '_ignore', 'compatibility'] as const

/** Names that other tools or editions write, and what to do about them. */
const FOREIGN_KEYS: ReadonlyMap<string, string> = new Map([
  ...['_info', '_workspace', '_konnect', '_plugin_configs'].map(
    (key) => [key, 'this is decK’s own field; the gateway does not read it: remove it'] as const,
  ),
  ...[
    'consumer_groups',
    'consumer_group_plugins',
    'consumer_group_consumers',
    'licenses',
    'rbac_roles',
    'rbac_users',
    'rbac_endpoint_permissions',
    'partials',
  ].map(
    (key) =>
      [
        key,
        'this exists in Kong Enterprise only; Kong’s open-source gateway refuses it as well',
      ] as const,
  ),
])

/** Judges the members of the root mapping (kong.md §1.2). */
export function readTopLevel(root: RawRecord, options: ParseOptions): TopLevel {
  const problems: Problem[] = []
  const report = (problem: Omit<Problem, 'severity'>) =>
    problems.push({ severity: 'error', ...problem })
  checkVersion(root['_format_version'], report)
  const transform = root['_transform'] ?? true
  if (typeof transform !== 'boolean')
    report({ code: 'invalid-value', path: ['_transform'], message: 'expected a boolean' })
  const isOld = root['_format_version'] === '1.1' || root['_format_version'] === '2.1'
  const lists: { collection: Collection; rows: readonly unknown[] }[] = []
  for (const [key, value] of Object.entries(root)) {
    const collection = collectionNamed(key)
    if (collection === undefined) checkOther(key, value, report)
    else if (Array.isArray(value))
      lists.push({ collection, rows: isOld ? value.map((row) => migrate(key, row)) : value })
    else if (value !== null)
      report({
        code: 'invalid-value',
        path: [key],
        message: 'expected an array',
        hint: `each entry of ${key} starts with a dash`,
      })
  }
  return {
    compatibility: compatibilityOf(root['compatibility'], options, report),
    transform: transform !== false,
    collections: lists,
    problems,
  }
}

type Report = (problem: Omit<Problem, 'severity'>) => void

function checkVersion(version: unknown, report: Report): void {
  const path = ['_format_version']
  if (version === undefined || version === null)
    report({
      code: 'required-field',
      path,
      message: 'required field missing',
      hint: 'add _format_version: "3.0" at the top',
    })
  else if (typeof version !== 'string')
    report({
      code: 'invalid-value',
      path,
      message: 'expected a string',
      hint: 'write it in quotes: "3.0"',
    })
  else if (!FORMAT_VERSIONS.some((known) => known === version))
    report({
      code: 'invalid-value',
      path,
      message: `expected one of: ${FORMAT_VERSIONS.join(', ')}`,
      hint: 'write "3.0"',
    })
}

function compatibilityOf(value: unknown, options: ParseOptions, report: Report): 'pratu' | 'kong' {
  if (value === 'pratu' || value === 'kong') return value
  if (value !== undefined && value !== null)
    report({
      code: 'invalid-value',
      path: ['compatibility'],
      message: typeof value === 'string' ? 'expected one of: pratu, kong' : 'expected a string',
    })
  return options.compatibility ?? 'pratu'
}

const PLAIN_PATH = /^[A-Za-z0-9._~/%-]*$/

/** Before 3.0 a path was a pattern by its looks; since then it says so with `~` (kong.md §1.2). */
function migrate(collection: string, row: unknown): unknown {
  if (!isRecord(row)) return row
  if (collection === 'services' && Array.isArray(row['routes']))
    return { ...row, routes: row['routes'].map((route) => migrate('routes', route)) }
  if (collection !== 'routes' || !Array.isArray(row['paths'])) return row
  return { ...row, paths: row['paths'].map(migratePath) }
}

function migratePath(path: unknown): unknown {
  if (typeof path !== 'string') return path
  return PLAIN_PATH.test(path) ? normalisePath(path) : `~${path}`
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkOther(key: string, value: unknown, report: Report): void {
  if (key === 'models') {
    report({
      code: 'not-available',
      path: [key],
      atKey: true,
      message: 'models are not available in this version',
      hint: 'use a service with the URL of the provider, and provider: <name> for its key',
    })
    return
  }
  if (key === '_comment' && value !== null && typeof value !== 'string')
    report({ code: 'invalid-value', path: [key], message: 'expected a string' })
  if (key === '_ignore' && value !== null && !Array.isArray(value))
    report({ code: 'invalid-value', path: [key], message: 'expected an array' })
  if (SCALARS.some((known) => known === key)) return
  const candidate = nearest(key, [...SCALARS, ...collections.map(({ name }) => name)])
  report({
    code: 'unknown-field',
    path: [key],
    atKey: true,
    message: 'unknown field',
    hint:
      FOREIGN_KEYS.get(key) ??
      (candidate === undefined ? undefined : `did you mean '${candidate}'?`),
  })
}
