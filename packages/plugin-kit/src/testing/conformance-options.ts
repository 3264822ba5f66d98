import type { ContextGiven } from './given-context.ts'
import type { ExchangeGiven } from './given-exchange.ts'

/** A configuration that must be refused. */
export interface InvalidConfigCase {
  readonly config: unknown
  /** Exactly one of the issues' messages. */
  readonly message: string
  /** Where, as `field` or `record.field`; anywhere when absent. */
  readonly path?: string
}

/** A request that must be refused. */
export interface RefusalCase {
  readonly name: string
  /** In place of `validConfig`. */
  readonly config?: unknown
  readonly context?: ContextGiven
  readonly exchange: ExchangeGiven
  /** How often the same request passes first; 0 by default. */
  readonly after?: number
  readonly status: number
  /** The stable code for programs. */
  readonly code: string
  readonly message?: string
}

export interface ConformanceOptions {
  /** As a file would say it: required fields and whatever makes the plugin do its work. */
  readonly validConfig: Readonly<Record<string, unknown>>
  /** What the schema must give for `validConfig`, as far as stated: the documented defaults, in camelCase. */
  readonly defaults?: Readonly<Record<string, unknown>>
  readonly invalidConfigs?: readonly InvalidConfigCase[]
  readonly refusals?: readonly RefusalCase[]
  /** For plugins that need consumers or another compatibility. */
  readonly context?: ContextGiven
}

export interface PluginCheck {
  readonly name: string
  /** Throws an `AssertionError` that says what is wrong. */
  readonly run: () => void | Promise<void>
}
