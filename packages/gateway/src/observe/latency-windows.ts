/**
 * Quantiles of the last minutes, for `/v1/metrics/latency`. Each region keeps a ring of 10-second slices; a slice is a
 * histogram on a logarithmic scale (buckets 10 % apart, 0.1 ms to 20 minutes), so that recording costs a logarithm and
 * an addition, and no thread waits for another.
 */
import type { MetricRegion } from './metric-storage.ts'

export const SLICE_SECONDS = 10
const SLICES = 32
const BUCKETS = 176
/** A stamp (slice number + 1, so that 0 means never used) and the buckets. */
const SLICE_CELLS = BUCKETS + 1
const LOWEST_MS = 0.1
const LOG_GROWTH = Math.log(1.1)

/** Seconds that never jump and mean the same in every thread of the process (F59). */
export type ProcessSeconds = () => number

const processSeconds: ProcessSeconds = () => process.hrtime()[0]

export class LatencyRecorder {
  readonly #cells: Float64Array
  readonly #seconds: ProcessSeconds

  constructor(region: MetricRegion, seconds: ProcessSeconds = processSeconds) {
    this.#cells = region.window
    this.#seconds = seconds
  }

  /** @param ms a latency; negative counts as 0. */
  record(ms: number): void {
    const slice = Math.floor(this.#seconds() / SLICE_SECONDS)
    const start = (slice % SLICES) * SLICE_CELLS
    const cells = this.#cells
    if (cells[start] !== slice + 1) {
      cells.fill(0, start, start + SLICE_CELLS)
      cells[start] = slice + 1
    }
    const at = start + 1 + bucketOf(ms)
    cells[at] = (cells[at] ?? 0) + 1
  }
}

function bucketOf(ms: number): number {
  if (!(ms > LOWEST_MS)) return 0
  return Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(ms / LOWEST_MS) / LOG_GROWTH))
}

/** The middle of a bucket, ms; at most 5 % from what was recorded. */
function bucketMs(bucket: number): number {
  return bucket === 0 ? LOWEST_MS / 2 : LOWEST_MS * Math.exp((bucket - 0.5) * LOG_GROWTH)
}

export interface LatencyWindow {
  readonly samples: number
  /** Ms, one per quantile asked, `NaN` without samples. */
  readonly quantiles: readonly number[]
}

/**
 * Reads all regions.
 *
 * @param windowSeconds up to 300; the slice that is being filled counts too, so that up to 10 s more are seen.
 * @param quantiles each in 0..1.
 */
export function readLatencyWindow(
  regions: readonly MetricRegion[],
  windowSeconds: number,
  quantiles: readonly number[],
  seconds: ProcessSeconds = processSeconds,
): LatencyWindow {
  const current = Math.floor(seconds() / SLICE_SECONDS)
  const slices = Math.min(SLICES - 1, Math.ceil(windowSeconds / SLICE_SECONDS))
  const counts = new Float64Array(BUCKETS)
  let samples = 0
  for (const region of regions) {
    for (let slice = Math.max(0, current - slices); slice <= current; slice += 1) {
      const start = (slice % SLICES) * SLICE_CELLS
      if (region.window[start] !== slice + 1) continue
      for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
        const count = region.window[start + 1 + bucket] ?? 0
        counts[bucket] = (counts[bucket] ?? 0) + count
        samples += count
      }
    }
  }
  return { samples, quantiles: quantiles.map((q) => quantileOf(counts, samples, q)) }
}

function quantileOf(counts: Float64Array, samples: number, quantile: number): number {
  if (samples === 0) return Number.NaN
  const rank = Math.max(1, Math.ceil(quantile * samples))
  let seen = 0
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    seen += counts[bucket] ?? 0
    if (seen >= rank) return bucketMs(bucket)
  }
  return Number.NaN
}
