import { field } from '../../config/index.ts'

/** Kong's flags, all off by default (kong.md §3.6). */
export const prometheusSchema = field
  .record({
    per_consumer: field.boolean(false),
    status_code_metrics: field.boolean(false),
    ai_metrics: field.boolean(false),
    latency_metrics: field.boolean(false),
    bandwidth_metrics: field.boolean(false),
    upstream_health_metrics: field.boolean(false),
  })
  .transform((config) => ({
    perConsumer: config.per_consumer,
    statusCodeMetrics: config.status_code_metrics,
    aiMetrics: config.ai_metrics,
    latencyMetrics: config.latency_metrics,
    bandwidthMetrics: config.bandwidth_metrics,
    upstreamHealthMetrics: config.upstream_health_metrics,
  }))

export type PrometheusConfig = ReturnType<(typeof prometheusSchema)['parse']>
