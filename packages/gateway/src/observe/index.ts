/** Metrics and logs. Knows no plugin, no listener, no pipeline. */
export type {
  CounterName,
  GaugeName,
  HistogramName,
  MetricDefinition,
  MetricName,
} from './metric-names.ts'
export { createMetrics, Metrics, type MetricsOptions } from './metrics.ts'
export type { Counter, Gauge, Histogram } from './metric-handles.ts'
export { createMetricStorage, zeroGauges, type MetricStorage } from './metric-storage.ts'
export {
  CONTENT_TYPES,
  negotiateFormat,
  type ComputedSample,
  type ExpositionFormat,
} from './text-format.ts'
export { createExchangeMetrics, type ExchangeMetrics } from './exchange-metrics.ts'
export {
  PROMETHEUS_FLAGS,
  seriesLabels,
  type PrometheusFlags,
  type RecordedExchange,
  type RouteSeries,
} from './route-series.ts'
export { createLlmMetrics, type LlmCall, type LlmMetrics } from './llm-metrics.ts'
export type { TokenKind } from './call-series.ts'
export { createPluginMetrics, rateLimitShare, type PluginMetricsOptions } from './plugin-metrics.ts'
export { readClientTotals, registerNodeMetrics, type NodeMetricsOptions } from './node-metrics.ts'
export { createLagMonitor, type LagMonitor, type LagMonitorOptions } from './lag-monitor.ts'
export { createLogs, type Logs, type LogsOptions } from './logs.ts'
export { createSilentLogger, type Logger, type LogLevel } from './logger.ts'
export type { LogDetail } from './log-detail.ts'
export type { LogSink } from './log-sink.ts'
export { receiveLogs } from './log-port.ts'
export { createNoAccessLog, type AccessLog, type LoggedAdminRequest } from './access-log.ts'
export type { LoggedExchange, LoggedTry } from './access-record.ts'
export { createFieldRule, SHOW_ALL, type FieldRule } from './field-rule.ts'
export { Redactor, scrubText } from './redaction.ts'
