import { givenExchange } from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { createExchangeMetrics, type ExchangeMetrics } from './exchange-metrics.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { PROMETHEUS_FLAGS, type PrometheusFlags, type RouteSeries } from './route-series.ts'

const ROUTE = { id: 'route-id', name: 'chat' }
const SERVICE = { name: 'llm', host: 'api.test' }

interface Given {
  readonly metrics: Metrics
  readonly recorder: ExchangeMetrics
  readonly series: RouteSeries
  readonly text: () => string
}

function given(compatibility: 'pratu' | 'kong' = 'pratu'): Given {
  const metrics = createMetrics()
  const recorder = createExchangeMetrics(metrics, { namespace: 'ai-gateway' })
  recorder.useCompatibility(compatibility)
  return {
    metrics,
    recorder,
    series: recorder.series(ROUTE, SERVICE, compatibility),
    text: () => [...metrics.render('text')].join(''),
  }
}

const ALL: PrometheusFlags = {
  perConsumer: true,
  statusCodeMetrics: true,
  latencyMetrics: true,
  bandwidthMetrics: true,
}

describe("the article's three, and what the autoscaler counts", () => {
  test('a routed exchange is in kong_requests_total, kong_request_duration_ms and http_requests_total', () => {
    const { recorder, series, text } = given()
    series.routed()
    recorder.record(series, givenExchange({ record: { requestLatencyMs: 180 } }), 'ok')
    expect(text()).toContain('kong_requests_total{service="llm",route="chat",status="200"} 1\n')
    expect(text()).toContain(
      'kong_request_duration_ms_bucket{service="llm",route="chat",le="250"} 1\n',
    )
    expect(text()).toContain('kong_request_duration_ms_sum{service="llm",route="chat"} 180\n')
    expect(text()).toContain(
      'http_requests_total{namespace="ai-gateway",service="llm",route="chat"} 1\n',
    )
  })

  test('failures are 0 from the first request on, so that rate() sees the first one', () => {
    const { recorder, series, text } = given()
    recorder.record(series, givenExchange(), 'ok')
    for (const status of [500, 502, 503, 504]) {
      expect(text()).toContain(
        `kong_requests_total{service="llm",route="chat",status="${status}"} 0\n`,
      )
    }
  })

  test('an event stream counts with the time to its first token, however long it lasted', () => {
    const { recorder, series, text } = given()
    const exchange = givenExchange({ record: { requestLatencyMs: 400_000 } })
    recorder.record(series, exchange, 'ok', 320)
    expect(text()).toContain('kong_request_duration_ms_sum{service="llm",route="chat"} 320\n')
  })

  test('a ten-minute completion is inside the buckets, not in +Inf', () => {
    const { recorder, series, text } = given()
    recorder.record(series, givenExchange({ record: { requestLatencyMs: 599_000 } }), 'ok')
    expect(text()).toContain(
      'kong_request_duration_ms_bucket{service="llm",route="chat",le="600000"} 1\n',
    )
  })

  test('a client that left before an answer is 499; a status that no server should send is 999', () => {
    const { recorder, series, metrics } = given()
    recorder.record(series, givenExchange({ record: { status: 0 } }), 'client_cancelled')
    recorder.record(series, givenExchange({ record: { status: 777 } }), 'ok')
    expect(metrics.total('kong_requests_total', ['llm', 'chat', '499'])).toBe(1)
    expect(metrics.total('kong_requests_total', ['llm', 'chat', '999'])).toBe(1)
    expect(metrics.total('pratu_exchanges_total', ['llm', 'chat', 'client_cancelled'])).toBe(1)
    expect(metrics.latencyWindow(60, []).samples).toBe(1)
  })

  test('F03 a client that took nothing of its answer is one that was too slow', () => {
    const { recorder, series, text } = given()
    recorder.record(series, givenExchange({ record: { status: 200 } }), 'client_stalled')
    recorder.record(series, givenExchange({ record: { status: 200 } }), 'client_cancelled')
    expect(text()).toContain('pratu_client_timeouts_total{phase="write"} 1\n')
  })

  test('kong.md §3.6 a request that matched no route is in no Kong family', () => {
    const { recorder, text } = given()
    recorder.record(undefined, givenExchange({ record: { status: 404 } }), 'rejected_no_route')
    recorder.refusedAtListener('headers_too_large', 431)
    expect(text()).toContain('kong_requests_total{service="",route="",status="404"} 1\n')
    expect(text()).toContain('kong_requests_total{service="",route="",status="431"} 1\n')
    expect(text()).toContain('pratu_refused_requests_total{code="headers_too_large"} 1\n')
    expect(text()).not.toContain('kong_http_requests_total{')
    expect(text()).not.toContain('http_requests_total{namespace')
  })

  test('the gateway overhead is the time to the first byte without the upstream', () => {
    const { recorder, series, text } = given()
    const record = { firstByteLatencyMs: 182, upstreamLatencyMs: 178 }
    recorder.record(series, givenExchange({ record }), 'ok')
    expect(text()).toContain('pratu_gateway_overhead_seconds_bucket{le="0.0025"} 0\n')
    expect(text()).toContain('pratu_gateway_overhead_seconds_bucket{le="0.005"} 1\n')
  })
})

