import type { Handler, Plugin } from '@pratu/plugin-kit'

/** A plugin instance in its place among others. */
export interface BoundPlugin {
  /** The plugin entity's id. */
  readonly id: string
  readonly name: string
  readonly priority: number
  readonly plugin: Plugin
}

/** The plugins of a request, an array per phase; interned per distinct set of plugins. */
export interface Plan {
  /** Everything selected, in phase order. */
  readonly plugins: readonly BoundPlugin[]
  readonly rewrite: readonly Plugin[]
  /** The plugins with an `access` phase or holds, in order. */
  readonly access: readonly BoundPlugin[]
  /** Index in `access` before which all holds are asked for together; -1 without a limiting plugin. */
  readonly admissionAt: number
  readonly limiters: readonly Plugin[]
  /** The plugins that limit what upstream calls use. */
  readonly spenders: readonly Plugin[]
  readonly responseHeaders: readonly Plugin[]
  readonly responseBody: readonly Plugin[]
  readonly log: readonly Plugin[]
  /** The service's handler, wrapped by every plugin that wraps; the highest priority outermost. */
  readonly handler: Handler
}

/** Phase order: priority descending, ties by name descending (kong.md §2.10). */
export function comparePlugins(a: BoundPlugin, b: BoundPlugin): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  return a.name < b.name ? 1 : a.name > b.name ? -1 : 0
}

/** @param handler what answers when every plugin let the request pass. */
export function compilePlan(selected: readonly BoundPlugin[], handler: Handler): Plan {
  const plugins = selected.toSorted(comparePlugins)
  const only = (phase: keyof Plugin): Plugin[] =>
    plugins.filter(({ plugin }) => plugin[phase] !== undefined).map(({ plugin }) => plugin)
  const access = plugins.filter(
    ({ plugin }) => plugin.access !== undefined || plugin.holds !== undefined,
  )
  return {
    plugins,
    rewrite: only('rewrite'),
    access,
    admissionAt: access.findIndex(({ plugin }) => plugin.holds !== undefined),
    limiters: only('holds'),
    spenders: only('spends'),
    responseHeaders: only('responseHeaders'),
    responseBody: only('responseBody'),
    log: only('log'),
    handler: plugins.reduceRight((next, { plugin }) => plugin.wrap?.(next) ?? next, handler),
  }
}
