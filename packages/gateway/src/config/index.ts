export * from './entities.ts'
export * from './node-settings.ts'
export * as field from './fields.ts'
export type { Diagnostic, Excerpt, Path, Position, Problem, Severity } from './diagnostics.ts'
export { parsePriceList } from './price-list.ts'
export { renderDiagnostics } from './render-diagnostics.ts'
export {
  diagnosticsTree,
  type DiagnosticsTree,
  type ErrorTree,
  type FlattenedError,
} from './diagnostics-tree.ts'
export {
  type ConfigurationSource,
  ConfigurationUnreadable,
  readConfigurationSources,
} from './source.ts'
export type { ParseOptions } from './parse-options.ts'
export {
  parseConfiguration,
  type ParsedConfiguration,
  type WrittenConfiguration,
} from './parse-configuration.ts'
export { adviseOn } from './advice/advise-on.ts'
export {
  type ConfigurationPack,
  unpackConfiguration,
  unpackWrittenConfigs,
  type UnpackOptions,
} from './configuration-pack.ts'
export { type EntityProblem, validateEntity } from './validate-entity.ts'
export { configurationJsonSchema } from './json-schema.ts'
export { uuidV5 } from './ids.ts'
export { type CgroupFacts, type CgroupRoots, readCgroup } from './cgroup.ts'
export { type HostFacts, readHostFacts } from './node/host-facts.ts'
export { NodeSettingsError, readNodeSettings } from './node/read-node-settings.ts'
export type { NodeFlags } from './node/setting-reader.ts'
