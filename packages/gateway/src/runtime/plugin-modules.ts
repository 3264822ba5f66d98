import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import { bundledPlugins } from '../plugins/index.ts'

/** A module named by `PRATU_PLUGIN_MODULES` could not be used; the message says which and why. */
export class PluginModuleError extends Error {
  override readonly name = 'PluginModuleError'
}

/**
 * The bundled plugins and those of third parties.
 *
 * @param modules npm package names, or paths that begin with `.` or `/`; each exports its definitions by any names.
 * @throws {PluginModuleError} when a module cannot be loaded, has no plugin, or takes a name that is taken.
 */
export async function loadPlugins(
  modules: readonly string[],
): Promise<readonly AnyPluginDefinition[]> {
  const plugins = [...bundledPlugins]
  const names = new Set(plugins.map(({ name }) => name))
  for (const module of modules) {
    for (const definition of await definitionsOf(module)) {
      if (names.has(definition.name)) {
        throw new PluginModuleError(
          `plugin module '${module}': the plugin name '${definition.name}' is taken`,
        )
      }
      names.add(definition.name)
      plugins.push(definition)
    }
  }
  return plugins
}

async function definitionsOf(module: string): Promise<readonly AnyPluginDefinition[]> {
  const isPath = module.startsWith('.') || module.startsWith('/')
  const specifier = isPath ? pathToFileURL(resolve(module)).href : module
  let exported: unknown
  try {
    exported = await import(specifier)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PluginModuleError(`plugin module '${module}' cannot be loaded: ${reason}`, { cause })
  }
  const definitions = Object.values(exported as object).filter(isDefinition)
  if (definitions.length === 0) {
    throw new PluginModuleError(
      `plugin module '${module}' exports no plugin (see docs/plugin-development.md)`,
    )
  }
  return definitions
}

function isDefinition(value: unknown): value is AnyPluginDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'priority' in value &&
    typeof value.priority === 'number' &&
    'create' in value &&
    typeof value.create === 'function' &&
    'schema' in value
  )
}
