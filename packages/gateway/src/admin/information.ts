import type { AnyPluginDefinition } from '@pratu/plugin-kit'
import type { ListenAddress, NodeSettings } from '../config/index.ts'
import type { AdminState } from './admin-state.ts'
import { json, type AdminResponse } from './respond.ts'

export interface InformationDependencies {
  readonly state: AdminState
  readonly settings: NodeSettings
  readonly plugins: readonly AnyPluginDefinition[]
  readonly nodeId: string
  /** Of this gateway. */
  readonly version: string
  /** The release of Kong whose behaviour is the profile; what decK reads as `version`. */
  readonly kongVersion: string
}

/** `GET /`: Kong's description of a node (kong.md §4.3), enough for `deck gateway ping`. */
export function informationResponse(dependencies: InformationDependencies): AdminResponse {
  const { state, settings, plugins, nodeId, version, kongVersion } = dependencies
  const configured = state.current()?.entities.plugins ?? []
  const available = plugins.map(({ name, priority, version: pluginVersion }) => [
    name,
    { version: pluginVersion ?? kongVersion, priority },
  ])
  return json(200, {
    tagline: `Pratu ${version}, in the profile of Kong ${kongVersion}`,
    version: kongVersion,
    edition: 'community',
    hostname: settings.hostname,
    node_id: nodeId,
    timers: { running: 0, pending: 0 },
    plugins: {
      available_on_server: Object.fromEntries(available),
      enabled_in_cluster: [...new Set(configured.map(({ name }) => name))],
    },
    lua_version: `Node.js ${process.versions.node}`,
    configuration: configurationOf(settings),
    pids: { master: process.pid, workers: [process.pid] },
    pratu: { version },
  })
}

/** The node's settings by Kong's names; a secret is shown as Kong shows one. */
function configurationOf(settings: NodeSettings): Record<string, unknown> {
  const { configuration, upstream, limits, headers } = settings
  return {
    database: 'off',
    role: 'traditional',
    declarative_config: configuration?.kind === 'path' ? configuration.path : null,
    declarative_config_string: configuration?.kind === 'text' ? '******' : null,
    proxy_listen: settings.proxyListen.map(listenText),
    admin_listen: settings.adminListen.map(listenText),
    status_listen: settings.statusListen.map(listenText),
    log_level: settings.logLevel,
    proxy_access_log: settings.proxyAccessLog,
    proxy_error_log: settings.errorLog,
    admin_access_log: settings.adminAccessLog,
    plugins: settings.plugins === 'bundled' ? ['bundled'] : settings.plugins,
    router_flavor: 'traditional_compatible',
    headers: HEADER_TOKENS.filter(([token]) => headers[token]).map(([, name]) => name),
    headers_upstream: headers.upstreamRequestId ? ['X-Kong-Request-Id'] : [],
    allow_debug_header: headers.debug,
    trusted_ips: settings.trustedIps,
    real_ip_header: settings.realIpHeader,
    real_ip_recursive: settings.realIpRecursive ? 'on' : 'off',
    nginx_worker_processes: String(settings.workers),
    nginx_http_client_max_body_size: String(limits.bodyBytes),
    upstream_keepalive_pool_size: upstream.keepalivePoolSize,
    upstream_keepalive_max_requests: upstream.keepaliveMaxRequests,
    upstream_keepalive_idle_timeout: upstream.keepaliveIdleTimeoutMs / 1000,
    mem_cache_size: String(settings.memory.cacheBytes),
    admin_token: settings.adminToken === undefined ? null : '******',
  }
}

const HEADER_TOKENS = [
  ['serverTokens', 'server_tokens'],
  ['latencyTokens', 'latency_tokens'],
  ['requestId', 'X-Kong-Request-Id'],
  ['upstreamStatus', 'X-Kong-Upstream-Status'],
] as const

function listenText({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
