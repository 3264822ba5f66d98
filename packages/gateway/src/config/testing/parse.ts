import { definePlugin } from '@pratu/plugin-kit'

import type { Entities } from '../entities.ts'
import * as field from '../fields.ts'
import { parseConfiguration } from '../parse-configuration.ts'
import type { ParseOptions } from '../parse-options.ts'

/** Small plugins that exercise the contract of schemas. */
export const testPlugins = [
  definePlugin({
    name: 'rate-limiting',
    priority: 910,
    schema: field
      .record({
        second: field.optional(field.number({ gt: 0 })),
        minute: field.optional(field.number({ gt: 0 })),
        policy: field.enumeration(['local', 'redis'], 'local'),
        redis: field.filled(
          field.record({
            host: field.optional(field.host()),
            port: field.defaulted(field.port(), 6379),
            password: field.optional(field.secret({ min: 0 })),
          }),
        ),
      })
      .check(field.atLeastOneOf('second', 'minute')),
    create: () => ({}),
  }),
  definePlugin({
    name: 'key-auth',
    priority: 1250,
    schema: field.record({
      key_names: field.defaulted(field.array(field.headerName()), ['apikey']),
    }),
    refuses: ['consumer'],
    create: () => ({}),
  }),
  definePlugin({
    name: 'request-transformer',
    priority: 801,
    schema: field.record({
      add: field.filled(field.record({ headers: field.optional(field.array(field.string())) })),
    }),
    create: () => ({}),
  }),
  definePlugin({
    name: 'our-own',
    priority: 5,
    schema: {
      '~standard': {
        version: 1,
        vendor: 'hand-written',
        validate: (value) =>
          JSON.stringify(value) === '{"level":3}'
            ? { value }
            : { issues: [{ message: 'level must be 3', path: [{ key: 'level' }] }] },
      },
    },
    create: () => ({}),
  }),
] as const

export function parse(text: string, options: Partial<ParseOptions> = {}, format?: 'yaml' | 'json') {
  const source = { name: format === 'json' ? 'kong.json' : 'kong.yml', text }
  return parseConfiguration([format === undefined ? source : { ...source, format }], {
    plugins: testPlugins,
    enabledPlugins: 'bundled',
    environment: {},
    nowMs: Date.UTC(2026, 0, 1),
    ...options,
  })
}

/** Parses what must be acceptable. `body` follows the line with the format's version. */
export function accept(body: string, options: Partial<ParseOptions> = {}): Entities {
  const parsed = parse(`_format_version: "3.0"\n${body}`, options)
  if (parsed.ok) return parsed.entities
  throw new Error(parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
}

/** `path: message` of everything that is wrong. */
export function refuse(body: string, options: Partial<ParseOptions> = {}): string[] {
  const parsed = parse(`_format_version: "3.0"\n${body}`, options)
  if (parsed.ok) throw new Error('the configuration was accepted')
  return parsed.problems
    .filter(({ severity }) => severity === 'error')
    .map(({ path, message }) => `${path}: ${message}`)
}

export function warningsOf(body: string, options: Partial<ParseOptions> = {}): string[] {
  const parsed = parse(`_format_version: "3.0"\n${body}`, options)
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('\n'))
  return parsed.warnings.map(({ path, message }) => `${path}: ${message}`)
}
