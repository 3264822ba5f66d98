export { FieldList, type FieldsGiven } from './field-list.ts'
export { givenBody, BodyError, type BodyGiven } from './given-body.ts'
export { givenExchange, type ExchangeGiven, type TestExchange } from './given-exchange.ts'
export { TestClock } from './test-clock.ts'
export { createReferenceCache } from './reference-cache.ts'
export { createReferenceLedger } from './reference-ledger.ts'
export {
  givenContext,
  type ConsumerGiven,
  type ContextGiven,
  type LogEntry,
  type MetricCount,
  type TestContext,
} from './given-context.ts'
export { recordingSink, type RecordingSink } from './recording-sink.ts'
export { runExchange, type ExchangeResult, type RunOptions } from './run-exchange.ts'
export { parseConfig } from './parse-config.ts'
export type {
  ConformanceOptions,
  InvalidConfigCase,
  PluginCheck,
  RefusalCase,
} from './conformance-options.ts'
export { pluginChecks } from './plugin-checks.ts'
export { describePlugin } from './describe-plugin.ts'
