/** The admin port and the health paths of the proxy port, as handlers that a listener calls. Knows no socket. */
export { createAdmin, type AdminDependencies, type AdminHandler } from './admin.ts'
export type {
  AdminState,
  AppliedConfiguration,
  CacheAdministration,
  ConfigurationResult,
  RefusedConfiguration,
  WorkerState,
} from './admin-state.ts'
export type {
  LimitReading,
  LimitsAdministration,
  LimitsQuestion,
  ScopeReading,
} from './limits-administration.ts'
export type { GivenConfiguration } from './configuration-body.ts'
export { createHealthHandler, HEALTH_PATHS, type HealthState } from './health.ts'
