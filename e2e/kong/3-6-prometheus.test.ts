import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GivenGateway } from '../gateway.ts'
import {
  admin,
  ask,
  at,
  givenKong,
  givenPratu,
  givenUpstream,
  type Asked,
  type GivenUpstream,
} from './support.ts'

let upstream: GivenUpstream

beforeAll(async () => {
  upstream = await givenUpstream()
})
afterAll(() => upstream[Symbol.asyncDispose]())

const observed = (config: object | undefined, more: readonly object[] = []) => ({
  services: [
    {
      name: 'svc',
      url: upstream.url,
      routes: [{ name: 'r', paths: ['/r'] }, { paths: ['/nameless'] }],
    },
    { host: 'localhost', port: upstream.port, routes: [{ name: 'by-host', paths: ['/host'] }] },
  ],
  routes: [{ name: 'no-service', paths: ['/no-service'] }],
  consumers: [{ username: 'ann', keyauth_credentials: [{ key: 'k' }] }],
  plugins: [...(config === undefined ? [] : [{ name: 'prometheus', config }]), ...more],
})

const ALL = {
  status_code_metrics: true,
  latency_metrics: true,
  bandwidth_metrics: true,
  upstream_health_metrics: true,
  ai_metrics: true,
}

/** Series of a scrape: `name{labels}` → value. */
async function scrape(given: GivenGateway): Promise<ReadonlyMap<string, number>> {
  const { text } = await admin(given, '/metrics')
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    series.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return series
}

const names = (series: ReadonlyMap<string, number>): Set<string> =>
  new Set([...series.keys()].map((key) => key.split('{')[0] ?? ''))

const R: Asked = { path: '/r' }
/** An answered request is counted a moment after its client has it. */
const counted = (given: GivenGateway, series: string, value: number) =>
  expect.poll(async () => (await scrape(given)).get(series)).toBe(value)

const PER_ROUTE = [
  'kong_http_requests_total',
  'kong_kong_latency_ms_count',
  'kong_upstream_latency_ms_count',
  'kong_request_latency_ms_count',
  'kong_bandwidth_bytes',
]

const CODE = (service: string, route: string, code: number, source: string, consumer = '') =>
  `kong_http_requests_total{service="${service}",route="${route}",code="${code}",source="${source}",workspace="default",consumer="${consumer}"}`

describe('kong.md §3.6 fields', () => {
  test('all flags are off by default', async () => {
    await using given = await givenKong(observed({}))
    const { json } = await admin(given, '/plugins')
    expect(at(json, 'data', 0, 'config')).toEqual({
      per_consumer: false,
      status_code_metrics: false,
      ai_metrics: false,
      latency_metrics: false,
      bandwidth_metrics: false,
      upstream_health_metrics: false,
    })
  })
})

