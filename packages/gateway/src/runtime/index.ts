/** Composes the parts of a gateway and keeps them running. The only room that knows the list of plugins. */
export {
  ConfigurationRefused,
  StartFailed,
  startGateway,
  type Gateway,
  type GatewayOptions,
} from './gateway.ts'
export { loadPlugins, PluginModuleError } from './plugin-modules.ts'
export { remarkOnRedis } from './redis-remarks.ts'
export { bindToProcess } from './process-life.ts'
export { KONG_VERSION, PRATU_VERSION } from './version.ts'
