import { describe, test } from 'vitest'
import type { PluginDefinition } from '../plugin.ts'
import type { ConformanceOptions } from './conformance-options.ts'
import { pluginChecks } from './plugin-checks.ts'

/**
 * Registers the conformance suite for one plugin with Vitest. With another test runner, run `pluginChecks` yourself:
 * each check is a name and a function that throws.
 *
 * @example describePlugin(myPlugin, { validConfig: { header_name: 'X-Team' } })
 */
export function describePlugin<Config>(
  definition: PluginDefinition<Config>,
  options: ConformanceOptions,
): void {
  describe(`${definition.name} obeys the plugin contract`, () => {
    for (const check of pluginChecks(definition, options)) test(check.name, check.run)
  })
}
