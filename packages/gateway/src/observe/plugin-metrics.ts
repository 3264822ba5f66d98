import type { PluginCounter, PluginGauge, PluginMetrics } from '@pratu/plugin-kit'
import {
  isMetricName,
  metricDefinition,
  type CounterName,
  type GaugeName,
  type MetricName,
} from './metric-names.ts'
import type { Counter } from './metric-handles.ts'
import type { Metrics } from './metrics.ts'

export interface PluginMetricsOptions {
  /** Of the snapshot that the plugin belongs to: `kong` leaves out the names that Kong does not have. */
  readonly compatibility: 'pratu' | 'kong'
  /** Told once per metric that cannot be counted; a plugin's mistake must not fail a request. */
  readonly onMistake: (metric: string, mistake: string) => void
}

/**
 * What plugins count with: only counters and gauges of `metric-names.ts`, only finite amounts, for counters not negative.
 * Anything else is a mistake of the plugin, told once and left out.
 */
export function createPluginMetrics(
  metrics: Metrics,
  options: PluginMetricsOptions,
): PluginMetrics {
  const told = new Set<string>()
  const mistake = (metric: string, text: string): void => {
    if (told.has(metric) || told.size >= 100) return
    told.add(metric)
    options.onMistake(metric, text)
  }
  function find(metric: string, labels: readonly string[]): Counter | undefined {
    if (!isMetricName(metric) || !isCounterName(metric)) {
      mistake(metric, 'there is no such counter')
      return undefined
    }
    return takes(metric, labels) ? metrics.counterOf(metric, labels) : undefined
  }
  function takes(metric: MetricName, labels: readonly string[]): boolean {
    const definition = metricDefinition(metric)
    if (definition.origin === 'article' && options.compatibility === 'kong') return false
    if (labels.length === definition.labels.length) return true
    mistake(metric, `it has ${definition.labels.length} labels, not ${labels.length}`)
    return false
  }
  function add(series: Counter, metric: string, amount: number): void {
    if (Number.isFinite(amount) && amount >= 0) series.add(amount)
    else mistake(metric, `${amount} is not an amount`)
  }
  return {
    counter(metric, labels) {
      const series = find(metric, labels)
      return series === undefined ? NOWHERE : { add: (amount) => add(series, metric, amount) }
    },
    count(metric, labels, amount) {
      const series = find(metric, labels)
      if (series !== undefined) add(series, metric, amount)
    },
    gauge(metric, labels) {
      if (!isMetricName(metric) || !isGaugeName(metric)) {
        mistake(metric, 'there is no such gauge')
        return NOWHERE
      }
      if (!takes(metric, labels)) return NOWHERE
      const series = metrics.gaugeOf(metric, labels)
      return {
        set: (value) => {
          if (Number.isFinite(value)) series.set(value)
          else mistake(metric, `${value} is not a value`)
        },
      }
    },
  }
}

const NOWHERE: PluginCounter & PluginGauge = { add: () => undefined, set: () => undefined }

function isCounterName(name: MetricName): name is CounterName {
  return metricDefinition(name).type === 'counter'
}

function isGaugeName(name: MetricName): name is GaugeName {
  return metricDefinition(name).type === 'gauge'
}

const PERIOD_SECONDS: Readonly<
  Record<'second' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year', number>
> = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_592_000,
  year: 31_536_000,
}

/**
 * What one counted request adds to `kong_rate_limiting_count_total`: the period ÷ the limit, so that `rate()` is the
 * share of the limit in use.
 *
 * @param limit requests per period, at least 1.
 */
export function rateLimitShare(period: keyof typeof PERIOD_SECONDS, limit: number): number {
  return PERIOD_SECONDS[period] / limit
}
