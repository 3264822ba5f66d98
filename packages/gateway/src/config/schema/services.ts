import * as z from 'zod'

import { recogniseAiFormat } from '../ai-format.ts'
import type { AiFormat, Protocol } from '../entities.ts'
import * as field from '../fields.ts'
import { shared } from '../shared-values.ts'
import { didYouMean } from '../suggest.ts'
import { type BuildContext, commonFields, defineCollection, type Row } from './collection.ts'

export const PROTOCOLS = [
  'grpc',
  'grpcs',
  'http',
  'https',
  'tcp',
  'tls',
  'tls_passthrough',
  'udp',
] as const

/** `none` switches the recognition by path off. */
export const AI_FORMATS = [
  'openai-chat',
  'openai-completions',
  'openai-responses',
  'openai-embeddings',
  'anthropic-messages',
  'gemini',
  'none',
] as const

const DEFAULT_TIMEOUT_MS = 60_000
/** Models think for minutes; Kong's 60 s would cut them off (architecture §3). */
const AI_READ_TIMEOUT_MS = 600_000

const SERVED: ReadonlySet<Protocol> = new Set<Protocol>(['http', 'https'])
const TLS_FIELDS = [
  'client_certificate',
  'tls_verify',
  'tls_verify_depth',
  'ca_certificates',
] as const

interface ConditionalMembers {
  readonly protocol?: unknown
  readonly path?: unknown
  readonly client_certificate?: unknown
  readonly tls_verify?: unknown
  readonly tls_verify_depth?: unknown
  readonly ca_certificates?: unknown
}

/** kong.md §1.6: some members make sense with some protocols only. */
const fitsProtocol = field.recordRules<ConditionalMembers>((value, report) => {
  const { protocol } = value
  // An unknown protocol is one mistake, not three.
  if (!PROTOCOLS.some((known) => known === protocol)) return
  const mustBeNull: string[] = []
  if (protocol !== 'http' && protocol !== 'https' && isGiven(value.path)) mustBeNull.push('path')
  if (protocol !== 'https' && protocol !== 'tls')
    mustBeNull.push(...TLS_FIELDS.filter((name) => isGiven(value[name])))
  for (const name of mustBeNull) report(name, 'value must be null')
  if (mustBeNull.length > 0)
    report(field.ENTITY, "failed conditional validation given value of field 'protocol'")
})

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

const schema = field
  .record({
    ...commonFields,
    name: field.optional(field.name()),
    retries: field.defaulted(field.integer({ between: [0, 32_767] }), 5),
    protocol: field.enumeration(PROTOCOLS, 'http'),
    host: field.host(),
    port: field.defaulted(field.port(), 80),
    path: field.optional(field.path()),
    connect_timeout: field.defaulted(field.timeoutMs(), DEFAULT_TIMEOUT_MS),
    write_timeout: field.defaulted(field.timeoutMs(), DEFAULT_TIMEOUT_MS),
    read_timeout: field.optional(field.timeoutMs()),
    client_certificate: field.optional(field.string()),
    tls_verify: field.optional(field.boolean()),
    tls_verify_depth: field.optional(field.integer({ between: [0, 64] })),
    ca_certificates: field.optional(field.array(field.uuid())),
    enabled: field.boolean(true),
    // Only what could not be expanded is still here.
    url: field.optional(field.text(() => 'missing host in url')),
    provider: field.optional(field.string()),
    ai_format: field.optional(field.enumeration(AI_FORMATS)),
  })
  .check(fitsProtocol)

export const services = defineCollection({
  name: 'services',
  singular: 'service',
  // The shorthand's parts are judged like the fields that they stand for.
  schema: z.preprocess(expandUrl, schema),
  references: { client_certificate: 'certificates' },
  nameField: 'name',
  unique: ['name'],
  key: (value) => value.name,
  writtenIn: (name, raw) => (typeof raw['url'] === 'string' && URL_FIELDS.has(name) ? 'url' : name),
  build(value, row, context) {
    const aiFormat = aiFormatOf(value.ai_format, value.path)
    const readTimeoutMs =
      value.read_timeout ??
      (aiFormat !== undefined && context.compatibility === 'pratu'
        ? AI_READ_TIMEOUT_MS
        : DEFAULT_TIMEOUT_MS)
    if (!SERVED.has(value.protocol))
      context.report(row, {
        severity: 'warning',
        code: 'not-served',
        field: ['protocol'],
        message: `protocol '${value.protocol}' is not served by this version; requests to this service fail`,
      })
    if (value.provider !== undefined && !context.knows('providers', value.provider))
      context.report(row, {
        code: 'invalid-reference',
        field: ['provider'],
        message: `invalid reference 'provider: ${value.provider}' (no such entry in 'providers')`,
        hint: didYouMean(value.provider, context.names('providers')),
      })
    context.lists.services.push({
      id: row.id,
      name: value.name,
      protocol: value.protocol,
      // An IPv6 address needs its brackets in a URL only.
      host: value.host.replace(/^\[(.*)\]$/, '$1'),
      port: value.port,
      path: value.path,
      retries: value.retries,
      connectTimeoutMs: value.connect_timeout,
      writeTimeoutMs: value.write_timeout,
      readTimeoutMs,
      tlsVerify: value.tls_verify,
      tlsVerifyDepth: value.tls_verify_depth,
      caCertificateIds: caCertificateIds(value.ca_certificates ?? [], row, context),
      clientCertificateId: context.resolve(row, 'client_certificate', value.client_certificate),
      enabled: value.enabled,
      provider: value.provider,
      aiFormat,
      tags: shared(value.tags),
    })
  },
})

function caCertificateIds(
  ids: readonly string[],
  row: Row,
  context: BuildContext,
): readonly string[] {
  ids.forEach((id, index) => {
    if (context.knows('ca_certificates', id.toLowerCase())) return
    context.report(row, {
      code: 'invalid-reference',
      field: ['ca_certificates', index],
      message: `invalid reference 'ca_certificates: ${id}' (no such entry in 'ca_certificates')`,
    })
  })
  return shared(ids.map((id) => id.toLowerCase()))
}

function aiFormatOf(
  given: (typeof AI_FORMATS)[number] | undefined,
  path: string | undefined,
): AiFormat | undefined {
  if (given !== undefined) return given === 'none' ? undefined : given
  return path === undefined ? undefined : recogniseAiFormat(path)
}

/**
 * Kong's `url` shorthand: its parts override their siblings (kong.md §1.6). A value that is no URL is left for the
 * fields' own rules to judge.
 */
function expandUrl(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || !('url' in raw)) return raw
  const { url, ...rest } = raw
  if (typeof url !== 'string' || url === '') return raw
  const parts = URL_PARTS.exec(url)
  if (parts === null) return raw
  const [, scheme, hostname, explicitPort, path] = parts
  const port = explicitPort === undefined ? undefined : Number(explicitPort)
  const protocol = scheme?.toLowerCase() ?? (port === 443 ? 'https' : 'http')
  return {
    ...rest,
    protocol,
    host: hostname,
    port: port ?? (protocol === 'https' ? 443 : 80),
    path: path === undefined || path === '' ? null : path,
  }
}

const URL_FIELDS = new Set(['protocol', 'host', 'port', 'path'])

const URL_PARTS =
  /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(?:[^/?#@]*@)?(\[[^\]]*\]|[^:/?#]+)(?::(\d+))?(\/[^?#]*)?(?:[?#].*)?$/
