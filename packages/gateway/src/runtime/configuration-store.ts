import {
  ConfigurationUnreadable,
  readConfigurationSources,
  type ConfigurationLocation,
  type ConfigurationSource,
  type Diagnostic,
  type Entities,
} from '../config/index.ts'
import type { Logger, Metrics } from '../observe/index.ts'
import type { Fleet } from './fleet.ts'
import type { ConfigurationReader } from './reading/configuration-reader.ts'
import { digestOf } from './source-digest.ts'

export type Origin = 'start' | 'file' | 'signal' | 'admin'

/** A configuration in use. */
export interface Applied {
  readonly entities: Entities
  readonly hash: string
  /** A plugin's `config` as its author wrote it. */
  readonly writtenConfig: (pluginId: string) => unknown
  /** Of what was read, name by name: see `digestOf`. */
  readonly digest: string
  readonly generation: number
  readonly appliedAtMs: number
}

/** Why the last attempt failed; the previous configuration serves on. */
export interface ReloadFailure {
  readonly atMs: number
  readonly origin: Origin
  readonly message: string
  readonly problems: readonly Diagnostic[]
}

export type ApplyResult =
  | { readonly ok: true; readonly applied: Applied; readonly unchanged: boolean }
  | { readonly ok: false; readonly failure: ReloadFailure }

export interface ConfigurationStoreDeps {
  readonly reader: ConfigurationReader
  readonly fleet: Fleet
  readonly logger: Logger
  readonly metrics: Metrics
}

/** `/status` and `pratu check` have them all. */
const LOGGED_PROBLEMS = 20

/** Holds the configuration in use, and replaces it whole or not at all (F54, F55). */
export class ConfigurationStore {
  readonly #deps: ConfigurationStoreDeps
  #current: Applied | undefined
  #failure: ReloadFailure | undefined
  #generation = 0
  /** Applications run one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #busy = false

  constructor(deps: ConfigurationStoreDeps) {
    this.#deps = deps
    const { metrics } = deps
    metrics.gauge('pratu_config_generation').set(0)
  }

  get current(): Applied | undefined {
    return this.#current
  }

  /** The last attempt's failure; `undefined` after a success. */
  get failure(): ReloadFailure | undefined {
    return this.#failure
  }

  /** Whether a configuration is being applied right now. */
  get busy(): boolean {
    return this.#busy
  }

  /** Reads the configured file or text again and applies it. */
  load(location: ConfigurationLocation, origin: Origin): Promise<ApplyResult> {
    return this.#enqueue(origin, async () => {
      const sources = await readConfigurationSources(location)
      return this.#apply(sources, origin)
    })
  }

  apply(sources: readonly ConfigurationSource[], origin: Origin): Promise<ApplyResult> {
    return this.#enqueue(origin, () => this.#apply(sources, origin))
  }

  /** Whatever goes wrong, the configuration in use serves on. */
  #enqueue(origin: Origin, run: () => Promise<ApplyResult>): Promise<ApplyResult> {
    const result = this.#last.then(async () => {
      this.#busy = true
      try {
        return await run()
      } catch (error) {
        if (error instanceof ConfigurationUnreadable) return this.#failed(origin, error.message, [])
        this.#deps.logger.error('a defect while a configuration was applied', { error })
        return this.#failed(origin, messageOf(error), [])
      } finally {
        this.#busy = false
      }
    })
    this.#last = result
    return result
  }

  async #apply(sources: readonly ConfigurationSource[], origin: Origin): Promise<ApplyResult> {
    const { reader, fleet } = this.#deps
    const digest = digestOf(sources)
    // Whoever asks for a reload gets one; a file that was only touched makes no new generation.
    if (origin === 'file' && digest === this.#current?.digest) return this.#unchanged(this.#current)
    const reading = await reader.read(sources)
    if (!reading.ok) return this.#failed(origin, reading.message, reading.problems)
    const { entities, hash, writtenConfig, warnings, portions } = reading.configuration
    // A number that was given to a refused configuration is not used again: threads may still know it.
    const generation = ++this.#generation
    try {
      await fleet.prepare({ generation, entities, portions })
    } catch (error) {
      fleet.abort(generation)
      return this.#failed(origin, messageOf(error), [])
    }
    fleet.commit(generation)
    const applied = { entities, hash, digest, writtenConfig, generation, appliedAtMs: Date.now() }
    return this.#succeeded(applied, warnings, origin)
  }

  /** What stands there is what serves: an earlier failure is over. */
  #unchanged(applied: Applied): ApplyResult {
    const { metrics, logger } = this.#deps
    if (this.#failure !== undefined)
      logger.info('the configuration in use is the current one again')
    this.#failure = undefined
    metrics.gauge('pratu_config_stale_since_seconds').set(0)
    return { ok: true, applied, unchanged: true }
  }

  #succeeded(applied: Applied, warnings: readonly Diagnostic[], origin: Origin): ApplyResult {
    const { metrics, logger } = this.#deps
    this.#current = applied
    this.#failure = undefined
    metrics.counter('pratu_config_reloads_total', ['success']).add(1)
    metrics.gauge('pratu_config_generation').set(applied.generation)
    metrics.gauge('pratu_config_last_applied_timestamp_seconds').set(applied.appliedAtMs / 1000)
    metrics.gauge('pratu_config_stale_since_seconds').set(0)
    const { services, routes, consumers, plugins } = applied.entities
    logger.info('configuration applied', {
      origin,
      generation: applied.generation,
      hash: applied.hash,
      services: services.length,
      routes: routes.length,
      consumers: consumers.length,
      plugins: plugins.length,
    })
    for (const { message, file, line, path } of warnings) {
      logger.warn(message, { file, line, path })
    }
    return { ok: true, applied, unchanged: false }
  }

  #failed(origin: Origin, message: string, problems: readonly Diagnostic[]): ApplyResult {
    const { metrics, logger } = this.#deps
    const failure: ReloadFailure = { atMs: Date.now(), origin, message, problems }
    this.#failure ??= failure
    this.#failure = { ...failure, atMs: this.#failure.atMs }
    metrics.counter('pratu_config_reloads_total', ['failure']).add(1)
    metrics.gauge('pratu_config_stale_since_seconds').set(this.#failure.atMs / 1000)
    if (origin !== 'start') {
      logger.error('the configuration was refused, the previous one serves on', {
        origin,
        reason: message,
        problem_count: problems.length,
        problems: problems
          .slice(0, LOGGED_PROBLEMS)
          .map(({ file, line, path, message: text }) => ({ file, line, path, message: text })),
      })
    }
    return { ok: false, failure }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
