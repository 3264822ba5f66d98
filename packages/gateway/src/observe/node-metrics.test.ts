import { describe, expect, test, vi } from 'vitest'
import { createLagMonitor } from './lag-monitor.ts'
import { createMetrics } from './metrics.ts'
import { registerNodeMetrics } from './node-metrics.ts'

describe("the container's memory", () => {
  function scrapeOf(memoryUsageBytes: number | undefined, memoryLimitBytes: number | undefined) {
    const metrics = createMetrics()
    registerNodeMetrics(metrics, {
      nodeId: 'node-1',
      version: '0.1.0',
      containerMetrics: true,
      readMemory: () => ({ memoryUsageBytes, memoryLimitBytes }),
    })
    return [...metrics.render('text')].join('')
  }

  test('usage and limit are in the scrape', () => {
    const text = scrapeOf(1000, 5000)
    expect(text).toContain('\ncontainer_memory_usage_bytes 1000\n')
    expect(text).toContain('\ncontainer_spec_memory_limit_bytes 5000\n')
  })

  test("no limit is no series: a limit of 0 would make the article's ratio infinite", () => {
    const text = scrapeOf(1000, undefined)
    expect(text).toContain('\ncontainer_memory_usage_bytes 1000\n')
    expect(text).not.toContain('\ncontainer_spec_memory_limit_bytes ')
  })

  test('without a memory cgroup there is nothing', () => {
    expect(scrapeOf(undefined, undefined)).not.toContain('\ncontainer_memory_usage_bytes ')
  })
})

describe('kong.md §3.6 node families', () => {
  test('connections by state, requests, node info and process figures are in the scrape', () => {
    const metrics = createMetrics()
    registerNodeMetrics(metrics, { nodeId: 'node-1', version: '0.1.0', containerMetrics: false })
    metrics.counter('pratu_connections_accepted_total').add(9)
    metrics.gauge('pratu_connections_open').set(4)
    metrics.gauge('pratu_requests_in_flight').set(1)
    metrics.counter('pratu_requests_received_total').add(30)
    const text = [...metrics.render('text')].join('')
    const state = (name: string) =>
      `kong_nginx_connections_total{node_id="node-1",subsystem="http",state="${name}"}`
    expect(text).toContain(`${state('accepted')} 9\n`)
    expect(text).toContain(`${state('handled')} 9\n`)
    expect(text).toContain(`${state('active')} 4\n`)
    expect(text).toContain(`${state('writing')} 1\n`)
    expect(text).toContain(`${state('waiting')} 3\n`)
    expect(text).toContain(`${state('total')} 30\n`)
    expect(text).toContain('kong_nginx_requests_total{node_id="node-1",subsystem="http"} 30\n')
    expect(text).toContain('kong_node_info{node_id="node-1",version="0.1.0"} 1\n')
    expect(text).toContain('\nkong_datastore_reachable 1\n')
    expect(text).toMatch(/\nprocess_resident_memory_bytes [1-9]\d+\n/)
    expect(text).toMatch(/\nprocess_start_time_seconds 1\d{9}\n/)
    expect(text).toMatch(/\nprocess_open_fds [1-9]\d*\n/)
    expect(text).not.toContain('\ncontainer_memory_usage_bytes ')
  })
})

describe('event-loop lag', () => {
  test('F53 a stall shows in the next slice, in seconds', async () => {
    const metrics = createMetrics()
    const monitor = createLagMonitor(metrics, { sliceMs: 50 })
    const stall = (ms: number): void => {
      const until = performance.now() + ms
      while (performance.now() < until) Atomics.load(new Int32Array(1), 0)
    }
    await vi.waitFor(() => {
      stall(100)
      expect(monitor.maxMs).toBeGreaterThan(60)
    })
    expect(metrics.total('pratu_event_loop_lag_seconds', ['100'])).toBeGreaterThan(0.06)
    monitor.stop()
    expect(metrics.total('pratu_event_loop_lag_seconds', ['100'])).toBe(0)
  })
})
