import { CONTENT_TYPES, negotiateFormat, type Metrics } from '../observe/index.ts'
import type { AdminResponse } from './respond.ts'

/** `GET /metrics`: every metric, in the format that the scraper prefers. */
export function metricsResponse(metrics: Metrics, accept: string | undefined): AdminResponse {
  const format = negotiateFormat(accept)
  return {
    status: 200,
    contentType: CONTENT_TYPES[format],
    headers: { Vary: 'Accept' },
    body: metrics.render(format),
  }
}

const WINDOWS = [
  { name: '1m', seconds: 60 },
  { name: '5m', seconds: 300 },
] as const
const QUANTILES = [0.5, 0.9, 0.95, 0.99] as const

/**
 * `GET /v1/metrics/latency`: gauges over the last minutes, under names that `/metrics` does not have, since the article's
 * second job reaches a random replica (architecture §8).
 */
export function latencyResponse(metrics: Metrics): AdminResponse {
  let quantiles = ''
  let samples = ''
  for (const window of WINDOWS) {
    const read = metrics.latencyWindow(window.seconds, QUANTILES)
    for (const [index, quantile] of QUANTILES.entries()) {
      const ms = read.quantiles[index] ?? Number.NaN
      const shown = Number.isNaN(ms) ? 'NaN' : String(Math.round(ms * 1000) / 1000)
      quantiles += `pratu_latency_ms{quantile="${quantile}",window="${window.name}"} ${shown}\n`
    }
    samples += `pratu_latency_samples{window="${window.name}"} ${read.samples}\n`
  }
  return {
    status: 200,
    contentType: CONTENT_TYPES.text,
    body:
      '# HELP pratu_latency_ms Latency of routed requests over the window, in ms; for event streams the time to the first token\n' +
      `# TYPE pratu_latency_ms gauge\n${quantiles}` +
      '# HELP pratu_latency_samples Requests in the window\n' +
      `# TYPE pratu_latency_samples gauge\n${samples}`,
  }
}
