import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { METRICS } from './metric-names.ts'
import { createMetricStorage, seriesWidth, zeroGauges } from './metric-storage.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { ExpositionFormat } from './text-format.ts'

function scrape(metrics: Metrics, format: ExpositionFormat = 'text'): string {
  return [...metrics.render(format)].join('')
}

function line(text: string, start: string): string | undefined {
  return text.split('\n').find((one) => one.startsWith(start))
}

describe('kong.md §3.6 exposition', () => {
  test('every family has HELP and TYPE even before its first series', () => {
    const text = scrape(createMetrics())
    for (const [name, definition] of Object.entries(METRICS)) {
      expect(text).toContain(`# TYPE ${name} ${definition.type}\n`)
      expect(line(text, `# HELP ${name} `)).toBeDefined()
    }
  })

  test('a histogram cumulates over ascending bounds and ends in +Inf, sum and count', () => {
    const metrics = createMetrics()
    const latency = metrics.histogram('kong_kong_latency_ms', ['s', 'r', 'default'])
    for (const ms of [0.5, 1, 1.5, 400, 7000]) latency.observe(ms)
    const lines = scrape(metrics)
      .split('\n')
      .filter((one) => one.startsWith('kong_kong_latency_ms'))
    const labels = 'service="s",route="r",workspace="default"'
    expect(lines[0]).toBe(`kong_kong_latency_ms_bucket{${labels},le="1"} 2`)
    expect(lines[1]).toBe(`kong_kong_latency_ms_bucket{${labels},le="2"} 3`)
    expect(lines.slice(-4)).toEqual([
      `kong_kong_latency_ms_bucket{${labels},le="6000"} 4`,
      `kong_kong_latency_ms_bucket{${labels},le="+Inf"} 5`,
      `kong_kong_latency_ms_sum{${labels}} 7403`,
      `kong_kong_latency_ms_count{${labels}} 5`,
    ])
  })

  test('label values are escaped', () => {
    const metrics = createMetrics()
    metrics.counter('pratu_refused_requests_total', ['a"b\\c\nd']).add(1)
    expect(scrape(metrics)).toContain('pratu_refused_requests_total{code="a\\"b\\\\c\\nd"} 1\n')
  })

  test('OpenMetrics names counters without _total, keeps every sample name, and ends in EOF', () => {
    const metrics = createMetrics()
    metrics.counter('pratu_refused_requests_total', ['x']).add(2)
    metrics.counter('kong_bandwidth_bytes', ['s', 'r', 'egress', 'default', '']).add(3)
    const text = scrape(metrics, 'openmetrics')
    expect(text).toContain('# TYPE pratu_refused_requests counter\n')
    expect(text).toContain('pratu_refused_requests_total{code="x"} 2\n')
    expect(text).toContain('# TYPE kong_bandwidth_bytes unknown\n')
    expect(text).toContain('kong_bandwidth_bytes{service="s",')
    expect(text.endsWith('# EOF\n')).toBe(true)
  })
})

