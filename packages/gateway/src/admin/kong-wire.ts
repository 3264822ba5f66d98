import { createHash } from 'node:crypto'
import {
  uuidV5,
  type Consumer,
  type Entities,
  type PluginEntity,
  type Route,
  type Service,
  type Upstream,
} from '../config/index.ts'

/** An entity with Kong's field names, nulls explicit, foreign keys as `{id}` (kong.md §4.2). */
export type WireEntity = Readonly<Record<string, unknown>> & { readonly id: string }

/** A configuration by Kong's collection names. */
export type WireDocument = ReadonlyMap<string, readonly WireEntity[]>

/** Kong's root of derived ids (kong.md §1.4). */
const ID_ROOT = 'fd02801f-0957-4a15-a55a-c8d9606f30b5'

/** Entities of Kong that a configuration never has here; their collections exist and are empty. */
const ALWAYS_EMPTY = [
  'vaults',
  'keys',
  'key_sets',
  'hmacauth_credentials',
  'oauth2_credentials',
  'oauth2_tokens',
]

/**
 * What the Admin API shows of a configuration. Secrets are not in it: keys of consumers only as the digest that is kept
 * of them, private keys and provider keys as `[secret]`.
 *
 * @param configOf a plugin's configuration as it is shown.
 * @param appliedAtSeconds stands for `created_at` and `updated_at`, which a file does not have.
 */
export function toKongWire(
  entities: Entities,
  appliedAtSeconds: number,
  configOf: (plugin: PluginEntity) => unknown,
): WireDocument {
  const times = { created_at: appliedAtSeconds, updated_at: appliedAtSeconds }
  const document = new Map<string, WireEntity[]>()
  const list = (name: string): WireEntity[] => {
    const known = document.get(name)
    if (known !== undefined) return known
    const made: WireEntity[] = []
    document.set(name, made)
    return made
  }
  for (const name of ALWAYS_EMPTY) list(name)
  list('services').push(...entities.services.map((one) => ({ ...serviceOf(one), ...times })))
  list('routes').push(...entities.routes.map((one) => ({ ...routeOf(one), ...times })))
  list('plugins').push(
    ...entities.plugins.map((one) => ({ ...pluginOf(one, configOf(one)), ...times })),
  )
  list('consumers').push(...entities.consumers.map((one) => ({ ...consumerOf(one), ...times })))
  for (const name of ['keyauth_credentials', 'basicauth_credentials', 'jwt_secrets']) list(name)
  for (const { id, kind, consumerId, lookup, expiresAtSeconds } of entities.credentials) {
    const ttl = expiresAtSeconds ?? null
    const consumer = { id: consumerId }
    const identity = identityOf(kind, lookup)
    list(kind).push({ id, consumer, ...identity, ttl, tags: null, created_at: appliedAtSeconds })
  }
  list('acls').push(...entities.consumers.flatMap((one) => aclsOf(one, appliedAtSeconds)))
  for (const upstream of entities.upstreams) {
    list('upstreams').push({ ...upstreamOf(upstream), ...times })
    list('targets').push(...targetsOf(upstream, appliedAtSeconds))
  }
  for (const name of ['upstreams', 'targets', 'snis']) list(name)
  list('certificates').push(
    ...entities.certificates.map(({ id, cert, snis }) => ({
      id,
      cert,
      key: '[secret]',
      cert_alt: null,
      key_alt: null,
      snis,
      tags: null,
      ...times,
    })),
  )
  for (const { id, snis } of entities.certificates) {
    for (const name of snis) {
      list('snis').push({
        id: derivedId('snis', name),
        name,
        certificate: { id },
        tags: null,
        ...times,
      })
    }
  }
  list('ca_certificates').push(
    ...entities.caCertificates.map(({ id, cert }) => ({
      id,
      cert,
      cert_digest: createHash('sha256').update(cert).digest('hex'),
      tags: null,
      ...times,
    })),
  )
  list('providers').push(
    ...entities.providers.map(({ name, kind, baseUrl, apiKeys }) => ({
      id: derivedId('providers', name),
      name,
      kind,
      base_url: baseUrl ?? null,
      api_keys: apiKeys.length,
    })),
  )
  return document
}

function derivedId(entity: string, key: string): string {
  return uuidV5(uuidV5(ID_ROOT, entity), key)
}

function reference(id: string | undefined): { readonly id: string } | null {
  return id === undefined ? null : { id }
}

/** Kong prints an empty set that was never set as null. */
function listOrNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length === 0 ? null : items
}

