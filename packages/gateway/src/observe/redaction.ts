import { lowerCaseName } from '../http/index.ts'
import { SHOW_ALL, type FieldRule } from './field-rule.ts'

export const REDACTED = 'REDACTED'

/** Header fields that carry credentials with some client, provider or cloud (S22). Lower case. */
const SECRET_HEADERS: readonly string[] = [
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'apikey',
  'api-key',
  'x-apikey',
  'x-goog-api-key',
  'ocp-apim-subscription-key',
  'x-amz-security-token',
  'x-auth-token',
  'x-access-token',
  'kong-admin-token',
  'cookie',
  'set-cookie',
  'proxy-authenticate',
  'authentication-info',
]

/** Query parameters that carry credentials; `key` is Gemini's. Lower case. */
const SECRET_PARAMETERS: readonly string[] = [
  'key',
  'apikey',
  'api_key',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'access_token',
  'token',
  'jwt',
  'client_secret',
  'password',
  'secret',
  'signature',
  'sig',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
  'x-goog-signature',
  'authorization',
]

/** Decides which header fields and query parameters are shown in logs. */
export class Redactor {
  #headers: ReadonlySet<string> = new Set(SECRET_HEADERS)
  #parameters: ReadonlySet<string> = new Set(SECRET_PARAMETERS)
  /** What an operator keeps out of logs beside (S47). */
  readonly rule: FieldRule

  constructor(rule: FieldRule = SHOW_ALL) {
    this.rule = rule
  }

  /**
   * The names that the configuration reads credentials from (key-auth's `key_names` and the like), in any case; replaces
   * those given before. Call it when a snapshot takes over.
   */
  useNames(names: Iterable<string>): void {
    const lower = [...names].map((name) => name.toLowerCase())
    this.#headers = new Set([...SECRET_HEADERS, ...lower])
    this.#parameters = new Set([...SECRET_PARAMETERS, ...lower])
  }

  /** @param lowerName the field's name in lower case. */
  hidesHeader(lowerName: string): boolean {
    return this.#headers.has(lowerName)
  }

  /** A query string with the values of secret parameters replaced; everything else byte for byte. */
  query(raw: string): string {
    if (raw.length > 1 && !this.rule.showsAll) {
      const shown = this.rule.shown('query', raw)
      if (shown !== raw) return shown === undefined ? '' : `?${shown}`
    }
    if (!raw.includes('=')) return raw
    const start = raw.startsWith('?') ? '?' : ''
    const parts = raw.slice(start.length).split('&')
    let changed = false
    for (const [index, part] of parts.entries()) {
      const equals = part.indexOf('=')
      if (equals < 0 || !this.#parameters.has(parameterName(part.slice(0, equals)))) continue
      parts[index] = `${part.slice(0, equals)}=${REDACTED}`
      changed = true
    }
    return changed ? start + parts.join('&') : raw
  }

  /** @param name decoded. */
  hidesParameter(name: string): boolean {
    return this.#parameters.has(lowerCaseName(name))
  }
}

/** A percent-encoded name must not slip past the list. */
function parameterName(raw: string): string {
  return decodeText(raw).toLowerCase()
}

/** Form decoding that never throws: what is not valid stays as it is. */
export function decodeText(raw: string): string {
  if (!raw.includes('%') && !raw.includes('+')) return raw
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    return raw
  }
}

const URL_SECRET =
  /([?&](?:key|api[-_]?key|access_token|token|sig|signature|secret|password|jwt)=)[^&\s"'<>]+/gi
const SCHEME_SECRET = /\b(Bearer|Basic|Token|ApiKey)\s+[A-Za-z0-9._~+/=-]{6,}/gi
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@]+@/gi
/** Keys as providers issue them: `sk-…`, `sk-ant-…`, `AIza…`, `gsk_…`, `xai-…`, `AKIA…`. */
const PROVIDER_KEY =
  /\b(?:sk-[A-Za-z0-9_-]{12,}|AIza[A-Za-z0-9_-]{20,}|gsk_[A-Za-z0-9]{12,}|xai-[A-Za-z0-9]{12,}|AKIA[A-Z0-9]{12,})/g

/** Free text for the log: an error message may quote a URL with its key, or a header. Not for the hot path. */
export function scrubText(text: string): string {
  return text
    .replace(URL_SECRET, `$1${REDACTED}`)
    .replace(SCHEME_SECRET, `$1 ${REDACTED}`)
    .replace(USER_INFO, `$1${REDACTED}@`)
    .replace(PROVIDER_KEY, REDACTED)
}
