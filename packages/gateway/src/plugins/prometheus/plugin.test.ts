import {
  describePlugin,
  givenContext,
  givenExchange,
  parseConfig,
  runExchange,
} from '@pratu/plugin-kit/testing'
import { describe, expect, test } from 'vitest'
import { createExchangeMetrics, createMetrics } from '../../observe/index.ts'
import { prometheus } from './plugin.ts'

describePlugin(prometheus, {
  validConfig: {},
  defaults: {
    perConsumer: false,
    statusCodeMetrics: false,
    aiMetrics: false,
    latencyMetrics: false,
    bandwidthMetrics: false,
    upstreamHealthMetrics: false,
  },
  invalidConfigs: [
    { config: { per_consumer: 'yes' }, message: 'expected a boolean', path: 'per_consumer' },
    { config: { latency_metrics: 1 }, message: 'expected a boolean', path: 'latency_metrics' },
  ],
})

/** Kong's per-route families in a scrape after one request of alice. */
async function recorded(
  raw: Readonly<Record<string, unknown>> | undefined,
  compatibility: 'pratu' | 'kong',
): Promise<Record<string, string>> {
  const metrics = createMetrics()
  const recorder = createExchangeMetrics(metrics, { namespace: undefined })
  const exchange = givenExchange({
    consumer: { username: 'alice' },
    service: { name: 'ai' },
    route: { name: 'chat' },
  })
  if (raw !== undefined) {
    await runExchange(prometheus.create(parseConfig(prometheus, raw), givenContext()), exchange)
  }
  const { route, service } = exchange
  if (route === undefined) throw new Error('no route')
  recorder.record(recorder.series(route, service, compatibility), exchange, 'ok')
  const page = [...metrics.render('text')].join('')
  const found = page.matchAll(
    /^(kong_(?:http_requests|request_latency|bandwidth)\w*)\{(.*)\} (?!0$)/gm,
  )
  return Object.fromEntries(
    [...found].map(([, name = '', labels = '']) => [
      name,
      /consumer="([^"]*)"/.exec(labels)?.[1] ?? 'no label',
    ]),
  )
}

describe('kong.md §3.6 under compatibility: kong the flags decide', () => {
  test('without the plugin, and with its defaults, nothing is recorded per route', async () => {
    expect(await recorded(undefined, 'kong')).toEqual({})
    expect(await recorded({}, 'kong')).toEqual({})
  })

  test('each flag turns on its own family', async () => {
    expect(Object.keys(await recorded({ status_code_metrics: true }, 'kong'))).toEqual([
      'kong_http_requests_total',
    ])
    expect(Object.keys(await recorded({ bandwidth_metrics: true }, 'kong'))).toEqual([
      'kong_bandwidth_bytes',
    ])
    expect(Object.keys(await recorded({ latency_metrics: true }, 'kong'))).toContain(
      'kong_request_latency_ms_count',
    )
  })

  test('per_consumer names the consumer, else the label is empty', async () => {
    const on = { status_code_metrics: true }
    expect(await recorded(on, 'kong')).toEqual({ kong_http_requests_total: '' })
    expect(await recorded({ ...on, per_consumer: true }, 'kong')).toEqual({
      kong_http_requests_total: 'alice',
    })
  })
})

describe('otherwise the families are always there', () => {
  test('and the plugin adds the consumer', async () => {
    expect(await recorded(undefined, 'pratu')).toMatchObject({
      kong_http_requests_total: '',
      kong_bandwidth_bytes: '',
    })
    expect(await recorded({}, 'pratu')).toMatchObject({
      kong_http_requests_total: '',
      kong_bandwidth_bytes: '',
    })
    expect(await recorded({ per_consumer: true }, 'pratu')).toMatchObject({
      kong_http_requests_total: 'alice',
      kong_bandwidth_bytes: 'alice',
    })
  })
})
