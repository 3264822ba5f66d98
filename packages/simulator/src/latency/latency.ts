import { drawUnit } from '../text/random.ts'
import { InvalidSetting, parseDurationMs } from '../quantities.ts'

/**
 * How long an answer takes: to its end when it is one JSON object, to its first token when it is a stream.
 *
 * A number is a constant in milliseconds. A string is `article`, `250ms`, `uniform:100ms-300ms` or
 * `log-normal:180ms/450ms/890ms` (50th, 95th and 99th percentile).
 */
export type LatencySpec =
  | number
  | string
  | { readonly kind: 'constant'; readonly ms: number }
  | { readonly kind: 'uniform'; readonly minMs: number; readonly maxMs: number }
  | {
      readonly kind: 'log-normal'
      readonly p50Ms: number
      readonly p95Ms: number
      readonly p99Ms: number
    }

/** Milliseconds for the request with this ordinal; the same seed always gives the same sequence. */
export type LatencySampler = (seed: number, index: number) => number

/** What the article measured without a gateway in front: p50 180 ms, p95 450 ms, p99 890 ms. */
const ARTICLE = { p50Ms: 180, p95Ms: 450, p99Ms: 890 }
const Z95 = 1.6448536269514722
const Z99 = 2.3263478740408408
/** Beyond this many deviations the tail is cut, so that one draw in 30,000 cannot stall a test for ever. */
const Z_MAX = 4

function requireMs(value: number, name: string): number {
  if (!Number.isFinite(value) || value < 0)
    throw new InvalidSetting(`latency ${name}: ${value} is not a duration in milliseconds`)
  return value
}

/** A standard normal deviate (Box and Muller). */
function drawNormal(seed: number, index: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - drawUnit(seed, index * 2)))
  return radius * Math.cos(2 * Math.PI * drawUnit(seed, index * 2 + 1))
}

/**
 * Three percentiles over-determine a log-normal, so its logarithm is a line with one bend: the slope up to the 95th
 * percentile comes from the first two, the slope beyond from the last two. All three are met exactly.
 */
function logNormal(p50Ms: number, p95Ms: number, p99Ms: number): LatencySampler {
  if (!(p50Ms > 0 && p50Ms <= p95Ms && p95Ms <= p99Ms)) {
    throw new InvalidSetting(
      `latency log-normal: percentiles must rise from above 0, got ${p50Ms}/${p95Ms}/${p99Ms}`,
    )
  }
  const bodySlope = Math.log(p95Ms / p50Ms) / Z95
  const tailSlope = Math.log(p99Ms / p95Ms) / (Z99 - Z95)
  return (seed, index) => {
    const z = Math.min(Z_MAX, drawNormal(seed, index))
    return z <= Z95 ? p50Ms * Math.exp(bodySlope * z) : p95Ms * Math.exp(tailSlope * (z - Z95))
  }
}

function uniform(minMs: number, maxMs: number): LatencySampler {
  if (requireMs(minMs, 'minimum') > requireMs(maxMs, 'maximum')) {
    throw new InvalidSetting(`latency uniform: ${minMs} is above ${maxMs}`)
  }
  return (seed, index) => minMs + drawUnit(seed, index) * (maxMs - minMs)
}

function constant(ms: number): LatencySampler {
  requireMs(ms, 'constant')
  return () => ms
}

function parts(text: string, separator: string, count: number, shape: string): number[] {
  const values = text.split(separator)
  if (values.length !== count)
    throw new InvalidSetting(`latency: ${JSON.stringify(text)} should be ${shape}`)
  return values.map((value) => parseDurationMs(value, 'latency'))
}

function fromText(text: string): LatencySampler {
  const colon = text.indexOf(':')
  const kind = (colon < 0 ? text : text.slice(0, colon)).trim()
  const rest = colon < 0 ? '' : text.slice(colon + 1)
  if (kind === 'article') return logNormal(ARTICLE.p50Ms, ARTICLE.p95Ms, ARTICLE.p99Ms)
  if (kind === 'uniform') {
    const [min = 0, max = 0] = parts(rest, '-', 2, 'uniform:MIN-MAX')
    return uniform(min, max)
  }
  if (kind === 'log-normal' || kind === 'lognormal') {
    const [p50 = 0, p95 = 0, p99 = 0] = parts(rest, '/', 3, 'log-normal:P50/P95/P99')
    return logNormal(p50, p95, p99)
  }
  if (/^\d/.test(kind)) return constant(parseDurationMs(text, 'latency'))
  throw new InvalidSetting(
    `latency: ${JSON.stringify(text)} is unknown (write article, 250ms, uniform:100ms-300ms or log-normal:180ms/450ms/890ms)`,
  )
}

/** @throws {InvalidSetting} */
export function createLatency(spec: LatencySpec): LatencySampler {
  if (typeof spec === 'number') return constant(spec)
  if (typeof spec === 'string') return fromText(spec)
  if (spec.kind === 'constant') return constant(spec.ms)
  if (spec.kind === 'uniform') return uniform(spec.minMs, spec.maxMs)
  return logNormal(spec.p50Ms, spec.p95Ms, spec.p99Ms)
}
