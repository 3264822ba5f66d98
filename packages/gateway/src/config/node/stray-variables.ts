import { didYouMean } from '../suggest.ts'
import type { SettingReader, Environment } from './setting-reader.ts'
import { KONG_VARIABLES, PRATU_VARIABLES } from './variables.ts'

/** Kubernetes describes each Service of the namespace like this to every pod; a Service may be called `pratu`. */
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/

/**
 * Variables with our prefix that are no setting are mistakes; with Kong's prefix they are named once, never silently
 * ignored (architecture §4).
 */
export function judgeStrayVariables(environment: Environment, reader: SettingReader): void {
  for (const name of Object.keys(environment).toSorted()) {
    if (SERVICE_LINK.test(name)) continue
    if (name.startsWith('PRATU_') && !PRATU_VARIABLES.has(name)) {
      const hint = didYouMean(name, PRATU_VARIABLES) ?? 'docs/node-settings.md has the list'
      reader.problems.push(`${name}: there is no such setting; ${hint}`)
    }
    if (name.startsWith('KONG_') && !KONG_VARIABLES.has(name)) reader.warn(kongWarning(name))
  }
}

function kongWarning(name: string): string {
  const bare = name.replace(/^KONG_(?=KONG_)/, '')
  if (bare !== name && KONG_VARIABLES.has(bare))
    return `${name} has no meaning here; the prefix is doubled: ${bare} was probably meant`
  const hint = didYouMean(name, KONG_VARIABLES)
  return `${name} has no meaning here and is ignored${hint === undefined ? '' : `; ${hint}`}`
}
