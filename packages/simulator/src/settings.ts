import type { FaultRule } from './faults/rules.ts'
import { createLatency } from './latency/latency.ts'
import type { LatencySampler, LatencySpec } from './latency/latency.ts'
import { InvalidSetting } from './quantities.ts'
import type { RecorderLimits } from './recording/recorder.ts'

export interface SimulatorOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Default 0: any free port. */
  readonly port?: number
  /** Names all randomness. Default 1. */
  readonly seed?: number
  /** Default: none. */
  readonly latency?: LatencySpec
  /** Pace of streams after their first token. Default: as fast as they are taken. */
  readonly tokensPerSecond?: number
  readonly rules?: readonly FaultRule[]
  /** Default true: up to 10,000 requests and 256 MiB. */
  readonly record?: boolean | { readonly maxRequests: number }
  /** PEM; serves HTTPS instead of HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Tokens of an answer when the prompt does not say. Default 16 to 48. */
  readonly completionTokens?: number | { readonly min: number; readonly max: number }
  /** Default: a dozen well-known names. */
  readonly models?: readonly string[]
  /** Answer 404 for models outside `models`. Default false. */
  readonly strictModels?: boolean
  /** Keys that are accepted; with none, no key is asked for. */
  readonly apiKeys?: readonly string[]
  /** Serve `/__simulator/`. Default true. */
  readonly control?: boolean
  /** Default 128 MiB; a longer request body is refused with 413. */
  readonly maxBodyBytes?: number
}

export interface Settings {
  readonly host: string
  readonly port: number
  readonly seed: number
  readonly latency: LatencySampler
  readonly tokensPerSecond: number | undefined
  readonly rules: readonly FaultRule[]
  readonly recorder: RecorderLimits
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly completionTokens: { readonly min: number; readonly max: number }
  readonly models: readonly string[]
  readonly strictModels: boolean
  readonly apiKeys: readonly string[]
  readonly control: boolean
  readonly maxBodyBytes: number
}

export const DEFAULT_MODELS = [
  'gpt-4.1',
  'gpt-4.1-mini',
  'gpt-4o',
  'gpt-4o-mini',
  'gpt-5',
  'gpt-5-mini',
  'claude-sonnet-4.5',
  'deepseek-v3.2',
  'gemini-2.5-flash',
  'simulator',
  'text-embedding-3-large',
  'text-embedding-3-small',
] // prettier-ignore

const DEFAULT_MAX_REQUESTS = 10_000
const RECORD_MAX_BYTES = 268_435_456
const DEFAULT_MAX_BODY_BYTES = 134_217_728

function whole(value: number, name: string, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidSetting(`${name}: ${value} is not a whole number from ${min} to ${max}`)
  }
  return value
}

function tokenRange(option: SimulatorOptions['completionTokens']): { min: number; max: number } {
  if (option === undefined) return { min: 16, max: 48 }
  const range = typeof option === 'number' ? { min: option, max: option } : option
  whole(range.min, 'completionTokens', 1, 1_000_000)
  whole(range.max, 'completionTokens', range.min, 1_000_000)
  return range
}

function maxRequests(record: SimulatorOptions['record']): number {
  if (record === false) return 0
  if (record === true || record === undefined) return DEFAULT_MAX_REQUESTS
  return whole(record.maxRequests, 'record.maxRequests', 0, 10_000_000)
}

/** Fills in defaults. @throws {InvalidSetting} that names the option and what it allows. */
export function resolveSettings(options: SimulatorOptions): Settings {
  const { tokensPerSecond } = options
  if (tokensPerSecond !== undefined && !(tokensPerSecond > 0 && tokensPerSecond <= 1_000_000)) {
    throw new InvalidSetting(
      `tokensPerSecond: ${tokensPerSecond} is not above 0 and at most 1000000`,
    )
  }
  return {
    host: options.host ?? '127.0.0.1',
    port: whole(options.port ?? 0, 'port', 0, 65_535),
    seed: whole(options.seed ?? 1, 'seed', 0, 0xffffffff),
    latency: createLatency(options.latency ?? 0),
    tokensPerSecond,
    rules: options.rules ?? [],
    recorder: { maxRequests: maxRequests(options.record), maxBytes: RECORD_MAX_BYTES },
    tls: options.tls,
    completionTokens: tokenRange(options.completionTokens),
    models: options.models ?? DEFAULT_MODELS,
    strictModels: options.strictModels ?? false,
    apiKeys: options.apiKeys ?? [],
    control: options.control ?? true,
    maxBodyBytes: whole(
      options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      'maxBodyBytes',
      0,
      Number.MAX_SAFE_INTEGER,
    ),
  }
}