describe('kong.md §3.6 families and flags', () => {
  test('labels: the service by name or host, the route by name or id, consumer empty by default', () => {
    const { recorder, text } = given()
    const nameless = recorder.series(
      { id: 'route-id', name: undefined },
      { name: undefined, host: 'h.test' },
      'pratu',
    )
    const serviceless = recorder.series(ROUTE, undefined, 'pratu')
    recorder.record(nameless, givenExchange({ consumer: { username: 'alice' } }), 'ok')
    recorder.record(serviceless, givenExchange(), 'ok')
    expect(text()).toContain(
      'kong_http_requests_total{service="h.test",route="route-id",code="200",source="service",workspace="default",consumer=""} 1\n',
    )
    expect(text()).toContain('kong_http_requests_total{service="",route="chat",code="200"')
  })

  test('latencies: kong is all of it when nothing was proxied, and upstream has then no sample', () => {
    const { recorder, series, text } = given()
    const proxied = { proxyLatencyMs: 2, upstreamLatencyMs: 90, requestLatencyMs: 95 }
    const own = {
      proxyLatencyMs: -1,
      upstreamLatencyMs: -1,
      requestLatencyMs: 4,
      source: 'kong' as const,
    }
    recorder.record(series, givenExchange({ record: proxied }), 'ok')
    recorder.record(series, givenExchange({ record: own }), 'rejected_rate_limit_exceeded')
    const labels = '{service="llm",route="chat",workspace="default"}'
    expect(text()).toContain(`kong_kong_latency_ms_sum${labels} 6\n`)
    expect(text()).toContain(`kong_upstream_latency_ms_count${labels} 1\n`)
    expect(text()).toContain(`kong_upstream_latency_ms_sum${labels} 90\n`)
    expect(text()).toContain(`kong_request_latency_ms_sum${labels} 99\n`)
  })

  test('bandwidth counts both directions', () => {
    const { recorder, series, text } = given()
    recorder.record(
      series,
      givenExchange({ record: { requestBytes: 300, responseBytes: 900 } }),
      'ok',
    )
    expect(text()).toContain('direction="ingress",workspace="default",consumer=""} 300\n')
    expect(text()).toContain('direction="egress",workspace="default",consumer=""} 900\n')
  })

  test('per_consumer puts the username into status and bandwidth', () => {
    const { recorder, series, text } = given()
    const exchange = givenExchange({ consumer: { username: 'alice' } })
    exchange.setNote(PROMETHEUS_FLAGS, { ...ALL, latencyMetrics: false })
    recorder.record(series, exchange, 'ok')
    expect(text()).toContain('source="service",workspace="default",consumer="alice"} 1\n')
    expect(text()).toContain('direction="egress",workspace="default",consumer="alice"} 200\n')
    // Without compatibility the plugin only adds: what is always there stays.
    expect(text()).toContain('kong_request_latency_ms_count{')
  })

  test("compatibility kong: without the plugin nothing of Kong's per-route families, and no name that Kong lacks", () => {
    const { recorder, series, text } = given('kong')
    recorder.record(series, givenExchange(), 'ok')
    recorder.refusedAtListener('bad_request', 400)
    expect(
      text()
        .split('\n')
        .filter((one) => /^kong_\w*(requests_total|_ms|_bytes)\w*\{/.test(one)),
    ).toEqual([])
    expect(text()).toContain('pratu_exchanges_total{service="llm",route="chat",outcome="ok"} 1\n')
  })

  test.each([
    ['statusCodeMetrics', 'kong_http_requests_total{'],
    ['latencyMetrics', 'kong_request_latency_ms_count{'],
    ['bandwidthMetrics', 'kong_bandwidth_bytes{'],
  ] as const)('compatibility kong: %s alone decides about its family', (flag, start) => {
    const off = {
      perConsumer: false,
      statusCodeMetrics: false,
      latencyMetrics: false,
      bandwidthMetrics: false,
    }
    for (const on of [false, true]) {
      const { recorder, series, text } = given('kong')
      const exchange = givenExchange()
      exchange.setNote(PROMETHEUS_FLAGS, { ...off, [flag]: on })
      recorder.record(series, exchange, 'ok')
      expect(text().includes(`\n${start}`)).toBe(on)
    }
  })
})