function serviceOf(service: Service): WireEntity {
  return {
    id: service.id,
    name: service.name ?? null,
    protocol: service.protocol,
    host: service.host,
    port: service.port,
    path: service.path ?? null,
    retries: service.retries,
    connect_timeout: service.connectTimeoutMs,
    write_timeout: service.writeTimeoutMs,
    read_timeout: service.readTimeoutMs,
    tls_verify: service.tlsVerify ?? null,
    tls_verify_depth: service.tlsVerifyDepth ?? null,
    ca_certificates: listOrNull(service.caCertificateIds),
    client_certificate: reference(service.clientCertificateId),
    enabled: service.enabled,
    ...(service.provider === undefined ? {} : { provider: service.provider }),
    ...(service.aiFormat === undefined ? {} : { ai_format: service.aiFormat }),
    tags: listOrNull(service.tags),
  }
}

function routeOf(route: Route): WireEntity {
  return {
    id: route.id,
    name: route.name ?? null,
    service: reference(route.serviceId),
    protocols: route.protocols,
    hosts: listOrNull(route.hosts),
    paths: listOrNull(route.paths),
    methods: listOrNull(route.methods),
    headers: route.headers.size === 0 ? null : Object.fromEntries(route.headers),
    snis: listOrNull(route.snis),
    sources: null,
    destinations: null,
    regex_priority: route.regexPriority,
    strip_path: route.stripPath,
    path_handling: route.pathHandling,
    preserve_host: route.preserveHost,
    request_buffering: route.requestBuffering,
    response_buffering: route.responseBuffering,
    https_redirect_status_code: route.httpsRedirectStatusCode,
    tags: listOrNull(route.tags),
  }
}

function pluginOf(plugin: PluginEntity, config: unknown): WireEntity {
  return {
    id: plugin.id,
    name: plugin.name,
    instance_name: plugin.instanceName ?? null,
    route: reference(plugin.routeId),
    service: reference(plugin.serviceId),
    consumer: reference(plugin.consumerId),
    config,
    protocols: ['grpc', 'grpcs', 'http', 'https'],
    enabled: plugin.enabled,
    tags: listOrNull(plugin.tags),
  }
}

function consumerOf(consumer: Consumer): WireEntity {
  return {
    id: consumer.id,
    username: consumer.username ?? null,
    custom_id: consumer.customId ?? null,
    tags: listOrNull(consumer.tags),
  }
}

/** `lookup` is a digest for keys, and Kong's own unique field for the others. */
function identityOf(kind: string, lookup: string): Readonly<Record<string, unknown>> {
  switch (kind) {
    case 'keyauth_credentials':
      return { key_sha256: lookup }
    case 'basicauth_credentials':
    case 'hmacauth_credentials':
      return { username: lookup }
    default:
      return { key: lookup }
  }
}

function aclsOf({ id, groups }: Consumer, createdAt: number): readonly WireEntity[] {
  return groups.map((group) => ({
    id: derivedId('acls', `acls:*:${id}:${group}`),
    consumer: { id },
    group,
    tags: null,
    created_at: createdAt,
  }))
}

function upstreamOf(upstream: Upstream): WireEntity {
  return {
    id: upstream.id,
    name: upstream.name,
    algorithm: upstream.algorithm,
    slots: upstream.slots,
    host_header: upstream.hostHeader ?? null,
    client_certificate: reference(upstream.clientCertificateId),
    ...filledWith(UPSTREAM_REST, upstream.unserved),
    tags: listOrNull(upstream.tags),
  }
}

/** The members of Kong that an entity may lack are null (kong.md §4.2). */
const UPSTREAM_REST = {
  hash_on: 'none',
  hash_fallback: 'none',
  hash_on_header: null,
  hash_fallback_header: null,
  hash_on_cookie: null,
  hash_on_cookie_path: '/',
  hash_on_query_arg: null,
  hash_fallback_query_arg: null,
  hash_on_uri_capture: null,
  hash_fallback_uri_capture: null,
  use_srv_name: false,
  healthchecks: { active: { headers: null, https_sni: null } },
} as const

type Members = Readonly<Record<string, unknown>>

/** `values`, and where they say nothing `template`, at any depth. */
function filledWith(template: Members, values: Members): Members {
  const filled: Record<string, unknown> = { ...template }
  for (const [name, value] of Object.entries(values)) {
    const inner = template[name]
    if (value === undefined) continue
    filled[name] = isMembers(inner) && isMembers(value) ? filledWith(inner, value) : value
  }
  return filled
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function targetsOf(upstream: Upstream, createdAt: number): readonly WireEntity[] {
  return upstream.targets.map(({ id, host, port, weight, tags }) => ({
    id,
    upstream: { id: upstream.id },
    target: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    weight,
    tags: listOrNull(tags),
    created_at: createdAt,
    updated_at: createdAt,
  }))
}
