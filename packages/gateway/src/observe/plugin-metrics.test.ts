import { describe, expect, test } from 'vitest'
import { createLlmMetrics } from './llm-metrics.ts'
import { createMetrics } from './metrics.ts'
import { createPluginMetrics, rateLimitShare } from './plugin-metrics.ts'

function given(compatibility: 'pratu' | 'kong' = 'pratu') {
  const metrics = createMetrics()
  const mistakes: string[] = []
  const plugin = createPluginMetrics(metrics, {
    compatibility,
    onMistake: (metric, mistake) => mistakes.push(`${metric}: ${mistake}`),
  })
  return { metrics, plugin, mistakes }
}

describe('what plugins count', () => {
  test('the rate-limiting counter grows by the share of the limit that a request uses', () => {
    const { metrics, plugin } = given()
    // 80 requests in a minute of a limit of 100: rate() over that minute is 0.8.
    for (let index = 0; index < 80; index += 1) {
      plugin.count(
        'kong_rate_limiting_count_total',
        ['s', 'r', 'minute'],
        rateLimitShare('minute', 100),
      )
    }
    const grown = metrics.total('kong_rate_limiting_count_total', ['s', 'r', 'minute'])
    expect(grown / 60).toBeCloseTo(0.8, 10)
    expect(rateLimitShare('hour', 1000)).toBe(3.6)
  })

  test('compatibility kong leaves out the names that Kong does not have', () => {
    const { metrics, plugin, mistakes } = given('kong')
    plugin.count('kong_rate_limiting_count_total', ['s', 'r', 'minute'], 1)
    plugin.count('pratu_cache_requests_total', ['s', 'r', 'hit'], 1)
    expect(metrics.total('kong_rate_limiting_count_total', ['s', 'r', 'minute'])).toBe(0)
    expect(metrics.total('pratu_cache_requests_total', ['s', 'r', 'hit'])).toBe(1)
    expect(mistakes).toEqual([])
  })

  test('a counter that a plugin keeps is the same series, and takes no more than count does', () => {
    const { metrics, plugin, mistakes } = given()
    const counter = plugin.counter('pratu_cache_requests_total', ['s', 'r', 'hit'])
    counter.add(2)
    plugin.count('pratu_cache_requests_total', ['s', 'r', 'hit'], 1)
    counter.add(-1)
    plugin.counter('no_such_metric', []).add(1)
    expect(metrics.total('pratu_cache_requests_total', ['s', 'r', 'hit'])).toBe(3)
    expect(mistakes).toEqual([
      'pratu_cache_requests_total: -1 is not an amount',
      'no_such_metric: there is no such counter',
    ])
  })

  test('a gauge that a plugin keeps takes finite values only', () => {
    const { metrics, plugin, mistakes } = given()
    const gauge = plugin.gauge('pratu_limits_limit', ['budget', 'cost'])
    gauge.set(5)
    gauge.set(Number.NaN)
    plugin.gauge('pratu_cache_requests_total', ['s', 'r', 'hit']).set(1)
    plugin.gauge('pratu_limits_limit', ['budget']).set(1)
    expect(metrics.total('pratu_limits_limit', ['budget', 'cost'])).toBe(5)
    expect(mistakes).toEqual([
      'pratu_limits_limit: NaN is not a value',
      'pratu_cache_requests_total: there is no such gauge',
    ])
  })

  test('a mistake of a plugin is told once and never thrown', () => {
    const { plugin, mistakes } = given()
    for (let again = 0; again < 3; again += 1) {
      plugin.count('no_such_metric', [], 1)
      plugin.count('pratu_streams_open', [], 1)
      plugin.count('pratu_cache_requests_total', ['s'], 1)
      plugin.count('pratu_refused_requests_total', ['x'], -1)
      plugin.count('pratu_refused_requests_total', ['x'], Number.NaN)
      plugin.count('toString', [], 1)
    }
    expect(mistakes).toEqual([
      'no_such_metric: there is no such counter',
      'pratu_streams_open: there is no such counter',
      'pratu_cache_requests_total: it has 3 labels, not 1',
      'pratu_refused_requests_total: -1 is not an amount',
      'toString: there is no such counter',
    ])
  })
})

describe('AI traffic', () => {
  const call = {
    service: 's',
    provider: 'openai',
    model: 'gpt-4.1',
    outcome: 'ok',
    consumer: '',
    tokens: { input: 12, output: 30 },
    usageSource: 'provider',
    costNanoDollars: 264_000,
    firstTokenMs: 250,
  } as const

  test('a call is counted in tokens, dollars and seconds', () => {
    const metrics = createMetrics()
    createLlmMetrics(metrics, new Set(['gpt-4.1'])).record(call)
    const labels = ['s', 'openai', 'gpt-4.1']
    expect(metrics.total('pratu_llm_tokens_total', [...labels, 'input', 'provider'])).toBe(12)
    expect(metrics.total('pratu_llm_tokens_total', [...labels, 'output', 'provider'])).toBe(30)
    expect(metrics.total('pratu_llm_cost_dollars_total', [...labels, ''])).toBeCloseTo(0.000264, 12)
    expect([...metrics.render('text')].join('')).toContain(
      'pratu_llm_time_to_first_token_seconds_sum{service="s",provider="openai",model="gpt-4.1"} 0.25\n',
    )
  })

  test('S46 100,000 invented model names are one series', () => {
    const metrics = createMetrics()
    const llm = createLlmMetrics(metrics, new Set(['gpt-4.1']))
    for (let index = 0; index < 100_000; index += 1) {
      llm.record({ ...call, model: `invented-${index}`, costNanoDollars: undefined })
    }
    expect(metrics.total('pratu_llm_unpriced_total', ['s', 'openai', 'other'])).toBe(100_000)
    const text = [...metrics.render('text')].join('')
    expect(text).not.toContain('invented')
  })

  test('F32 impossible figures are counted as anomalies and added nowhere', () => {
    const metrics = createMetrics()
    const llm = createLlmMetrics(metrics, new Set(['gpt-4.1']))
    llm.record({ ...call, tokens: { input: -5, output: Number.NaN }, costNanoDollars: -1 })
    expect(metrics.total('pratu_llm_usage_anomalies_total', ['s', 'impossible_count'])).toBe(2)
    expect(metrics.total('pratu_llm_usage_anomalies_total', ['s', 'impossible_cost'])).toBe(1)
    expect(metrics.total('pratu_llm_cost_dollars_total', ['s', 'openai', 'gpt-4.1', ''])).toBe(0)
  })
})
