import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'

export interface LagMonitorOptions {
  /** How often a slice is closed, ms. */
  readonly sliceMs?: number
  /** How many slices are looked back on. */
  readonly slices?: number
}

export interface LagMonitor {
  /** The worst closed slice looked back on, ms; 0 before the first. */
  readonly maxMs: number
  readonly p99Ms: number
  /** Stops measuring and takes the series back. */
  stop(): void
}

const RESOLUTION_MS = 20

/**
 * Measures how late this thread's event loop is, and keeps `pratu_event_loop_lag_seconds` up to date (the worst slice of
 * the last 30 s), so that a stall between two scrapes is seen. Also calls `metrics.sample()` at the end of each slice,
 * which is what a worker needs for its sampled values.
 */
export function createLagMonitor(metrics: Metrics, options: LagMonitorOptions = {}): LagMonitor {
  const sliceMs = options.sliceMs ?? 5000
  const kept = options.slices ?? 6
  // Two that take turns, each looking at two slices: after a reset a monitor sees nothing until its next tick, and a
  // stall that begins then is the other's to tell.
  let elder = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  let younger = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  const slices: { readonly maxMs: number; readonly p99Ms: number; readonly p50Ms: number }[] = []
  const p50 = metrics.gauge('pratu_event_loop_lag_seconds', ['50'])
  const p99 = metrics.gauge('pratu_event_loop_lag_seconds', ['99'])
  const max = metrics.gauge('pratu_event_loop_lag_seconds', ['100'])
  const worst = (read: (slice: (typeof slices)[number]) => number): number =>
    slices.reduce((most, slice) => Math.max(most, read(slice)), 0)

  const close = (): void => {
    if (elder.count > 0) {
      slices.push({
        maxMs: lateMs(elder.max),
        p99Ms: lateMs(elder.percentile(99)),
        p50Ms: lateMs(elder.percentile(50)),
      })
      if (slices.length > kept) slices.shift()
    }
    elder.reset()
    ;[elder, younger] = [younger, elder]
    p50.set(worst((slice) => slice.p50Ms) / 1000)
    p99.set(worst((slice) => slice.p99Ms) / 1000)
    max.set(worst((slice) => slice.maxMs) / 1000)
    metrics.sample()
  }

  elder.enable()
  younger.enable()
  const timer = setInterval(close, sliceMs)
  timer.unref()
  return {
    get maxMs() {
      return worst((slice) => slice.maxMs)
    },
    get p99Ms() {
      return worst((slice) => slice.p99Ms)
    },
    stop() {
      clearInterval(timer)
      elder.disable()
      younger.disable()
      for (const gauge of [p50, p99, max]) gauge.set(0)
    },
  }
}

/** Node measures from timer to timer; what is beyond the timer's own interval is the delay. */
function lateMs(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
}
