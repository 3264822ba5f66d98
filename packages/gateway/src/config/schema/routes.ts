import type { Protocol } from '../entities.ts'
import * as field from '../fields.ts'
import { NO_HEADERS, shared } from '../shared-values.ts'
import { entityName, isIpOrCidr, pathCharacters, type TextRule } from '../field-formats.ts'
import { isHostname } from '../field-formats.ts'
import { normalisePath } from '../normalise-path.ts'
import { judgeHeaderValue, judgeRoutePattern } from '../pattern-safety.ts'
import { commonFields, defineCollection } from './collection.ts'
import { PROTOCOLS } from './services.ts'

const GROUPS: readonly (readonly Protocol[])[] = [
  ['http', 'https'],
  ['tcp', 'tls', 'udp'],
  ['tls_passthrough'],
  ['grpc', 'grpcs'],
]
const TLS_PROTOCOLS: readonly string[] = ['https', 'tls', 'grpcs', 'tls_passthrough']
const STREAM_PROTOCOLS: readonly string[] = ['tcp', 'tls', 'udp', 'tls_passthrough']

/** An exact host, or one whole label replaced by `*` at either end; a port may follow. */
const routeHost: TextRule = (value) => {
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(value) ?? []
  if (port !== undefined && Number(port) > 65_535) return `invalid value: ${value}`
  if (!name.includes('*'))
    return isHostname(name) || isIpOrCidr(name) || /^\[[0-9a-fA-F:.]+\]$/.test(name)
      ? undefined
      : `invalid value: ${value}`
  if (name.indexOf('*') !== name.lastIndexOf('*'))
    return 'invalid wildcard: only one wildcard must be specified'
  const bare = name.startsWith('*.')
    ? name.slice(2)
    : name.endsWith('.*')
      ? name.slice(0, -2)
      : undefined
  if (bare === undefined) return 'invalid wildcard: must be placed at leftmost or rightmost label'
  return isHostname(bare) ? undefined : `invalid value: ${value}`
}

/** A path prefix that is already normalised, or `~` and a pattern. */
const routePath: TextRule = (value) => {
  if (value.startsWith('~/')) return judgeRoutePattern(value.slice(1))
  if (!value.startsWith('/')) return 'should start with: / (fixed path) or ~/ (regex path)'
  if (value.includes('//')) return 'must not have empty segments'
  const problem = pathCharacters(value)
  if (problem !== undefined) return problem
  const normalised = normalisePath(value)
  return normalised === value
    ? undefined
    : `non-normalized path, consider use '${normalised}' instead`
}

/** Since 3.7 a server name may have one wildcard label at either end. */
const sni: TextRule = (value) => {
  const bare = value.replace(/^\*\.|\.\*$/, '')
  return bare.includes('*') || !isHostname(bare) ? `invalid value: ${value}` : undefined
}

const headerRule: TextRule = (name) =>
  name.toLowerCase() === 'host'
    ? "cannot contain 'host' header, which must be specified in the 'hosts' attribute"
    : undefined

const cidrPort = () =>
  field
    .record({ ip: field.optional(field.ipOrCidr()), port: field.optional(field.port()) })
    .check(field.atLeastOneOf('ip', 'port'))

interface RouteMembers {
  readonly protocols?: unknown
  readonly methods?: unknown
  readonly hosts?: unknown
  readonly headers?: unknown
  readonly paths?: unknown
  readonly snis?: unknown
  readonly sources?: unknown
  readonly destinations?: unknown
  readonly strip_path?: unknown
}

type RouteMember = Exclude<keyof RouteMembers, 'protocols' | 'strip_path'>

/** Rules that depend on `protocols` (kong.md §1.6 routes). */
const fitsProtocols = field.recordRules<RouteMembers>((value, refuse) => {
  const { protocols } = value
  if (!Array.isArray(protocols)) return
  const has = (protocol: string) => protocols.includes(protocol)
  if (!GROUPS.some((group) => protocols.every((one) => group.some((other) => other === one))))
    refuse(
      'protocols',
      `these sets are mutually exclusive: ${GROUPS.map((group) => `(${group.map((one) => `'${one}'`).join(', ')})`).join(', ')}`,
    )
  const given = (name: keyof RouteMembers) => isFilled(value[name])
  if (given('snis') && !TLS_PROTOCOLS.some(has))
    refuse(
      'snis',
      "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
    )
  if ((has('grpc') || has('grpcs')) && value.strip_path === true)
    refuse('strip_path', "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'")
  for (const name of ['sources', 'destinations'] as const)
    if (given(name) && !STREAM_PROTOCOLS.some(has))
      refuse(name, `cannot set '${name}' when 'protocols' is '${String(protocols[0])}'`)
  const wanted = matchFields(has)
  if (wanted === undefined || wanted.fields.some(given)) return
  const list = wanted.fields.map((name) => `'${name}'`).join(', ')
  refuse(field.ENTITY, `must set one of ${list} when 'protocols' is '${wanted.protocol}'`)
})

