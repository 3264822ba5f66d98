import type { Path, Problem } from '../diagnostics.ts'
import { isSecretField } from '../secret-masking.ts'
import type { Subject } from './subject.ts'

interface Secret {
  readonly path: Path
  /** The member that holds it: `key`, `api_key`, … */
  readonly field: string
}

const UNREAD = new Set(['_comment', '_ignore'])
const REFERENCE = /\$\([A-Z_][A-Z0-9_]*\)|^\{vault:\/\//
/** Credentials inside other text: a header to add, an address. */
const EMBEDDED = /\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}|:\/\/[^/\s:@]+:[^/\s@]+@/
/** Public by nature, or told apart by a field beside them. */
const PUBLIC = new Set(['cert', 'key_sha256', 'rsa_public_key'])

// The `key` of a JWT credential is the name of its issuer, which every token shows.
const PUBLIC_KINDS = new Set(['jwt_secrets key'])

/** Secrets that anybody who can read the file can read; one problem for each kind. */
export function plaintextSecret(subject: Subject): readonly Problem[] {
  const byKind = new Map<string, Secret[]>()
  for (const secret of secretsIn(subject.root, [])) {
    const kind = kindOf(secret)
    if (PUBLIC_KINDS.has(kind)) continue
    const known = byKind.get(kind)
    if (known === undefined) byKind.set(kind, [secret])
    else known.push(secret)
  }
  return [...byKind].map(([kind, secrets]) => problemFor(kind, secrets))
}

function* secretsIn(value: unknown, path: Path): Generator<Secret> {
  const field = path.findLast((part) => typeof part === 'string') ?? ''
  if (typeof value === 'string') {
    if (REFERENCE.test(value) || value === '' || PUBLIC.has(String(field))) return
    if (isSecretField(String(field)) || EMBEDDED.test(value)) yield { path, field: String(field) }
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (UNREAD.has(key)) continue
    yield* secretsIn(member, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** The collection and the field: what one fix is good for. */
function kindOf({ path, field }: Secret): string {
  const collection = path.findLast(
    (part, i) => typeof part === 'string' && typeof path[i + 1] === 'number' && i < path.length - 2,
  )
  return `${String(collection ?? '')} ${field}`
}

function problemFor(kind: string, secrets: readonly Secret[]): Problem {
  const { path, field } = secrets[0] ?? { path: [], field: '' }
  const count = secrets.length
  const what = count === 1 ? `'${field}' is` : `'${field}' and ${count - 1} more like it are`
  const isConsumerKey = kind === 'keyauth_credentials key'
  return {
    severity: 'advice',
    code: 'plaintext-secret',
    path,
    message: `${what} written in plain text: whoever can read the file or its history has the secret`,
    hint: isConsumerKey
      ? "keep only the key's hash, which `pratu keys new` prints beside a new key, or take it from the environment. A key that was ever shared should be replaced"
      : 'take it from the environment, which a Kubernetes Secret can fill',
    fix: isConsumerKey
      ? [
          'keyauth_credentials:',
          '- key_sha256: <64 hexadecimal digits from `pratu keys new`>',
        ].join('\n')
      : referenceFor(path, field),
  }
}

function referenceFor(path: Path, field: string): string {
  const variable = variableFor(path)
  const vault = variable.toLowerCase().replaceAll('_', '-')
  return `${field}: $(${variable})   # or "{vault://env/${vault}}"`
}

/** A name that says what the secret is for: `REDIS_PASSWORD`, `JWT_SECRET`. */
function variableFor(path: Path): string {
  const entry = path.findLastIndex((part, i) => typeof part === 'number' && i < path.length - 1)
  const members = path.slice(entry + 1).filter((part) => typeof part === 'string')
  const words = members.filter((part) => part !== 'config')
  const collection = path[entry - 1]
  if (words.length === 1 && typeof collection === 'string' && collection !== 'plugins') {
    words.unshift(collection.replace(/(?:_.*|s)$/, ''))
  }
  return words
    .join('_')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase()
}
