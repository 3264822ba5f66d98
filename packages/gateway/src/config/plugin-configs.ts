import type { AnyPluginDefinition } from '@pratu/plugin-kit'

import type { Problem } from './diagnostics.ts'
import type { RawRecord } from './document.ts'
import { catalogueOf, problemsOf, type SchemaIssue } from './issues.ts'
import { KONG_PLUGINS } from './known-plugins.ts'
import type { ParseOptions } from './parse-options.ts'
import type { AcceptedConfig, PluginConfigReader, Row, RowProblem } from './schema/collection.ts'
import { freezeDeep } from './shared-values.ts'
import { didYouMean } from './suggest.ts'

/** A plugin's configuration as written, references resolved. */
export interface ConfigSource {
  readonly plugin: string
  readonly config: RawRecord
}

type Validated =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** @throws {TypeError} when the plugin's schema is asynchronous. */
export function validateConfig(definition: AnyPluginDefinition, config: RawRecord): Validated {
  const result = definition.schema['~standard'].validate(withoutNulls(config))
  if (result instanceof Promise)
    throw new TypeError(
      `the schema of plugin '${definition.name}' is asynchronous; it must answer at once`,
    )
  return result
}

/**
 * Judges plugin entries by the definitions that `runtime/` hands in, through Standard Schema only, so that plugins of
 * third parties may bring any library. Equal configurations of one plugin are validated once and shared.
 */
export class PluginConfigs implements PluginConfigReader {
  private readonly definitions: ReadonlyMap<string, AnyPluginDefinition>
  private readonly requested: 'bundled' | readonly string[]
  private readonly enabled: 'bundled' | ReadonlySet<string>
  private readonly report: (row: Row, problem: RowProblem) => void
  private readonly accepted = new Map<string, AcceptedConfig>()
  /** The distinct configurations that were accepted. */
  readonly sources: ConfigSource[] = []

  constructor(options: ParseOptions, report: (row: Row, problem: RowProblem) => void) {
    this.definitions = new Map(options.plugins.map((plugin) => [plugin.name, plugin]))
    const { enabledPlugins } = options
    this.requested = enabledPlugins
    this.enabled =
      enabledPlugins === 'bundled' || enabledPlugins.includes('bundled')
        ? 'bundled'
        : new Set(enabledPlugins)
    this.report = report
  }

  refusesConsumer(name: string): boolean {
    return this.definitions.get(name)?.refuses?.includes('consumer') ?? false
  }

  read(row: Row, name: string, config: RawRecord): AcceptedConfig | undefined {
    const definition = this.definitionOf(row, name)
    if (definition === undefined) return undefined
    const key = `${name} ${JSON.stringify(config)}`
    const known = this.accepted.get(key)
    if (known !== undefined) return known
    const result = validateConfig(definition, config)
    if (result.issues !== undefined) {
      this.reportIssues(row, definition, result.issues, config)
      return undefined
    }
    const accepted = { config: freezeDeep(result.value), source: this.sources.length }
    this.sources.push({ plugin: name, config })
    this.accepted.set(key, accepted)
    return accepted
  }

  private reportIssues(
    row: Row,
    definition: AnyPluginDefinition,
    issues: readonly SchemaIssue[],
    config: RawRecord,
  ): void {
    for (const { path, ...problem } of problemsOf(issues, config, catalogueOf(definition.schema)))
      this.report(row, { ...problem, field: ['config', ...path] })
  }

  private definitionOf(row: Row, name: string): AnyPluginDefinition | undefined {
    const isKong = KONG_PLUGINS.has(name)
    const refuse = (code: string, message: string, hint?: string) =>
      this.report(row, { code, field: ['name'], message, hint })
    const definition = this.definitions.get(name)
    const notEnabled = `plugin '${name}' not enabled; add it to the 'plugins' configuration property`
    if (definition !== undefined) {
      if (!isKong || this.enabled === 'bundled' || this.enabled.has(name)) return definition
      refuse('plugin-not-enabled', notEnabled, `add ${name} to KONG_PLUGINS`)
    } else if (isKong) {
      refuse(
        'unsupported-plugin',
        `the Kong plugin '${name}' is not available in this gateway`,
        `available: ${[...this.definitions.keys()].toSorted().join(', ')}`,
      )
    } else
      refuse(
        'unknown-plugin',
        notEnabled,
        didYouMean(name, this.definitions.keys()) ??
          `there is no plugin of that name; third-party plugins are named in PRATU_PLUGIN_MODULES`,
      )
    return undefined
  }

  /** A name in `KONG_PLUGINS` that nothing here answers to is told, not refused. */
  unknownNames(): Problem[] {
    if (this.requested === 'bundled') return []
    return this.requested
      .filter((name) => name !== 'bundled' && !this.definitions.has(name))
      .map((name) => ({
        severity: 'warning',
        code: 'unknown-plugin',
        path: [],
        outside: 'KONG_PLUGINS',
        message: KONG_PLUGINS.has(name)
          ? `the Kong plugin '${name}' is not available in this gateway`
          : `there is no plugin '${name}'`,
        hint: KONG_PLUGINS.has(name)
          ? 'the configuration loads as long as it does not use the plugin'
          : didYouMean(name, [...this.definitions.keys(), ...KONG_PLUGINS]),
      }))
  }
}

/** `null` counts as absent (kong.md §1.7), whatever the schema's library thinks of it. */
function withoutNulls(config: RawRecord): RawRecord {
  const entries = Object.entries(config)
  if (!entries.some(([, value]) => value === null || typeof value === 'object')) return config
  return Object.fromEntries(
    entries.flatMap(([key, value]) => {
      if (value === null) return []
      return [[key, isRecord(value) ? withoutNulls(value) : value]]
    }),
  )
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
