/** For programs that run a gateway of their own; everybody else uses the command `pratu`. */
export {
  NodeSettingsError,
  readHostFacts,
  readNodeSettings,
  type NodeSettings,
} from './config/index.ts'
export {
  ConfigurationRefused,
  PluginModuleError,
  PRATU_VERSION,
  startGateway,
  type Gateway,
  type GatewayOptions,
} from './runtime/index.ts'
