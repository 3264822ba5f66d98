export * from './entities.ts'
export * from './node-settings.ts'
export * as field from './fields.ts'
export type { Diagnostic, Excerpt, Path, Position, Severity } from './diagnostics.ts'
export {
  type ConfigurationSource,
  ConfigurationUnreadable,
  readConfigurationSources,
} from './source.ts'
export type { ParseOptions } from './parse-options.ts'
export { parseConfiguration, type ParsedConfiguration } from './parse-configuration.ts'
export { uuidV5 } from './ids.ts'