describe('kong.md §3.6 under compatibility: kong the flags decide', () => {
  test.each([
    ['without the plugin', undefined],
    ['with its defaults', {}],
  ])('%s no per-route series is exported', async (_name, config) => {
    await using given = await givenKong(observed(config))
    await ask(given.port, R)
    await counted(given, 'pratu_exchanges_total{service="svc",route="r",outcome="ok"}', 1)
    const found = names(await scrape(given))
    for (const name of PER_ROUTE) expect(found.has(name)).toBe(false)
  })

  test.each([
    ['status_code_metrics', ['kong_http_requests_total']],
    [
      'latency_metrics',
      [
        'kong_kong_latency_ms_count',
        'kong_upstream_latency_ms_count',
        'kong_request_latency_ms_count',
      ],
    ],
    ['bandwidth_metrics', ['kong_bandwidth_bytes']],
  ])('%s turns on its own families and no other', async (flag, families) => {
    await using given = await givenKong(observed({ [flag]: true }))
    await ask(given.port, R)
    await expect.poll(async () => names(await scrape(given)).has(families[0] ?? '')).toBe(true)
    const found = names(await scrape(given))
    expect(PER_ROUTE.filter((name) => found.has(name))).toEqual(families)
  })

  test('labels: code, source, workspace, and the consumer only with per_consumer', async () => {
    const keyAuth = { name: 'key-auth', config: {} }
    const keyed: Asked = { ...R, headers: { apikey: 'k' } }
    await using plain = await givenKong(observed(ALL, [keyAuth]))
    await ask(plain.port, keyed)
    await ask(plain.port, R)
    await counted(plain, CODE('svc', 'r', 200, 'service'), 1)
    await counted(plain, CODE('svc', 'r', 401, 'kong'), 1)
    await using perConsumer = await givenKong(observed({ ...ALL, per_consumer: true }, [keyAuth]))
    await ask(perConsumer.port, keyed)
    await counted(perConsumer, CODE('svc', 'r', 200, 'service', 'ann'), 1)
    const bandwidth = [...(await scrape(perConsumer)).keys()].filter((key) =>
      key.startsWith('kong_bandwidth_bytes'),
    )
    expect(bandwidth.toSorted()).toEqual([
      'kong_bandwidth_bytes{service="svc",route="r",direction="egress",workspace="default",consumer="ann"}',
      'kong_bandwidth_bytes{service="svc",route="r",direction="ingress",workspace="default",consumer="ann"}',
    ])
  })

  test('service is its name, else its host, else empty; route its name, else its id', async () => {
    await using given = await givenKong(observed(ALL))
    await ask(given.port, { path: '/host' })
    await ask(given.port, { path: '/no-service' })
    await ask(given.port, { path: '/nameless' })
    await counted(given, CODE('localhost', 'by-host', 200, 'service'), 1)
    await counted(given, CODE('', 'no-service', 503, 'kong'), 1)
    const { json } = await admin(given, '/routes')
    const nameless = (at(json, 'data') as { id: string; name: string | null }[]).find(
      ({ name }) => name === null,
    )
    await counted(given, CODE('svc', nameless?.id ?? '', 200, 'service'), 1)
  })

  test('requests that match no route are not recorded', async () => {
    await using given = await givenKong(observed(ALL))
    await ask(given.port, { path: '/none' })
    await ask(given.port, R)
    await counted(given, CODE('svc', 'r', 200, 'service'), 1)
    const codes = [...(await scrape(given)).keys()].filter((key) => key.includes('code="404"'))
    expect(codes).toEqual([])
  })

  test('buckets are Kong’s, cumulative and in numeric order', async () => {
    await using given = await givenKong(observed(ALL))
    await ask(given.port, R)
    await counted(given, CODE('svc', 'r', 200, 'service'), 1)
    const series = await scrape(given)
    const buckets = (name: string): string[] =>
      [...series.keys()]
        .filter((key) => key.startsWith(`${name}_bucket{`))
        .map((key) => /le="([^"]+)"/.exec(key)?.[1] ?? '')
    const KONG = '1 2 5 7 10 15 20 30 50 75 100 200 500 750 1000 3000 6000 +Inf'
    const UPSTREAM = '25 50 80 100 250 400 700 1000 2000 5000 10000 30000 60000 +Inf'
    expect(buckets('kong_kong_latency_ms').join(' ')).toBe(KONG)
    expect(buckets('kong_upstream_latency_ms').join(' ')).toBe(UPSTREAM)
    expect(buckets('kong_request_latency_ms').join(' ')).toBe(UPSTREAM)
    expect(
      series.get(
        'kong_request_latency_ms_bucket{service="svc",route="r",workspace="default",le="+Inf"}',
      ),
    ).toBe(1)
  })

  test('bandwidth: bytes in and out, heads included', async () => {
    await using given = await givenKong(observed(ALL))
    upstream.respond = (_request, response) => response.end('x'.repeat(5000))
    await ask(given.port, { ...R, method: 'POST', body: 'y'.repeat(3000) })
    const bytes = async (direction: string): Promise<number> =>
      (await scrape(given)).get(
        `kong_bandwidth_bytes{service="svc",route="r",direction="${direction}",workspace="default",consumer=""}`,
      ) ?? 0
    await expect.poll(() => bytes('egress')).toBeGreaterThan(5000)
    expect(await bytes('egress')).toBeLessThan(6000)
    expect(await bytes('ingress')).toBeGreaterThan(3000)
    expect(await bytes('ingress')).toBeLessThan(3500)
  })

  test('upstream_health_metrics: each target, with its state', async () => {
    const pool = {
      upstreams: [{ name: 'pool', targets: [{ target: '127.0.0.1:1' }] }],
    }
    const health = async (config: object, make = givenKong): Promise<string[]> => {
      await using given = await make({ ...observed(config), ...pool })
      return [...(await scrape(given))]
        .filter(([key]) => key.startsWith('kong_upstream_target_health'))
        .map(([key, value]) => `${key} ${value}`)
        .toSorted()
    }
    expect(await health({})).toEqual([])
    const labels = (state: string): string =>
      `upstream="pool",target="127.0.0.1:1",address="127.0.0.1:1",state="${state}",subsystem="http"`
    const shown = [
      `kong_upstream_target_health{${labels('dns_error')}} 0`,
      `kong_upstream_target_health{${labels('healthchecks_off')}} 1`,
      `kong_upstream_target_health{${labels('healthy')}} 0`,
      `kong_upstream_target_health{${labels('unhealthy')}} 0`,
    ]
    expect(await health(ALL)).toEqual(shown)
    expect(await health({ upstream_health_metrics: true }, givenPratu)).toEqual(shown)
  })
})

