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

/** The first line of a span, with every value that may be secret masked. */
export function excerptOf(text: string, span: Span, column: number, path: Path): Excerpt {
  const lineStart = span.start - (column - 1)
  const newline = text.indexOf('\n', span.start)
  const lineEnd = newline < 0 ? text.length : newline
  const line = text.slice(lineStart, lineEnd).replace(/\r$/, '').replaceAll('\t', ' ')
  const marked = Math.max(1, Math.min(span.end, lineEnd) - span.start)
  const masked = leadsToSecret(path) ? maskFrom(line, column - 1, marked) : maskLine(line)
  if (masked.length <= MAX_WIDTH) {
    return {
      text: masked,
      column,
      length: Math.max(1, Math.min(marked, masked.length - column + 1)),
    }
  }
  return windowed(masked, column, marked)
}

/** A long line is cut around the marked place. */
function windowed(line: string, column: number, marked: number): Excerpt {
  const start = Math.max(0, Math.min(column - 1 - 40, line.length - MAX_WIDTH))
  const cut = line.slice(start, start + MAX_WIDTH)
  const length = Math.max(1, Math.min(marked, cut.length - (column - 1 - start)))
  return { text: cut, column: column - start, length }
}

function maskFrom(line: string, start: number, marked: number): string {
  const value = line.slice(start, start + marked)
  // The mark may be on the field's own name, whose value follows it.
  const field = /^(["']?[\w-]+["']?\s*:\s*)\S/.exec(line.slice(start))
  if (field !== null) return line.slice(0, start) + (field[1] ?? '') + MASK
  return value === '' ? line : line.slice(0, start) + MASK + maskLine(line.slice(start + marked))
}

const FIELD_WITH_VALUE =
  /(["']?)([\w-]+)\1(\s*:\s*)("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|[^\s,}\]#][^,}#]*)/g

function maskLine(line: string): string {
  return maskSecretText(
    line.replace(FIELD_WITH_VALUE, (all: string, quote: string, name: string, colon: string) =>
      isSecretField(name) ? `${quote}${name}${quote}${colon}${MASK}` : all,
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
