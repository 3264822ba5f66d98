import { isIP } from 'node:net'

import type * as z from 'zod'
import * as field from '../fields.ts'
import { shared } from '../shared-values.ts'
import { hostWithOptionalPort, isHostname, type TextRule } from '../field-formats.ts'
import { commonFields, defineCollection } from './collection.ts'

const HASH_INPUTS = [
  'none',
  'consumer',
  'ip',
  'header',
  'cookie',
  'path',
  'query_arg',
  'uri_capture',
] as const
const CHECK_TYPES = ['tcp', 'http', 'https', 'grpc', 'grpcs'] as const
const PASSIVE_HEALTHY = [
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308,
]

const upstreamName: TextRule = (value) => {
  if (isIP(value) !== 0) return 'invalid name: no IP addresses allowed'
  if (/:\d+$/.test(value)) return 'must not have a port'
  return isHostname(value) ? undefined : `invalid name: ${value}`
}

const counter = () => field.defaulted(field.integer({ between: [0, 255] }), 0)
const seconds = (fallback: number) =>
  field.defaulted(field.number({ between: [0, 65_535] }), fallback)
const statuses = (fallback: number[]) =>
  field.defaulted(field.array(field.integer({ between: [100, 999] })), fallback)

const healthchecks = field.record({
  threshold: field.defaulted(field.number({ between: [0, 100] }), 0),
  active: field.filled(
    field.record({
      type: field.enumeration(CHECK_TYPES, 'http'),
      timeout: seconds(1),
      concurrency: field.defaulted(field.integer({ between: [1, 2_147_483_648] }), 10),
      http_path: field.defaulted(field.path(), '/'),
      https_sni: field.optional(field.host()),
      https_verify_certificate: field.boolean(true),
      headers: field.optional(field.map(field.array(field.string()))),
      healthy: field.filled(
        field.record({
          interval: seconds(0),
          http_statuses: statuses([200, 302]),
          successes: counter(),
        }),
      ),
      unhealthy: field.filled(
        field.record({
          interval: seconds(0),
          http_statuses: statuses([429, 404, 500, 501, 502, 503, 504, 505]),
          tcp_failures: counter(),
          timeouts: counter(),
          http_failures: counter(),
        }),
      ),
    }),
  ),
  passive: field.filled(
    field.record({
      type: field.enumeration(CHECK_TYPES, 'http'),
      healthy: field.filled(
        field.record({ http_statuses: statuses(PASSIVE_HEALTHY), successes: counter() }),
      ),
      unhealthy: field.filled(
        field.record({
          http_statuses: statuses([429, 500, 503]),
          tcp_failures: counter(),
          timeouts: counter(),
          http_failures: counter(),
        }),
      ),
    }),
  ),
})

interface HashMembers {
  readonly hash_on?: unknown
  readonly hash_fallback?: unknown
  readonly [helper: string]: unknown
}

/** kong.md §1.6: what is hashed must be named, and the fallback must be something else. */
const hashesOnSomething = field.entityRule<HashMembers>((value) => {
  const { hash_on: primary = 'none', hash_fallback: fallback = 'none' } = value
  for (const [kind, prefix] of [
    [primary, 'hash_on'],
    [fallback, 'hash_fallback'],
  ] as const) {
    const helper = helperOf(kind, prefix)
    if (helper !== undefined && value[helper] === undefined)
      return `failed conditional validation given value of field '${prefix}': '${helper}' is required`
  }
  if ((primary === 'none' || primary === 'cookie') && fallback !== 'none')
    return "failed conditional validation given value of field 'hash_on': 'hash_fallback' must be 'none'"
  if (primary === fallback && (primary === 'consumer' || primary === 'ip' || primary === 'path'))
    return "values of these fields must be distinct: 'hash_on', 'hash_fallback'"
  for (const helper of ['header', 'query_arg', 'uri_capture']) {
    const first = value[`hash_on_${helper}`]
    if (first !== undefined && first === value[`hash_fallback_${helper}`])
      return `values of these fields must be distinct: 'hash_on_${helper}', 'hash_fallback_${helper}'`
  }
  return undefined
})

function helperOf(kind: unknown, prefix: string): string | undefined {
  if (kind === 'cookie') return 'hash_on_cookie'
  return kind === 'header' || kind === 'query_arg' || kind === 'uri_capture'
    ? `${prefix}_${kind}`
    : undefined
}

const schema = field
  .record({
    ...commonFields,
    name: field.text(upstreamName),
    algorithm: field.optional(
      field.enumeration(['consistent-hashing', 'least-connections', 'round-robin', 'latency']),
    ),
    hash_on: field.optional(field.enumeration(HASH_INPUTS)),
    hash_fallback: field.enumeration(HASH_INPUTS, 'none'),
    hash_on_header: field.optional(field.headerName()),
    hash_fallback_header: field.optional(field.headerName()),
    hash_on_cookie: field.optional(field.string()),
    hash_on_cookie_path: field.defaulted(field.path(), '/'),
    hash_on_query_arg: field.optional(field.string()),
    hash_fallback_query_arg: field.optional(field.string()),
    hash_on_uri_capture: field.optional(field.string()),
    hash_fallback_uri_capture: field.optional(field.string()),
    slots: field.defaulted(field.integer({ between: [10, 65_536] }), 10_000),
    host_header: field.optional(field.text(hostWithOptionalPort)),
    client_certificate: field.optional(field.string()),
    use_srv_name: field.boolean(false),
    healthchecks: field.filled(healthchecks),
  })
  .check(hashesOnSomething)

