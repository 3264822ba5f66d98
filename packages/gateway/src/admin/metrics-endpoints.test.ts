import { describe, expect, test } from 'vitest'
import { givenAdmin } from './testing/given-admin.ts'

describe('GET /metrics', () => {
  test('kong.md §3.6 is text/plain; charset=UTF-8 by default', async () => {
    const admin = givenAdmin()
    admin.metrics.counter('pratu_refused_requests_total', ['x']).add(2)
    const answer = await admin.call('GET', '/metrics')
    expect(answer.headers['content-type']).toBe('text/plain; charset=UTF-8')
    expect(answer.headers['content-length']).toBeUndefined()
    expect(answer.text).toContain('pratu_refused_requests_total{code="x"} 2\n')
  })

  test.each([
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3', true],
    ['application/openmetrics-text', true],
    ['text/plain;version=0.0.4', false],
    ['text/plain, application/openmetrics-text;q=0.2', false],
    ['*/*', false],
    ['application/openmetrics-text;q=x', false],
  ])('Accept: %s is answered in OpenMetrics: %s', async (accept, openmetrics) => {
    const answer = await givenAdmin().call('GET', '/metrics', { headers: { accept } })
    expect(answer.headers['content-type']?.startsWith('application/openmetrics-text')).toBe(
      openmetrics,
    )
    expect(answer.text.endsWith('# EOF\n')).toBe(openmetrics)
  })

  test('HEAD has no body', async () => {
    const answer = await givenAdmin().call('HEAD', '/metrics')
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('GET /v1/metrics/latency', () => {
  test('shows quantiles of both windows under names that /metrics does not have', async () => {
    const admin = givenAdmin()
    for (let ms = 1; ms <= 100; ms += 1) admin.metrics.latency.record(ms)
    const latency = await admin.call('GET', '/v1/metrics/latency', { peerIp: '10.0.0.1' })
    expect(latency.headers['content-type']).toBe('text/plain; charset=UTF-8')
    const p95 = /^pratu_latency_ms\{quantile="0\.95",window="1m"\} (\S+)$/m.exec(latency.text)
    expect(Number(p95?.[1])).toBeGreaterThan(85)
    expect(Number(p95?.[1])).toBeLessThan(105)
    expect(latency.text).toContain('pratu_latency_samples{window="5m"} 100\n')
    const all = await admin.call('GET', '/metrics')
    const names = new Set([...all.text.matchAll(/^([a-z_]+)[{ ]/gm)].map(([, name]) => name))
    for (const [, name] of latency.text.matchAll(/^([a-z_]+)[{ ]/gm))
      expect(names.has(name)).toBe(false)
  })

  test('without traffic the quantiles are NaN, as a summary without samples is', async () => {
    const answer = await givenAdmin().call('GET', '/v1/metrics/latency')
    expect(answer.text).toContain('pratu_latency_ms{quantile="0.99",window="5m"} NaN\n')
    expect(answer.text).toContain('pratu_latency_samples{window="1m"} 0\n')
  })
})
