import type { KongField } from './plugin-schema.ts'

/** Kong's schemas of the entities that decK reads for their defaults (kong.md §1.6, §4.6). */

const PROTOCOLS = ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'tls_passthrough', 'udp']
const STATUSES = { type: 'array', elements: { type: 'integer', between: [100, 999] } }
const HTTP_STATUSES = { healthy: [200, 302], unhealthy: [429, 404, 500, 501, 502, 503, 504, 505] }
const PASSIVE_HEALTHY = [
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308,
]

const id: KongField = { id: { type: 'string', uuid: true, auto: true } }
const createdAt: KongField = { created_at: { type: 'integer', timestamp: true, auto: true } }
const updatedAt: KongField = { updated_at: { type: 'integer', timestamp: true, auto: true } }
const tags: KongField = { tags: { type: 'set', elements: { type: 'string' } } }

function text(name: string, more: KongField = {}): KongField {
  return { [name]: { type: 'string', ...more } }
}

function flag(name: string, fallback?: boolean): KongField {
  return {
    [name]: fallback === undefined ? { type: 'boolean' } : { type: 'boolean', default: fallback },
  }
}

function whole(name: string, between: readonly [number, number], fallback?: number): KongField {
  const range = { type: 'integer', between }
  return { [name]: fallback === undefined ? range : { ...range, default: fallback } }
}

function foreign(name: string, target: string): KongField {
  return { [name]: { type: 'foreign', reference: target } }
}

function texts(name: string, type: 'array' | 'set' = 'array', more: KongField = {}): KongField {
  return { [name]: { type, elements: { type: 'string' }, ...more } }
}

function record(name: string, fields: readonly KongField[]): KongField {
  return { [name]: { type: 'record', required: true, fields } }
}

const TIMEOUT_MS = [1, 2_147_483_646] as const

const services: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('name', { unique: true }),
  whole('retries', [0, 32_767], 5),
  text('protocol', { default: 'http', required: true, one_of: PROTOCOLS }),
  text('host', { required: true }),
  whole('port', [0, 65_535], 80),
  text('path', { starts_with: '/' }),
  whole('connect_timeout', TIMEOUT_MS, 60_000),
  whole('write_timeout', TIMEOUT_MS, 60_000),
  whole('read_timeout', TIMEOUT_MS, 60_000),
  tags,
  foreign('client_certificate', 'certificates'),
  flag('tls_verify'),
  whole('tls_verify_depth', [0, 64]),
  texts('ca_certificates'),
  flag('enabled', true),
]

const routes: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('name', { unique: true }),
  {
    protocols: {
      type: 'set',
      elements: { type: 'string', one_of: PROTOCOLS },
      default: ['http', 'https'],
    },
  },
  {
    https_redirect_status_code: {
      type: 'integer',
      one_of: [426, 301, 302, 307, 308],
      default: 426,
      required: true,
    },
  },
  flag('strip_path', true),
  flag('preserve_host', false),
  flag('request_buffering', true),
  flag('response_buffering', true),
  tags,
  foreign('service', 'services'),
  texts('snis', 'set'),
  texts('methods', 'set'),
  texts('hosts'),
  texts('paths'),
  {
    headers: {
      type: 'map',
      keys: { type: 'string' },
      values: { type: 'array', elements: { type: 'string' } },
    },
  },
  { regex_priority: { type: 'integer', default: 0 } },
  text('path_handling', { default: 'v0', one_of: ['v0', 'v1'] }),
]