function matchFields(
  has: (protocol: string) => boolean,
): { readonly fields: readonly RouteMember[]; readonly protocol: string } | undefined {
  if (has('https'))
    return { fields: ['methods', 'hosts', 'headers', 'paths', 'snis'], protocol: 'https' }
  if (has('http')) return { fields: ['methods', 'hosts', 'headers', 'paths'], protocol: 'http' }
  if (has('grpcs')) return { fields: ['hosts', 'headers', 'paths', 'snis'], protocol: 'grpcs' }
  if (has('grpc')) return { fields: ['hosts', 'headers', 'paths'], protocol: 'grpc' }
  if (has('tls_passthrough')) return { fields: ['snis'], protocol: 'tls_passthrough' }
  if (has('tls') || has('tcp') || has('udp'))
    return { fields: ['sources', 'destinations', 'snis'], protocol: has('tls') ? 'tls' : 'tcp' }
  return undefined
}

function isFilled(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (Array.isArray(value)) return value.length > 0
  return typeof value !== 'object' || Object.keys(value).length > 0
}

const DEFAULT_PROTOCOLS: Protocol[] = ['http', 'https']

export const routes = defineCollection({
  name: 'routes',
  singular: 'route',
  schema: field
    .record({
      ...commonFields,
      name: field.optional(field.text(entityName)),
      service: field.optional(field.string()),
      protocols: field.defaulted(
        field.set(field.enumeration(PROTOCOLS), { min: 1 }),
        DEFAULT_PROTOCOLS,
      ),
      hosts: field.optional(field.array(field.text(routeHost))),
      paths: field.optional(field.array(field.text(routePath))),
      methods: field.optional(field.set(field.httpMethod())),
      headers: field.optional(field.map(field.array(field.text(judgeHeaderValue)), headerRule)),
      snis: field.optional(field.set(field.text(sni))),
      sources: field.optional(field.array(cidrPort())),
      destinations: field.optional(field.array(cidrPort())),
      regex_priority: field.defaulted(field.integer(), 0),
      strip_path: field.optional(field.boolean()),
      path_handling: field.enumeration(['v0', 'v1'], 'v0'),
      preserve_host: field.boolean(false),
      request_buffering: field.boolean(true),
      response_buffering: field.boolean(true),
      https_redirect_status_code: field.defaulted(
        field.integerEnumeration([426, 301, 302, 307, 308]),
        426,
      ),
    })
    .check(fitsProtocols),
  references: { service: 'services' },
  nameField: 'name',
  unique: ['name'],
  key: (value) => value.name,
  build(value, row, context) {
    const grpc = value.protocols.some((protocol) => protocol === 'grpc' || protocol === 'grpcs')
    if (!value.protocols.some((protocol) => protocol === 'http' || protocol === 'https'))
      context.report(row, {
        severity: 'warning',
        code: 'not-served',
        field: ['protocols'],
        message: `protocols ${value.protocols.map((one) => `'${one}'`).join(', ')} are not served by this version; this route never matches`,
      })
    context.lists.routes.push({
      id: row.id,
      name: value.name,
      serviceId: context.resolve(row, 'service', value.service),
      protocols: shared(value.protocols),
      hosts: shared(value.hosts),
      paths: shared(value.paths),
      methods: shared(value.methods),
      headers: headerMap(value.headers),
      snis: shared(value.snis),
      regexPriority: value.regex_priority,
      stripPath: value.strip_path ?? !grpc,
      pathHandling: value.path_handling,
      preserveHost: value.preserve_host,
      requestBuffering: value.request_buffering,
      responseBuffering: value.response_buffering,
      httpsRedirectStatusCode: value.https_redirect_status_code,
      createdAt: value.created_at,
      tags: shared(value.tags),
    })
  },
})

function headerMap(
  headers: Readonly<Record<string, readonly string[]>> | undefined,
): ReadonlyMap<string, readonly string[]> {
  if (headers === undefined) return NO_HEADERS
  return new Map(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values]))
}
