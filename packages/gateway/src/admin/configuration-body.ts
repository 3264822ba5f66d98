import type { RequestView } from '@pratu/plugin-kit'
import { message, type AdminResponse } from './respond.ts'

/** A configuration as it came in a request. */
export interface GivenConfiguration {
  readonly text: string
  readonly format: 'json' | 'yaml'
}

/** Kong's limit of an admin body (kong.md §4.4). */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** Above this the wrapper's own syntax is left to the reader of the configuration: parsing would stall requests (F53). */
const MAX_CHECKED_CHARACTERS = 1024 * 1024

const UNSUPPORTED = message(415, 'Unsupported media type')
const EXPECTED = message(400, 'expected a declarative configuration')
const NOT_JSON = message(400, 'Cannot parse JSON body')

/**
 * Finds the configuration in the body of `POST /config` (kong.md §4.4): JSON or YAML as it is, or JSON or YAML text as
 * the member `config` of JSON or of a form. Forms need the token: a page of another site can send one (S37).
 *
 * @throws {GatewayError} 413, 408 and 503 of reading the body.
 */
export async function readConfiguration(
  request: RequestView,
  formsAllowed: boolean,
): Promise<GivenConfiguration | AdminResponse> {
  const contentType = request.headers.get('content-type') ?? ''
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  const kind = KINDS.get(type)
  if (kind === undefined || (kind === 'form' && !formsAllowed)) return UNSUPPORTED
  const bytes = await request.body.bytes(MAX_BODY_BYTES)
  if (kind === 'form') return fromForm(bytes, contentType)
  const text = decodeUtf8(bytes)
  if (text === undefined) return message(400, 'the configuration is not valid UTF-8')
  if (text.trim() === '') return EXPECTED
  return kind === 'yaml' ? { text, format: 'yaml' } : fromJson(text)
}

const KINDS: ReadonlyMap<string, 'json' | 'yaml' | 'form'> = new Map([
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
  ['text/yaml', 'yaml'],
  ['application/x-www-form-urlencoded', 'form'],
  ['multipart/form-data', 'form'],
])

export function isResponse(given: GivenConfiguration | AdminResponse): given is AdminResponse {
  return 'status' in given
}

function fromJson(text: string): GivenConfiguration | AdminResponse {
  // Inside a `config` text the quotes are escaped, so this finds only a member of the body itself.
  const direct = text.includes('"_format_version"')
  if (direct && text.length > MAX_CHECKED_CHARACTERS) return { text, format: 'json' }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return NOT_JSON
  }
  if (typeof body !== 'object' || body === null) return EXPECTED
  if ('_format_version' in body) return { text, format: 'json' }
  return 'config' in body ? fromMember(body.config) : EXPECTED
}

function fromMember(config: unknown): GivenConfiguration | AdminResponse {
  if (typeof config !== 'string' || config.trim() === '') return EXPECTED
  return { text: config, format: /^\s*[[{]/.test(config) ? 'json' : 'yaml' }
}

async function fromForm(
  bytes: Uint8Array,
  contentType: string,
): Promise<GivenConfiguration | AdminResponse> {
  try {
    const form = await new Response(Buffer.from(bytes), {
      headers: { 'content-type': contentType },
    }).formData()
    const config = form.get('config')
    return fromMember(config instanceof Blob ? await config.text() : config)
  } catch {
    return message(400, 'Cannot parse form body')
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
