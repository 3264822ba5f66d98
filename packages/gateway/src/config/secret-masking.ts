/**
 * Keeps secrets out of what is shown of a configuration (S12, S22): by the names of fields, and by the looks of values.
 */
export const MASK = '[secret]'

/** Field names whose values are never shown. */
const SECRET_FIELD =
  /^(?:.*[_-])?(?:key|keys|password|secret|tokens?|passphrase|credentials?|authorization|cert_alt|key_alt|header_value|param_value)$/i
/** Names that look like the ones above and hold nothing secret. */
const PUBLIC_FIELDS: ReadonlySet<string> = new Set([
  'key_names',
  'keys',
  'keyauth_credentials',
  'basicauth_credentials',
  'hmacauth_credentials',
  'oauth2_credentials',
  'oauth2_tokens',
  'hide_credentials',
])

export function isSecretField(name: string): boolean {
  return !PUBLIC_FIELDS.has(name) && SECRET_FIELD.test(name)
}

/** Whether a value at this path is a secret or inside one. */
export function leadsToSecret(path: readonly (string | number)[]): boolean {
  return path.some((part) => typeof part === 'string' && isSecretField(part))
}

/** A reference is not the secret itself. */
export function isReference(text: string): boolean {
  return /^["']?(?:\$\([A-Z_][A-Z0-9_]*\)|\{vault:[^}]*\})["']?$/.test(text)
}

/** Masks what looks like a secret wherever it stands: credentials in headers and in URLs. */
export function maskSecretText(text: string): string {
  return text
    .replaceAll(/\b(Bearer|Basic|Key)\s+[A-Za-z0-9._~+/=-]{4,}/gi, `$1 ${MASK}`)
    .replaceAll(
      /\b(authorization|x-api-key|api-key|apikey|x-goog-api-key)(\s*[:=]\s*)(?!Bearer|Basic|Key)[^\s"',\]}]+/gi,
      `$1$2${MASK}`,
    )
    .replaceAll(/(:\/\/)[^/\s:@]*:[^/\s@]+@/g, `$1${MASK}@`)
}

/** A copy of a document value with secret members masked. */
export function maskSecrets(value: unknown): unknown {
  if (typeof value === 'string') return maskSecretText(value)
  if (Array.isArray(value)) return value.map(maskSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      isSecretField(name) && isConcealable(member) ? maskWhole(member) : maskSecrets(member),
    ]),
  )
}

function isConcealable(value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return false
  return typeof value !== 'string' || !isReference(value)
}

function maskWhole(value: unknown): unknown {
  return Array.isArray(value) ? value.map(() => MASK) : MASK
}

/** The mark that an excerpt puts around what it points at may stand between a name, its colon and its value. */
const FIELD = /["']?([\w-]+)["']?[\u{e000}\u{e001}]?\s*:\s*\u{e000}?/gu

/** Masks the values of secret fields in one line of YAML or JSON. */
export function maskLine(line: string): string {
  let masked = ''
  let done = 0
  for (const match of line.matchAll(FIELD)) {
    const start = match.index + match[0].length
    if (match.index < done || !isSecretField(match[1] ?? '')) continue
    const end = valueEnd(line, start)
    const value = line
      .slice(start, end)
      .replaceAll(/[\u{e000}\u{e001}]/gu, '')
      .trim()
    if (value === '' || isReference(value)) continue
    masked += line.slice(done, start) + MASK
    done = end
  }
  return maskSecretText(masked + line.slice(done))
}

/** Where the value that begins at `start` ends: rather too late than too early. */
function valueEnd(line: string, start: number): number {
  const first = line[start]
  if (first === '"' || first === "'") {
    const close = closingQuote(line, start)
    return close < 0 ? line.length : close + 1
  }
  if (first === '[' || first === '{') return closingBracket(line, start)
  if (!isInFlow(line.slice(0, start))) return line.length
  const stop = /[,}\]]/.exec(line.slice(start))
  return stop === null ? line.length : start + stop.index
}

function closingQuote(line: string, open: number): number {
  const quote = line[open]
  for (let at = open + 1; at < line.length; at++) {
    if (quote === '"' && line[at] === '\\') at++
    else if (line[at] === quote) return at
  }
  return -1
}

function closingBracket(line: string, open: number): number {
  let depth = 0
  for (let at = open; at < line.length; at++) {
    if (line[at] === '[' || line[at] === '{') depth++
    else if ((line[at] === ']' || line[at] === '}') && --depth === 0) return at + 1
  }
  return line.length
}

function isInFlow(before: string): boolean {
  let depth = 0
  for (const character of before) {
    if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1)
  }
  return depth > 0
}
