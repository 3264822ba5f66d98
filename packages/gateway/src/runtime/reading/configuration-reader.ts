import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import {
  parseConfiguration,
  unpackConfiguration,
  unpackWrittenConfigs,
  type ConfigurationPack,
  type ConfigurationSource,
  type Diagnostic,
  type Entities,
  type NodeSettings,
} from '../../config/index.ts'
import { ReaderThreadFailed, readInThread } from './reader-thread.ts'

/** A validated configuration. */
export interface ReadConfiguration {
  readonly entities: Entities
  readonly warnings: readonly Diagnostic[]
  /** MD5 of the text in hex: Kong's `configuration_hash`. */
  readonly hash: string
  /** A plugin's `config` as its author wrote it, references unresolved. */
  readonly writtenConfig: (pluginId: string) => unknown
  /** For other threads: see `unpackConfiguration`. */
  readonly portions: () => readonly Uint8Array[]
}

export type Reading =
  | { readonly ok: true; readonly configuration: ReadConfiguration }
  | { readonly ok: false; readonly message: string; readonly problems: readonly Diagnostic[] }

export interface ConfigurationReaderDeps {
  readonly settings: NodeSettings
  readonly plugins: readonly AnyPluginDefinition[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Texts up to this length together are parsed here and now; beyond it, in a thread of their own. */
  readonly inlineBytes?: number
}

/** Parsed in some milliseconds; a thread would take a tenth of a second to start. */
const INLINE_BYTES = 32 * 1024

const INVALID = 'the configuration is not valid'

/** Validates configurations without holding up the requests that this thread may be serving. */
export class ConfigurationReader {
  readonly #deps: ConfigurationReaderDeps

  constructor(deps: ConfigurationReaderDeps) {
    this.#deps = deps
  }

  read(sources: readonly ConfigurationSource[]): Promise<Reading> {
    const length = sources.reduce((sum, { text }) => sum + text.length, 0)
    const inline = length <= (this.#deps.inlineBytes ?? INLINE_BYTES)
    return inline ? Promise.resolve(this.#readHere(sources)) : this.#readElsewhere(sources)
  }

  #readHere(sources: readonly ConfigurationSource[]): Reading {
    const { settings, plugins, environment } = this.#deps
    const parsed = parseConfiguration(sources, {
      plugins,
      enabledPlugins: settings.plugins,
      environment,
      compatibility: settings.compatibility,
      ...(settings.configurationLimits === undefined
        ? {}
        : { limits: settings.configurationLimits }),
    })
    if (!parsed.ok) return { ok: false, message: INVALID, problems: parsed.problems }
    const { entities, warnings, hash, writtenConfig } = parsed
    let portions: readonly Uint8Array[] | undefined
    return {
      ok: true,
      configuration: {
        entities,
        warnings,
        hash,
        writtenConfig,
        portions: () => (portions ??= parsed.pack().portions),
      },
    }
  }

  async #readElsewhere(sources: readonly ConfigurationSource[]): Promise<Reading> {
    const { settings, environment } = this.#deps
    try {
      const outcome = await readInThread({ sources, settings, environment })
      return outcome.ok
        ? { ok: true, configuration: await this.#unpack(outcome.pack) }
        : { ok: false, message: INVALID, problems: outcome.problems }
    } catch (error) {
      if (!(error instanceof ReaderThreadFailed)) throw error
      return { ok: false, message: error.message, problems: [] }
    }
  }

  async #unpack(pack: ConfigurationPack): Promise<ReadConfiguration> {
    const { portions, writtenConfigs, warnings, hash } = pack
    const entities = await unpackConfiguration(pack, { plugins: this.#deps.plugins })
    let written: ReadonlyMap<string, unknown> | undefined
    return {
      entities,
      warnings,
      hash,
      // Kept packed: most configurations are never looked at.
      writtenConfig: (id) => (written ??= unpackWrittenConfigs(writtenConfigs)).get(id),
      portions: () => portions,
    }
  }
}