export const upstreams = defineCollection({
  name: 'upstreams',
  singular: 'upstream',
  schema,
  references: { client_certificate: 'certificates' },
  nameField: 'name',
  unique: ['name'],
  key: (value) => value.name,
  build(value, row, context) {
    const algorithm = effectiveAlgorithm(value.algorithm, value.hash_on)
    if (algorithm !== 'round-robin')
      context.report(row, {
        severity: 'warning',
        code: 'not-served',
        field: value.algorithm === undefined ? ['hash_on'] : ['algorithm'],
        message: `algorithm '${algorithm}' is not served by this version; targets take turns by weight`,
      })
    const { active, passive } = value.healthchecks
    const counters = [
      active.healthy.interval,
      active.unhealthy.interval,
      passive.unhealthy.http_failures,
      passive.unhealthy.tcp_failures,
      passive.unhealthy.timeouts,
    ]
    if (counters.some((count) => count > 0))
      context.report(row, {
        severity: 'warning',
        code: 'not-served',
        field: ['healthchecks'],
        message: 'health checks are not served by this version; every target counts as healthy',
      })
    context.lists.upstreams.push({
      id: row.id,
      name: value.name,
      algorithm,
      slots: value.slots,
      hostHeader: value.host_header,
      clientCertificateId: context.resolve(row, 'client_certificate', value.client_certificate),
      targets: context.targets.of(row.id),
      tags: shared(value.tags),
      unserved: unservedOf(value, algorithm),
    })
  },
})

type UpstreamValue = z.output<typeof schema>

/** What has no effect yet. `hash_on` follows the algorithm, as in Kong. */
function unservedOf(value: UpstreamValue, algorithm: string): Readonly<Record<string, unknown>> {
  const hashes = algorithm === 'consistent-hashing'
  return {
    hash_on: hashes ? (value.hash_on ?? 'none') : 'none',
    hash_fallback: hashes ? value.hash_fallback : 'none',
    hash_on_header: value.hash_on_header,
    hash_fallback_header: value.hash_fallback_header,
    hash_on_cookie: value.hash_on_cookie,
    hash_on_cookie_path: value.hash_on_cookie_path,
    hash_on_query_arg: value.hash_on_query_arg,
    hash_fallback_query_arg: value.hash_fallback_query_arg,
    hash_on_uri_capture: value.hash_on_uri_capture,
    hash_fallback_uri_capture: value.hash_fallback_uri_capture,
    use_srv_name: value.use_srv_name,
    healthchecks: value.healthchecks,
  }
}

/** kong.md §1.6: a hash input forces consistent hashing, an explicit `none` forces round-robin. */
function effectiveAlgorithm(
  algorithm: 'consistent-hashing' | 'least-connections' | 'round-robin' | 'latency' | undefined,
  hashOn: (typeof HASH_INPUTS)[number] | undefined,
) {
  if (algorithm === 'least-connections' || algorithm === 'latency') return algorithm
  if (hashOn !== undefined) return hashOn === 'none' ? 'round-robin' : 'consistent-hashing'
  return algorithm ?? 'round-robin'
}

const DEFAULT_TARGET_PORT = 8000

const targetAddress: TextRule = (value) =>
  splitTarget(value) === undefined
    ? `Invalid target ('${value}'); not a valid hostname or ip address`
    : undefined

export const targets = defineCollection({
  name: 'targets',
  singular: 'target',
  schema: field.record({
    ...commonFields,
    upstream: field.optional(field.string()),
    target: field.text(targetAddress),
    weight: field.defaulted(field.integer({ between: [0, 65_535] }), 100),
  }),
  references: { upstream: 'upstreams' },
  isPart: true,
  key: (value, scope) => `targets:*:${scope.reference('upstream')}:${value.target}`,
  build(value, row, context) {
    const upstreamId = context.resolve(row, 'upstream', value.upstream)
    const address = splitTarget(value.target)
    if (address === undefined) return
    if (upstreamId === undefined) {
      if (value.upstream === undefined)
        context.report(row, {
          code: 'required-field',
          field: ['upstream'],
          message: 'required field missing',
        })
      return
    }
    if (address.port === undefined)
      context.report(row, {
        severity: 'warning',
        code: 'default-port',
        field: ['target'],
        message: `the target '${value.target}' has no port; ${DEFAULT_TARGET_PORT} is taken`,
        hint: `write '${value.target}:${DEFAULT_TARGET_PORT}'`,
      })
    context.targets.add(upstreamId, {
      id: row.id,
      host: address.host,
      port: address.port ?? DEFAULT_TARGET_PORT,
      weight: value.weight,
      tags: shared(value.tags),
    })
  },
})

/** `host`, `host:port`, `[v6]:port`, or a bare IPv6 address. */
function splitTarget(
  value: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  if (isIP(value) !== 0) return { host: value, port: undefined }
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(value) ?? []
  const host = bracketed ?? plain
  if (host === undefined) return undefined
  if (bracketed !== undefined ? isIP(bracketed) !== 6 : !isHostname(host)) return undefined
  if (port === undefined) return { host, port: undefined }
  return Number(port) > 65_535 ? undefined : { host, port: Number(port) }
}
