import assert from 'node:assert/strict'
import type { PluginDefinition } from '../plugin.ts'
import type { ConformanceOptions, PluginCheck } from './conformance-options.ts'
import { deepFreeze } from './deep-freeze.ts'
import { describeIssue, issuePath, parseConfig, validate } from './parse-config.ts'

/** What a plugin's schema owes: strictness, defaults, and the messages that it documents. */
export function schemaChecks<Config>(
  definition: PluginDefinition<Config>,
  options: ConformanceOptions,
): readonly PluginCheck[] {
  const checks: PluginCheck[] = [
    {
      name: 'accepts its valid configuration, synchronously and without changing what it was given',
      run: () => {
        const raw = deepFreeze(structuredClone(options.validConfig))
        assert.deepEqual(parseConfig(definition, raw), parseConfig(definition, raw))
      },
    },
    {
      name: 'refuses an unknown field by its name',
      run: () => {
        const result = validate(definition.schema, { ...options.validConfig, no_such_field: true })
        assert.ok(result.issues !== undefined, 'no_such_field was accepted')
        const named = result.issues
          .map(describeIssue)
          .some((text) => text.includes('no_such_field'))
        assert.ok(named, `no issue names no_such_field: ${JSON.stringify(result.issues)}`)
      },
    },
    {
      name: 'refuses a configuration that is not a record',
      run: () => {
        for (const raw of ['text', 7, true, ['list']]) {
          const { issues } = validate(definition.schema, raw)
          assert.ok(issues !== undefined && issues.length > 0, `accepted ${JSON.stringify(raw)}`)
        }
      },
    },
  ]
  const { defaults } = options
  if (defaults !== undefined) {
    checks.push({
      name: 'fills in its documented defaults',
      run: () => {
        const parsed: unknown = parseConfig(definition, options.validConfig)
        assert.ok(typeof parsed === 'object' && parsed !== null)
        const actual = new Map<string, unknown>(Object.entries(parsed))
        for (const [field, value] of Object.entries(defaults)) {
          assert.deepEqual(actual.get(field), value, `default of ${field}`)
        }
      },
    })
  }
  for (const { config, message, path } of options.invalidConfigs ?? []) {
    checks.push({
      name: `refuses ${JSON.stringify(config)} with "${message}"`,
      run: () => {
        const issues = validate(definition.schema, config).issues ?? []
        const found = issues.some(
          (issue) => issue.message === message && (path === undefined || issuePath(issue) === path),
        )
        assert.ok(found, `issues were: ${issues.map(describeIssue).join('; ') || 'none'}`)
      },
    })
  }
  return checks
}
