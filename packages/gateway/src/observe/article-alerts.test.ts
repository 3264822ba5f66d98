import { givenExchange } from '@pratu/plugin-kit/testing'
import { expect, test } from 'vitest'
import { createExchangeMetrics } from './exchange-metrics.ts'
import { createMetrics } from './metrics.ts'
import { registerNodeMetrics } from './node-metrics.ts'
import { createPluginMetrics, rateLimitShare } from './plugin-metrics.ts'

/** What each rule of the article's file looks at: a series and the labels that its expression needs. */
const RULES = [
  { alert: 'HighLatency', series: 'kong_request_duration_ms_bucket', labels: ['le'] },
  { alert: 'HighErrorRate', series: 'kong_requests_total', labels: ['status'] },
  { alert: 'PodMemoryUsage', series: 'container_memory_usage_bytes', labels: [] },
  { alert: 'PodMemoryUsage', series: 'container_spec_memory_limit_bytes', labels: [] },
  { alert: 'RateLimitApproaching', series: 'kong_rate_limiting_count_total', labels: [] },
] as const

/** A gateway after one limited request that failed. */
function scrape(): string {
  const metrics = createMetrics()
  registerNodeMetrics(metrics, {
    nodeId: 'n',
    version: '0.1.0',
    containerMetrics: true,
    readMemory: () => ({ memoryUsageBytes: 100, memoryLimitBytes: 400 }),
  })
  const recorder = createExchangeMetrics(metrics, { namespace: undefined })
  const series = recorder.series({ id: 'r', name: 'chat' }, { name: 'llm', host: 'h' }, 'pratu')
  recorder.record(series, givenExchange({ record: { status: 502 } }), 'upstream_error')
  createPluginMetrics(metrics, { compatibility: 'pratu', onMistake: () => undefined }).count(
    'kong_rate_limiting_count_total',
    ['llm', 'chat', 'minute'],
    rateLimitShare('minute', 100),
  )
  return [...metrics.render('text')].join('')
}

test.each(RULES)('the rule $alert of the article finds $series', ({ series, labels }) => {
  const found = scrape()
    .split('\n')
    .filter((line) => line.startsWith(`${series}{`) || line.startsWith(`${series} `))
  expect(found).not.toHaveLength(0)
  for (const label of labels) expect(found.every((line) => line.includes(`${label}="`))).toBe(true)
})

test('the two series of the memory ratio have equal labels, so that the division matches', () => {
  const lines = scrape().split('\n')
  expect(lines).toContain('container_memory_usage_bytes 100')
  expect(lines).toContain('container_spec_memory_limit_bytes 400')
})