describe('kong.md §3.6 what is always there', () => {
  test.each([
    [
      'kong_nginx_connections_total',
      ['accepted', 'handled', 'total', 'active', 'reading', 'writing', 'waiting'],
    ],
    ['kong_nginx_timers', ['running', 'pending']],
  ])('%s, a series per state', async (name, states) => {
    await using given = await givenKong(observed(undefined))
    const keys = [...(await scrape(given)).keys()].filter((key) => key.startsWith(`${name}{`))
    const found = keys.map((key) => /state="([^"]+)"/.exec(key)?.[1] ?? '')
    expect(found.toSorted()).toEqual(states.toSorted())
  })

  test('requests, datastore, node, memory, errors; with node_id and subsystem', async () => {
    await using given = await givenKong(observed(undefined))
    await ask(given.port, R)
    const series = await scrape(given)
    const keys = [...series.keys()]
    const one = (name: string): string => keys.find((key) => key.split('{')[0] === name) ?? ''
    expect(one('kong_nginx_requests_total')).toMatch(/node_id="[0-9a-f-]{36}",subsystem="http"/)
    expect(series.get('kong_datastore_reachable')).toBe(1)
    expect(one('kong_node_info')).toMatch(/node_id="[0-9a-f-]{36}",version="/)
    expect(one('kong_memory_workers_lua_vms_bytes')).toContain('kong_subsystem="http"')
    expect(series.get('kong_nginx_metric_errors_total')).toBe(0)
  })

  test('the exposition is text/plain; charset=UTF-8, each family typed once', async () => {
    await using given = await givenKong(observed(ALL))
    await ask(given.port, R)
    const { headers, text } = await admin(given, '/metrics')
    expect(headers.get('content-type')).toBe('text/plain; charset=UTF-8')
    const types = text.split('\n').filter((line) => line.startsWith('# TYPE kong_'))
    expect(new Set(types).size).toBe(types.length)
    expect(types).toContain('# TYPE kong_nginx_requests_total gauge')
    expect(types).toContain('# TYPE kong_http_requests_total counter')
    expect(types).toContain('# TYPE kong_request_latency_ms histogram')
  })
})

describe('architecture §8 without compatibility: kong the families are there without the plugin', () => {
  test('recorded by status, latency and bandwidth; the article’s three too', async () => {
    await using given = await givenPratu(observed(undefined))
    await ask(given.port, R)
    await counted(given, CODE('svc', 'r', 200, 'service'), 1)
    const found = names(await scrape(given))
    for (const name of PER_ROUTE) expect(found.has(name)).toBe(true)
    expect(found.has('kong_requests_total')).toBe(true)
    expect(found.has('kong_request_duration_ms_count')).toBe(true)
  })

  test('the plugin adds the consumer', async () => {
    await using given = await givenPratu(
      observed({ per_consumer: true }, [{ name: 'key-auth', config: {} }]),
    )
    await ask(given.port, { ...R, headers: { apikey: 'k' } })
    await counted(given, CODE('svc', 'r', 200, 'service', 'ann'), 1)
  })

  test('the article’s names are not Kong’s: compatibility: kong does not have them', async () => {
    await using given = await givenKong(observed(ALL))
    await ask(given.port, R)
    await counted(given, CODE('svc', 'r', 200, 'service'), 1)
    const found = names(await scrape(given))
    expect(found.has('kong_requests_total')).toBe(false)
    expect(found.has('kong_request_duration_ms_count')).toBe(false)
  })
})