describe('values', () => {
  test('a series that is looked up twice is one series', () => {
    const metrics = createMetrics()
    metrics.counter('pratu_refused_requests_total', ['x']).add(1)
    metrics.counter('pratu_refused_requests_total', ['x']).add(2)
    expect(metrics.total('pratu_refused_requests_total', ['x'])).toBe(3)
  })

  test('a wrong number of labels is told at once', () => {
    expect(() => createMetrics().counterOf('pratu_refused_requests_total', [])).toThrow(
      'pratu_refused_requests_total has 1 labels, not 0',
    )
  })

  test('a sampled value is read at the scrape; undefined leaves it out, a throw is counted', () => {
    const metrics = createMetrics()
    let open: number | undefined = 7
    metrics.sampled('process_open_fds', [], () => open)
    metrics.sampled('process_heap_bytes', [], () => {
      throw new Error('not readable')
    })
    expect(scrape(metrics)).toContain('\nprocess_open_fds 7\n')
    open = undefined
    const text = scrape(metrics)
    expect(text).not.toContain('\nprocess_open_fds ')
    expect(text).not.toContain('\nprocess_heap_bytes ')
    expect(text).toContain('\nkong_nginx_metric_errors_total 2\n')
  })

  test('a computed family is read at the scrape and cannot break it', () => {
    const metrics = createMetrics()
    const labels = ['u', 't:80', '10.0.0.1:80', 'healthy', 'http']
    metrics.collect('kong_upstream_target_health', () => [[labels, 1]])
    expect(scrape(metrics)).toContain(
      'kong_upstream_target_health{upstream="u",target="t:80",address="10.0.0.1:80",state="healthy",subsystem="http"} 1\n',
    )
    metrics.collect('kong_upstream_target_health', () => {
      throw new Error('no')
    })
    expect(scrape(metrics)).toContain('# TYPE kong_upstream_target_health gauge\n')
  })

  test('any sequence of observations keeps count, sum and cumulation consistent', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })), (values) => {
        const metrics = createMetrics({
          storage: createMetricStorage({ regions: 1, cellsPerRegion: 4096 }),
        })
        const histogram = metrics.histogram('pratu_gateway_overhead_seconds')
        for (const value of values) histogram.observe(value)
        const text = scrape(metrics)
        const counts = text
          .split('\n')
          .filter((one) => one.startsWith('pratu_gateway_overhead_seconds_bucket'))
          .map((one) => Number(one.split(' ')[1]))
        expect(counts).toEqual([...counts].toSorted((a, b) => a - b))
        expect(counts.at(-1)).toBe(values.length)
        for (const [index, bound] of METRICS.pratu_gateway_overhead_seconds.buckets.entries()) {
          expect(counts[index]).toBe(values.filter((value) => value <= bound).length)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('S46 cardinality', () => {
  test('beyond the cap further names are counted under other, and that is counted', () => {
    const metrics = createMetrics({ maxSeriesPerMetric: 3 })
    for (let index = 0; index < 100_000; index += 1) {
      metrics.counter('kong_requests_total', [`service-${index}`, 'r', '503']).add(1)
    }
    const text = scrape(metrics)
    const series = text.split('\n').filter((one) => one.startsWith('kong_requests_total{'))
    expect(series).toHaveLength(4)
    // The status survives, so that the error alert still works.
    expect(text).toContain(
      'kong_requests_total{service="other",route="other",status="503"} 99997\n',
    )
    expect(metrics.total('pratu_metrics_dropped_total', ['kong_requests_total'])).toBe(99_997)
  })

  test('a full region never throws, never grows, and says what it left out', () => {
    const storage = createMetricStorage({ regions: 1, cellsPerRegion: 64 })
    const metrics = createMetrics({ storage })
    const bytes = storage.buffer.byteLength
    for (let index = 0; index < 1000; index += 1) {
      metrics.counter('pratu_refused_requests_total', [`code-${index}`]).add(1)
      metrics.histogram('pratu_llm_time_to_first_token_seconds', ['s', 'p', `m${index}`]).observe(1)
    }
    expect(storage.buffer.byteLength).toBe(bytes)
    const dropped = metrics.total('pratu_metrics_dropped_total', ['pratu_refused_requests_total'])
    const kept = scrape(metrics)
      .split('\n')
      .filter((one) => one.startsWith('pratu_refused_requests_total{')).length
    expect(kept).toBeGreaterThan(0)
    expect(dropped).toBeGreaterThan(900)
  })
})

describe('workers', () => {
  test('the scrape is the sum over regions; a gauge may be the maximum instead', () => {
    const storage = createMetricStorage({ regions: 3 })
    const main = createMetrics({ storage, region: 2 })
    const workers = [0, 1].map((region) => createMetrics({ storage, region }))
    for (const [index, worker] of workers.entries()) {
      worker.counter('pratu_refused_requests_total', ['x']).add(index + 1)
      worker.gauge('pratu_streams_open').set(10)
      worker.gauge('pratu_event_loop_lag_seconds', ['100']).set(index)
      worker.histogram('pratu_gateway_overhead_seconds').observe(1)
    }
    const text = scrape(main)
    expect(text).toContain('pratu_refused_requests_total{code="x"} 3\n')
    expect(text).toContain('\npratu_streams_open 20\n')
    expect(text).toContain('pratu_event_loop_lag_seconds{percentile="100"} 1\n')
    expect(text).toContain('pratu_gateway_overhead_seconds_count 2\n')
  })

  test('F50 the counts of a terminated worker stay, its gauges go, its replacement counts on', async () => {
    const storage = createMetricStorage({ regions: 2 })
    const main = createMetrics({ storage, region: 1 })
    const run = (): Promise<Worker> => {
      const worker = new Worker(new URL('testdata/metrics-worker.ts', import.meta.url), {
        workerData: storage,
      })
      return new Promise((resolve, reject) => {
        worker.once('message', () => resolve(worker))
        worker.once('error', reject)
      })
    }
    const first = await run()
    expect(main.total('pratu_refused_requests_total', ['from-worker'])).toBe(5)
    expect(main.total('pratu_streams_open')).toBe(3)
    await first.terminate()
    zeroGauges(storage, 0)
    expect(main.total('pratu_refused_requests_total', ['from-worker'])).toBe(5)
    expect(main.total('pratu_streams_open')).toBe(0)

    const second = await run()
    expect(main.total('pratu_refused_requests_total', ['from-worker'])).toBe(10)
    expect(main.total('pratu_streams_open')).toBe(3)
    const series = scrape(main)
      .split('\n')
      .filter((one) => one.startsWith('pratu_refused_requests_total{'))
    expect(series).toEqual(['pratu_refused_requests_total{code="from-worker"} 10'])
    await second.terminate()
  })

  test('a series of a replacement never takes the cells of one that its predecessor described', () => {
    const storage = createMetricStorage({ regions: 1 })
    const before = createMetrics({ storage })
    before.histogram('pratu_gateway_overhead_seconds').observe(3)
    const after = createMetrics({ storage })
    after.counter('pratu_refused_requests_total', ['x']).add(9)
    const text = scrape(after)
    expect(text).toContain('pratu_gateway_overhead_seconds_sum 3\n')
    expect(text).toContain('pratu_refused_requests_total{code="x"} 9\n')
    expect(seriesWidth('pratu_gateway_overhead_seconds')).toBe(14)
  })

  test('a region that does not exist is told at once', () => {
    const storage = createMetricStorage({ regions: 1 })
    expect(() => createMetrics({ storage, region: 1 })).toThrow('metric region 1 of 1')
  })
})

describe('F59 latency windows', () => {
  test('quantiles of the last minutes, over all regions, forget what is older', () => {
    const storage = createMetricStorage({ regions: 2 })
    let seconds = 1000
    const clock = (): number => seconds
    const a = createMetrics({ storage, region: 0, seconds: clock })
    const b = createMetrics({ storage, region: 1, seconds: clock })
    for (let ms = 1; ms <= 100; ms += 1) (ms % 2 === 0 ? a : b).latency.record(ms)
    const now = a.latencyWindow(60, [0.5, 0.99])
    expect(now.samples).toBe(100)
    expect(now.quantiles[0]).toBeGreaterThan(45)
    expect(now.quantiles[0]).toBeLessThan(56)
    expect(now.quantiles[1]).toBeGreaterThan(90)
    seconds += 120
    expect(a.latencyWindow(60, [0.5])).toEqual({ samples: 0, quantiles: [Number.NaN] })
    expect(a.latencyWindow(300, [0.5]).samples).toBe(100)
    seconds += 400
    expect(a.latencyWindow(300, [0.5]).samples).toBe(0)
    // The ring came round: an old slice must not be added to.
    a.latency.record(50)
    expect(a.latencyWindow(60, [0.5]).samples).toBe(1)
  })

  test('the window is within 6 % of what was recorded, from a tenth of a millisecond to ten minutes', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 600_000, noNaN: true }), (ms) => {
        const metrics = createMetrics({
          storage: createMetricStorage({ regions: 1, cellsPerRegion: 64 }),
          seconds: () => 5,
        })
        metrics.latency.record(ms)
        const [median = Number.NaN] = metrics.latencyWindow(60, [0.5]).quantiles
        expect(Math.abs(median - ms) / ms).toBeLessThan(0.06)
      }),
      { numRuns: 200 },
    )
  })
})
