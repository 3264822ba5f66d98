import { deserialize, serialize } from 'node:v8'
import { setImmediate } from 'node:timers/promises'
import type { AnyPluginDefinition } from '@pratu/plugin-kit'

import type { Diagnostic } from './diagnostics.ts'
import { type Entities, type PluginEntity, type Provider, type Route, Secret } from './entities.ts'
import type { LoadedEntities } from './load-entities.ts'
import { type ConfigSource, validateConfig } from './plugin-configs.ts'
import { emptyLists, type EntityLists } from './schema/collection.ts'
import { freezeDeep, freezeEntities, NO_HEADERS, shared } from './shared-values.ts'

/**
 * A validated configuration on its way to another thread. What cannot travel, typed plugin configurations and
 * `Secret`s, is made anew there; everything else arrives as it was, ids included. It holds resolved secrets as plain
 * text: pass it on in memory only.
 */
export interface ConfigurationPack {
  /** Entities in portions that take a few milliseconds each to read. Their buffers may be transferred. */
  readonly portions: readonly Uint8Array<ArrayBuffer>[]
  /** For {@link unpackWrittenConfigs}. */
  readonly writtenConfigs: Uint8Array<ArrayBuffer>
  readonly warnings: readonly Diagnostic[]
  readonly hash: string
}

export interface UnpackOptions {
  /** The same definitions as where the configuration was validated. */
  readonly plugins: readonly AnyPluginDefinition[]
  /** How long to go on before the event loop gets its turn. */
  readonly sliceMs?: number
}

const ROWS_PER_PORTION = 100
const DEFAULT_SLICE_MS = 5

type PackedPlugin = Omit<PluginEntity, 'config'> & { readonly config: number }
type PackedProvider = Omit<Provider, 'apiKeys'> & { readonly apiKeys: readonly string[] }

interface PortionRows extends Omit<EntityLists, 'compatibility' | 'plugins' | 'providers'> {
  readonly plugins: readonly PackedPlugin[]
  readonly providers: readonly PackedProvider[]
  readonly configs: readonly ConfigSource[]
}

type Portion =
  | { readonly kind: 'head'; readonly compatibility: Entities['compatibility'] }
  | {
      [K in keyof PortionRows]: { readonly kind: K; readonly rows: PortionRows[K] }
    }[keyof PortionRows]

/** Divides what was loaded into portions. */
export function packEntities({
  entities,
  configSources,
  configNumbers,
}: Pick<
  LoadedEntities,
  'entities' | 'configSources' | 'configNumbers'
>): Uint8Array<ArrayBuffer>[] {
  const { compatibility, plugins, providers, ...others } = entities
  const portions: Portion[] = [{ kind: 'head', compatibility }]
  const divide = <T>(rows: readonly T[], toPortion: (rows: T[]) => Portion) => {
    for (let start = 0; start < rows.length; start += ROWS_PER_PORTION)
      portions.push(toPortion(rows.slice(start, start + ROWS_PER_PORTION)))
  }
  divide(configSources, (rows) => ({ kind: 'configs', rows }))
  divide(
    plugins.map((plugin, index) => ({ ...plugin, config: configNumbers[index] ?? -1 })),
    (rows) => ({ kind: 'plugins', rows }),
  )
  divide(
    providers.map((one) => ({ ...one, apiKeys: one.apiKeys.map((key) => key.reveal()) })),
    (rows) => ({ kind: 'providers', rows }),
  )
  divide(others.services, (rows) => ({ kind: 'services', rows }))
  divide(others.routes, (rows) => ({ kind: 'routes', rows }))
  divide(others.upstreams, (rows) => ({ kind: 'upstreams', rows }))
  divide(others.consumers, (rows) => ({ kind: 'consumers', rows }))
  divide(others.credentials, (rows) => ({ kind: 'credentials', rows }))
  divide(others.certificates, (rows) => ({ kind: 'certificates', rows }))
  divide(others.caCertificates, (rows) => ({ kind: 'caCertificates', rows }))
  return portions.map((portion) => new Uint8Array(serialize(portion)))
}

/** Packs the configurations of plugins as they were written, for whoever shows them. */
export function packWrittenConfigs(
  plugins: readonly Pick<PluginEntity, 'id'>[],
  writtenConfig: (pluginId: string) => unknown,
): Uint8Array<ArrayBuffer> {
  const written = new Map<string, unknown>()
  for (const { id } of plugins) {
    const config = writtenConfig(id)
    if (config !== undefined) written.set(id, config)
  }
  return new Uint8Array(serialize(written))
}

