import type { Path, Problem } from './diagnostics.ts'
import type { RawRecord } from './document.ts'
import { didYouMean } from './suggest.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface Substitution {
  readonly root: RawRecord
  readonly problems: readonly Problem[]
  /** Puts the references back into a text that shows what they stand for. */
  conceal(text: string): string
}

/** Only upper-case names: `$(headers.x)` belongs to the request-transformer. */
const VARIABLE = /\$\(([A-Z_][A-Z0-9_]*)\)/g
const VAULT = /^\{vault:\/\/([^{}]+)\}$/

/** Members that nothing reads, so that nothing in them needs resolving. */
const UNREAD = new Set(['_comment', '_ignore'])

/**
 * Resolves `$(NAME)` inside any text and `{vault://env/name}` where it is the whole text (architecture §4, kong.md
 * §1.9). Unlike Kong, which leaves an empty text behind, an unresolved one is an error. The document itself stays as it
 * was, so that `GET /config` shows references.
 */
export function substituteReferences(root: RawRecord, environment: Environment): Substitution {
  const resolver = new Resolver(environment, vaultsOf(root))
  const resolved: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(root))
    resolved[key] = UNREAD.has(key) || key === 'vaults' ? value : resolver.value(value, [key])
  return {
    root: resolved,
    problems: resolver.problems,
    conceal: (text) => resolver.conceal(text),
  }
}

function vaultsOf(root: RawRecord): ReadonlyMap<string, string> {
  const prefixes = new Map([['env', '']])
  const vaults = root['vaults']
  if (!Array.isArray(vaults)) return prefixes
  for (const vault of vaults) {
    // A malformed vault is reported by its own schema.
    if (!isRecord(vault) || typeof vault['prefix'] !== 'string') continue
    const config = vault['config']
    const prefix = isRecord(config) ? config['prefix'] : undefined
    prefixes.set(vault['prefix'], typeof prefix === 'string' ? prefix : '')
  }
  return prefixes
}

function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

class Resolver {
  readonly problems: Problem[] = []
  private readonly environment: Environment
  private readonly vaults: ReadonlyMap<string, string>
  private readonly resolved = new Map<string, string>()

  constructor(environment: Environment, vaults: ReadonlyMap<string, string>) {
    this.environment = environment
    this.vaults = vaults
  }

  /** Answers the same value when nothing in it had to be resolved. */
  value(value: unknown, path: Path): unknown {
    if (typeof value === 'string') return this.text(value, path)
    if (typeof value !== 'object' || value === null) return value
    let changed: Map<string | number, unknown> | undefined
    for (const [key, member] of Object.entries(value)) {
      if (typeof member === 'string' ? !mayRefer(member) : typeof member !== 'object') continue
      if (UNREAD.has(key)) continue
      const part = Array.isArray(value) ? Number(key) : key
      const result = this.value(member, [...path, part])
      if (result !== member) (changed ??= new Map()).set(part, result)
    }
    if (changed === undefined) return value
    if (Array.isArray(value)) return value.map((item: unknown, index) => changed.get(index) ?? item)
    return { ...value, ...Object.fromEntries(changed) }
  }

  private text(text: string, path: Path): string {
    if (!mayRefer(text)) return text
    const vault = VAULT.exec(text)
    if (vault?.[1] !== undefined) return this.remember(text, this.vault(text, vault[1], path))
    const problemCount = this.problems.length
    const result = text.replaceAll(VARIABLE, (reference, name: string) => {
      const value = this.environment[name]
      if (value !== undefined) return this.remember(reference, value) ?? reference
      this.unresolved(reference, name, path)
      return reference
    })
    return this.problems.length === problemCount ? result : text
  }

  private remember(reference: string, value: string | undefined): string {
    if (value === undefined) return reference
    if (value !== '') this.resolved.set(value, reference)
    return value
  }

  private vault(reference: string, body: string, path: Path): string | undefined {
    const parsed = parseVaultReference(body)
    if (parsed === undefined) {
      this.report(reference, path, 'is not a vault reference', 'write {vault://env/my-variable}')
      return undefined
    }
    const vaultPrefix = this.vaults.get(parsed.vault)
    if (vaultPrefix === undefined) {
      const hint = didYouMean(parsed.vault, this.vaults.keys())
      this.report(reference, path, `names the vault '${parsed.vault}', which does not exist`, hint)
      return undefined
    }
    const name = variableName(parsed.prefix ?? vaultPrefix, parsed)
    const value = this.environment[name]
    if (value === undefined) {
      this.unresolved(reference, name, path)
      return undefined
    }
    if (parsed.subkey === undefined) return value
    const member = memberOf(value, parsed.subkey)
    if (member === undefined)
      this.report(
        reference,
        path,
        `needs the environment variable ${name} to be a flat JSON object with the text '${parsed.subkey}'`,
      )
    return member
  }

  private unresolved(reference: string, name: string, path: Path): void {
    const near = didYouMean(name, Object.keys(this.environment))
    this.report(
      reference,
      path,
      `cannot be resolved: the environment variable ${name} is not set`,
      near === undefined ? `set ${name} before the gateway starts` : near,
    )
  }

  private report(reference: string, path: Path, what: string, hint?: string): void {
    this.problems.push({
      severity: 'error',
      code: 'unresolved-reference',
      path,
      message: `${reference} ${what}`,
      hint,
    })
  }

  conceal(text: string): string {
    let concealed = text
    // Shorter values occur by chance: replacing them would garble the message.
    for (const [value, reference] of this.resolved)
      if (value.length >= 4) concealed = concealed.replaceAll(value, reference)
    return concealed
  }
}

function mayRefer(text: string): boolean {
  return text.includes('$(') || text.startsWith('{vault://')
}

interface VaultReference {
  readonly vault: string
  readonly resource: string
  readonly subkey: string | undefined
  readonly prefix: string | undefined
  readonly version: number
}

/** `<vault>/<resource>[/<subkey>][?prefix=…][#version]` */
function parseVaultReference(body: string): VaultReference | undefined {
  const match = /^([a-z][a-z0-9-]*)\/([^/?#]+)(?:\/([^/?#]+))?(?:\?([^#]*))?(?:#(\d+))?$/i.exec(
    body,
  )
  if (match === null) return undefined
  const [, vault = '', resource = '', subkey, query, version] = match
  const prefix = new URLSearchParams(query ?? '').get('prefix') ?? undefined
  return { vault, resource, subkey, prefix, version: Number(version ?? 1) }
}

function variableName(prefix: string, { resource, version }: VaultReference): string {
  const name = `${prefix}${resource}`.replaceAll('-', '_').toUpperCase()
  return version === 2 ? `${name}_PREVIOUS` : name
}

function memberOf(json: string, subkey: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const member = isRecord(value) && Object.hasOwn(value, subkey) ? value[subkey] : undefined
  return typeof member === 'string' ? member : undefined
}
