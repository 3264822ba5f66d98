import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import type { PluginEntity } from '../config/index.ts'
import type { AppliedConfiguration } from './admin-state.ts'
import { describeSchema } from './json-schema.ts'
import { toKongWire, type WireDocument } from './kong-wire.ts'
import { toMaskedConfig, toWireConfig } from './wire-config.ts'

/**
 * Shows configurations in Kong's form, each made once, at the first look: most are never looked at.
 *
 * @param plugins whose schemas tell the defaults.
 */
export function createWireView(
  plugins: readonly AnyPluginDefinition[],
): (applied: AppliedConfiguration) => WireDocument {
  const documents = new WeakMap<AppliedConfiguration, WireDocument>()
  const schemas = new Map(plugins.map(({ name, schema }) => [name, schema]))
  return (applied) => {
    const known = documents.get(applied)
    if (known !== undefined) return known
    const configOf = ({ id, name }: PluginEntity): unknown => {
      const written = applied.writtenConfig(id)
      const schema = schemas.get(name)
      const described = schema === undefined ? undefined : describeSchema(schema)
      return described === undefined ? toMaskedConfig(written) : toWireConfig(described, written)
    }
    const made = toKongWire(applied.entities, Math.floor(applied.appliedAtMs / 1000), configOf)
    documents.set(applied, made)
    return made
  }
}