/** What {@link packWrittenConfigs} packed, by plugin id. */
export function unpackWrittenConfigs(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  const written: unknown = deserialize(bytes)
  if (!(written instanceof Map)) throw new TypeError('these are no written configurations')
  return written
}

/**
 * Makes entities from a pack in slices, so that a serving event loop is never held up for long.
 *
 * @throws {Error} when a plugin is missing here or judges differently: the threads do not run the same program.
 */
export async function unpackConfiguration(
  pack: { readonly portions: readonly Uint8Array[] },
  { plugins, sliceMs = DEFAULT_SLICE_MS }: UnpackOptions,
): Promise<Entities> {
  const unpacking = new Unpacking(plugins)
  let sliceStartedAt = performance.now()
  for (const bytes of pack.portions) {
    unpacking.add(bytes)
    if (performance.now() - sliceStartedAt < sliceMs) continue
    await setImmediate()
    sliceStartedAt = performance.now()
  }
  return freezeEntities(unpacking.lists)
}

class Unpacking {
  readonly lists: EntityLists = emptyLists('pratu')
  private readonly definitions: ReadonlyMap<string, AnyPluginDefinition>
  private readonly configs: unknown[] = []

  constructor(plugins: readonly AnyPluginDefinition[]) {
    this.definitions = new Map(plugins.map((plugin) => [plugin.name, plugin]))
  }

  add(bytes: Uint8Array): void {
    const portion: unknown = deserialize(bytes)
    if (!isPortion(portion)) throw new TypeError('this is no portion of a configuration')
    const { lists } = this
    switch (portion.kind) {
      case 'head':
        lists.compatibility = portion.compatibility
        break
      case 'configs':
        for (const source of portion.rows) this.configs.push(this.config(source))
        break
      case 'plugins':
        for (const row of portion.rows)
          lists.plugins.push(settled({ ...row, config: this.configs[row.config] }))
        break
      case 'providers':
        for (const row of portion.rows)
          lists.providers.push({ ...row, apiKeys: row.apiKeys.map((key) => new Secret(key)) })
        break
      case 'routes':
        for (const row of portion.rows) lists.routes.push(settledRoute(row))
        break
      case 'services':
        for (const row of portion.rows)
          lists.services.push(settled({ ...row, caCertificateIds: shared(row.caCertificateIds) }))
        break
      case 'upstreams':
        for (const row of portion.rows) lists.upstreams.push(freezeDeep(row))
        break
      case 'consumers':
        for (const row of portion.rows)
          lists.consumers.push(settled({ ...row, groups: shared(row.groups) }))
        break
      case 'credentials':
        lists.credentials.push(...portion.rows)
        break
      case 'certificates':
        for (const row of portion.rows) lists.certificates.push({ ...row, snis: shared(row.snis) })
        break
      case 'caCertificates':
        lists.caCertificates.push(...portion.rows)
        break
    }
  }

  private config({ plugin, config }: ConfigSource): unknown {
    const definition = this.definitions.get(plugin)
    const result = definition === undefined ? undefined : validateConfig(definition, config)
    if (result === undefined || result.issues !== undefined)
      throw new Error(`the plugin '${plugin}' is not the same here as where it was validated`)
    return freezeDeep(result.value)
  }
}

function settled<E extends { readonly tags: readonly string[] }>(entity: E): E {
  return Object.freeze({ ...entity, tags: shared(entity.tags) })
}

const BOTH: Route['protocols'] = Object.freeze<Route['protocols'][number][]>(['http', 'https'])

function settledRoute(row: Route): Route {
  const isDefault = row.protocols.length === 2 && row.protocols.every((one, i) => one === BOTH[i])
  return settled({
    ...row,
    protocols: isDefault ? BOTH : shared(row.protocols),
    hosts: shared(row.hosts),
    paths: shared(row.paths),
    methods: shared(row.methods),
    headers: row.headers.size === 0 ? NO_HEADERS : row.headers,
    snis: shared(row.snis),
  })
}

/** Portions come from {@link packEntities} of the same program: the kind tells the rest. */
function isPortion(value: unknown): value is Portion {
  return typeof value === 'object' && value !== null && 'kind' in value
}