const upstreams: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('name', { required: true, unique: true }),
  text('algorithm', {
    default: 'round-robin',
    one_of: ['consistent-hashing', 'least-connections', 'round-robin', 'latency'],
  }),
  text('hash_on', { default: 'none' }),
  text('hash_fallback', { default: 'none' }),
  text('hash_on_header'),
  text('hash_fallback_header'),
  text('hash_on_cookie'),
  text('hash_on_cookie_path', { default: '/' }),
  text('hash_on_query_arg'),
  text('hash_fallback_query_arg'),
  text('hash_on_uri_capture'),
  text('hash_fallback_uri_capture'),
  whole('slots', [10, 65_536], 10_000),
  record('healthchecks', [
    { threshold: { type: 'number', between: [0, 100], default: 0 } },
    record('active', [
      text('type', { default: 'http', one_of: ['tcp', 'http', 'https', 'grpc', 'grpcs'] }),
      { timeout: { type: 'number', default: 1 } },
      { concurrency: { type: 'integer', default: 10 } },
      text('http_path', { default: '/' }),
      text('https_sni'),
      flag('https_verify_certificate', true),
      {
        headers: {
          type: 'map',
          keys: { type: 'string' },
          values: { type: 'array', elements: { type: 'string' } },
        },
      },
      record('healthy', [
        { interval: { type: 'number', default: 0 } },
        { http_statuses: { ...STATUSES, default: HTTP_STATUSES.healthy } },
        whole('successes', [0, 255], 0),
      ]),
      record('unhealthy', [
        { interval: { type: 'number', default: 0 } },
        { http_statuses: { ...STATUSES, default: HTTP_STATUSES.unhealthy } },
        whole('tcp_failures', [0, 255], 0),
        whole('timeouts', [0, 255], 0),
        whole('http_failures', [0, 255], 0),
      ]),
    ]),
    record('passive', [
      text('type', { default: 'http', one_of: ['tcp', 'http', 'https', 'grpc', 'grpcs'] }),
      record('healthy', [
        { http_statuses: { ...STATUSES, default: PASSIVE_HEALTHY } },
        whole('successes', [0, 255], 0),
      ]),
      record('unhealthy', [
        { http_statuses: { ...STATUSES, default: [429, 500, 503] } },
        whole('tcp_failures', [0, 255], 0),
        whole('timeouts', [0, 255], 0),
        whole('http_failures', [0, 255], 0),
      ]),
    ]),
  ]),
  tags,
  text('host_header'),
  foreign('client_certificate', 'certificates'),
  flag('use_srv_name', false),
]

const targets: readonly KongField[] = [
  id,
  { created_at: { type: 'number', timestamp: true, auto: true } },
  { updated_at: { type: 'number', timestamp: true, auto: true } },
  foreign('upstream', 'upstreams'),
  text('target', { required: true }),
  whole('weight', [0, 65_535], 100),
  tags,
]

const consumers: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('username', { unique: true }),
  text('custom_id', { unique: true }),
  tags,
]

const plugins: readonly KongField[] = [
  id,
  text('name', { required: true }),
  text('instance_name', { unique: true }),
  createdAt,
  updatedAt,
  foreign('route', 'routes'),
  foreign('service', 'services'),
  foreign('consumer', 'consumers'),
  { config: { type: 'record', abstract: true, fields: [] } },
  {
    protocols: {
      type: 'set',
      elements: { type: 'string' },
      default: ['grpc', 'grpcs', 'http', 'https'],
    },
  },
  flag('enabled', true),
  tags,
]

const certificates: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('cert', { required: true, referenceable: true }),
  text('key', { required: true, referenceable: true, encrypted: true }),
  text('cert_alt', { referenceable: true }),
  text('key_alt', { referenceable: true, encrypted: true }),
  texts('snis', 'set', { transient: true }),
  tags,
]

const snis: readonly KongField[] = [
  id,
  text('name', { required: true, unique: true }),
  createdAt,
  updatedAt,
  tags,
  foreign('certificate', 'certificates'),
]

const caCertificates: readonly KongField[] = [
  id,
  createdAt,
  updatedAt,
  text('cert', { required: true }),
  text('cert_digest', { unique: true }),
  tags,
]

/** By Kong's collection name. */
export const ENTITY_SCHEMAS: ReadonlyMap<string, readonly KongField[]> = new Map([
  ['services', services],
  ['routes', routes],
  ['upstreams', upstreams],
  ['targets', targets],
  ['consumers', consumers],
  ['plugins', plugins],
  ['certificates', certificates],
  ['snis', snis],
  ['ca_certificates', caCertificates],
])

/** Fields of a plugin entity around its own configuration. */
export function pluginEntityFields(config: KongField): readonly KongField[] {
  return [
    foreign('service', 'services'),
    foreign('route', 'routes'),
    foreign('consumer', 'consumers'),
    {
      protocols: {
        type: 'set',
        elements: { type: 'string' },
        default: ['grpc', 'grpcs', 'http', 'https'],
      },
    },
    { config },
  ]
}
