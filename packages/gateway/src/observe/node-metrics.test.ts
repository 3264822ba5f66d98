import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readContainerMemory, type MemorySources } from './container-memory.ts'
import { createLagMonitor } from './lag-monitor.ts'
import { createMetrics } from './metrics.ts'
import { registerNodeMetrics } from './node-metrics.ts'

describe("the container's memory", () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pratu-cgroup-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  function given(cgroup: string, files: Readonly<Record<string, string>>): MemorySources {
    const cgroupFile = join(root, 'cgroup')
    writeFileSync(cgroupFile, cgroup)
    for (const [path, text] of Object.entries(files)) {
      const file = join(root, 'fs', path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    return { cgroupFile, cgroupRoot: join(root, 'fs') }
  }

  test('cgroup v2 as a pod sees it: its own files at the root', () => {
    const sources = given('0::/\n', {
      'memory.current': '104857600\n',
      'memory.max': '1073741824\n',
    })
    expect(readContainerMemory(sources)).toEqual({
      usageBytes: 104_857_600,
      limitBytes: 1_073_741_824,
    })
  })

  test('cgroup v2 nested: the tightest limit of all parents holds', () => {
    const sources = given('0::/kubepods/pod:1/ctr\n', {
      'kubepods/pod:1/ctr/memory.current': '1000\n',
      'kubepods/pod:1/ctr/memory.max': 'max\n',
      'kubepods/pod:1/memory.max': '5000\n',
      'kubepods/memory.max': '9000\n',
    })
    expect(readContainerMemory(sources)).toEqual({ usageBytes: 1000, limitBytes: 5000 })
  })

  test('cgroup v1, with the path of the host where the container has its own root', () => {
    const sources = given('9:cpu:/x\n4:memory:/docker/abc\n', {
      'memory/memory.usage_in_bytes': '2000\n',
      'memory/memory.limit_in_bytes': '3000\n',
    })
    expect(readContainerMemory(sources)).toEqual({ usageBytes: 2000, limitBytes: 3000 })
  })

  test("no limit is no series: a limit of 0 would make the article's ratio infinite", () => {
    expect(
      readContainerMemory(given('0::/\n', { 'memory.current': '7', 'memory.max': 'max' })),
    ).toEqual({
      usageBytes: 7,
      limitBytes: undefined,
    })
    const v1 = given('4:memory:/\n', {
      'memory/memory.usage_in_bytes': '2000',
      'memory/memory.limit_in_bytes': '9223372036854771712',
    })
    expect(readContainerMemory(v1)?.limitBytes).toBeUndefined()
  })

  test('without a memory cgroup there is nothing', () => {
    expect(readContainerMemory(given('', {}))).toBeUndefined()
    expect(
      readContainerMemory({ cgroupFile: join(root, 'none'), cgroupRoot: root }),
    ).toBeUndefined()
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
