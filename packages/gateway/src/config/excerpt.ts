import type { Excerpt, Path } from './diagnostics.ts'
import type { Span } from './yaml/positioned-yaml.ts'

/** Field names whose values are never shown (S12). */
const SECRET_FIELD =
  /^(?:.*_)?(?:key|keys|password|secret|token|tokens|passphrase|credential|credentials|authorization|cert_alt|key_alt|header_value|param_value)$/i
/** Names that match the pattern above and hold nothing secret. */
const PUBLIC_FIELDS = new Set([
  'key_names',
  'keyauth_credentials',
  'basicauth_credentials',
  'hmacauth_credentials',
  'oauth2_credentials',
  'oauth2_tokens',
  'keys',
  'hide_credentials',
])

const MASK = '[secret]'
const MAX_WIDTH = 160

export function isSecretField(name: string): boolean {
  return !PUBLIC_FIELDS.has(name) && SECRET_FIELD.test(name)
}

function leadsToSecret(path: Path): boolean {
  return path.some((part) => typeof part === 'string' && isSecretField(part))
}

/** Private-use characters that keep the place of the mark while the text around it is masked. */
const MARK_START = '\u{e000}'
const MARK_END = '\u{e001}'
/** A long line, such as JSON without line feeds, is cut before it is looked at any closer. */
const CONTEXT = 4000

/** The first line of a span, with every value that may be secret masked. */
export function excerptOf(text: string, span: Span, column: number, path: Path): Excerpt {
  const newline = text.indexOf('\n', span.start)
  const lineEnd = Math.min(newline < 0 ? text.length : newline, span.start + CONTEXT)
  const before = text.slice(Math.max(span.start - (column - 1), span.start - CONTEXT), span.start)
  const end = Math.max(span.start, Math.min(span.end, lineEnd))
  const marked = text.slice(span.start, end)
  const after = text.slice(end, lineEnd).replace(/\r$/, '')
  const line = maskMarked(before, marked, after, path).replaceAll('\t', ' ')
  return cutAround(line)
}

function maskMarked(before: string, marked: string, after: string, path: Path): string {
  if (!leadsToSecret(path) || isReference(marked))
    return maskLine(`${before}${MARK_START}${marked}${MARK_END}${after}`)
  // The mark may be on the field's own name, whose value follows it.
  const isKey = /^["']?\s*:/.test(after)
  const hidden = isKey ? marked : MASK
  return `${maskLine(before)}${MARK_START}${hidden}${MARK_END}${isKey ? after.replace(/^(["']?\s*:\s*)\S.*$/, `$1${MASK}`) : maskLine(after)}`
}

function cutAround(line: string): Excerpt {
  const found = line.indexOf(MARK_START)
  const start = found < 0 ? Math.max(0, line.indexOf(MASK)) : found
  const closing = line.indexOf(MARK_END)
  const length = Math.max(1, closing < 0 ? MASK.length : closing - start - 1)
  const bare = line.replaceAll(MARK_START, '').replaceAll(MARK_END, '')
  if (bare.length <= MAX_WIDTH) return { text: bare, column: start + 1, length }
  const from = Math.max(0, Math.min(start - 40, bare.length - MAX_WIDTH))
  const cut = bare.slice(from, from + MAX_WIDTH)
  return {
    text: cut,
    column: start - from + 1,
    length: Math.min(length, cut.length - (start - from)),
  }
}

/** A reference is not the secret itself. */
function isReference(text: string): boolean {
  return /^["']?(?:\$\([A-Z0-9_]+\)|\{vault:[^}]*\})["']?$/.test(
    text.replaceAll(/[\u{e000}\u{e001}]/gu, ''),
  )
}

const FIELD_WITH_VALUE =
  /(["']?)([\w-]+)\1(\s*:\s*)("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^\s,}\]#][^,}#]*)/g

function maskLine(line: string): string {
  return maskSecretText(
    line.replace(
      FIELD_WITH_VALUE,
      (all: string, quote: string, name: string, colon: string, value: string) =>
        isSecretField(name) && !isReference(value) ? `${quote}${name}${quote}${colon}${MASK}` : all,
    ),
  )
}

/** Masks what looks like a secret wherever it stands: credentials in headers and in URLs. */
export function maskSecretText(text: string): string {
  return text
    .replace(/\b(Bearer|Basic|Key)\s+[A-Za-z0-9._~+/=-]{4,}/gi, `$1 ${MASK}`)
    .replace(
      /\b(authorization|x-api-key|api-key|apikey|x-goog-api-key)(\s*[:=]\s*)(?!Bearer|Basic|Key)[^\s"',\]}]+/gi,
      `$1$2${MASK}`,
    )
    .replace(/(:\/\/)[^/\s:@]+:[^/\s@]+@/g, `$1${MASK}@`)
}

/** A copy of a document value with secret members masked. */
export function maskSecrets(value: unknown): unknown {
  if (typeof value === 'string') return maskSecretText(value)
  if (Array.isArray(value)) return value.map(maskSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      isSecretField(name) && member !== null && typeof member !== 'boolean'
        ? maskWhole(member)
        : maskSecrets(member),
    ]),
  )
}

function maskWhole(value: unknown): unknown {
  return Array.isArray(value) ? value.map(() => MASK) : MASK
}
