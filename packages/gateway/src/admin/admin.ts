import type { RequestView } from '@pratu/plugin-kit'
import type { Secret } from '../config/index.ts'
import { isGatewayError, toGatewayError } from '../errors/index.ts'
import type { AccessLog, Logger, Metrics } from '../observe/index.ts'
import type { ClientChannel } from '../pipeline/index.ts'
import { createAccessRule, type AccessRule } from './access-rule.ts'
import type { AdminState, AppliedConfiguration, CacheAdministration } from './admin-state.ts'
import { createWireView } from './applied-wire.ts'
import { cacheResponse } from './cache-endpoints.ts'
import { collectionPaths, collectionResponse } from './collections.ts'
import {
  currentConfigurationResponse,
  replaceConfigurationResponse,
  type ConfigurationDependencies,
} from './configuration-endpoint.ts'
import { healthResponse } from './health.ts'
import { informationResponse, type InformationDependencies } from './information.ts'
import type { WireDocument } from './kong-wire.ts'
import type { LimitsAdministration } from './limits-administration.ts'
import { limitsResponse } from './limits-endpoints.ts'
import { latencyResponse, metricsResponse } from './metrics-endpoints.ts'
import { json, message, methodNotAllowed, NOT_FOUND, send, type AdminResponse } from './respond.ts'
import { schemaResponse, type SchemaDependencies } from './schemas.ts'
import { readyResponse, withdrawResponse } from './readiness.ts'
import { statusResponse } from './status.ts'

export type AdminHandler = (request: RequestView, client: ClientChannel) => void

/** What a listener serves: Kong's status listener has no more than metrics, status and upstreams (kong.md §4.5). */
export type AdminSurface = 'admin' | 'status'

export interface AdminDependencies extends InformationDependencies, SchemaDependencies {
  readonly state: AdminState
  readonly apply: ConfigurationDependencies['apply']
  readonly cache: CacheAdministration
  readonly limits: LimitsAdministration
  /** From now on `state.withdrawn()`. */
  readonly withdraw: () => void
  /** `undefined`: only loopback peers may do more than read metrics and status. */
  readonly token: Secret | undefined
  readonly metrics: Metrics
  readonly accessLog: AccessLog
  readonly logger: Logger
  /** How long `POST /config` waits for an application, ms. Default 60 s. */
  readonly applyTimeoutMs?: number
}

const DEFAULT_APPLY_TIMEOUT_MS = 60_000

/**
 * The admin port: metrics and status for everyone, Kong's Admin API for those who may (see `createAccessRule`). Knows no
 * socket: a listener calls the handler.
 *
 * @throws {Error} for an empty token.
 */
export function createAdmin(
  dependencies: AdminDependencies,
  surface: AdminSurface = 'admin',
): AdminHandler {
  const admin = new Admin(dependencies, surface)
  return (request, client) => admin.handle(request, client)
}

/** Answered to everyone, and not worth a line in the access log. */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  '/metrics',
  '/v1/metrics/latency',
  '/status',
  '/status/ready',
  '/health',
  '/livez',
  '/readyz',
])
const READ = ['GET', 'HEAD']

class Admin {
  readonly #dependencies: AdminDependencies
  readonly #surface: AdminSurface
  readonly #access: AccessRule
  readonly #wireOf: (applied: AppliedConfiguration) => WireDocument

  constructor(dependencies: AdminDependencies, surface: AdminSurface) {
    this.#dependencies = dependencies
    this.#surface = surface
    this.#access = createAccessRule(dependencies.token)
    this.#wireOf = createWireView(dependencies.plugins)
  }

  handle(request: RequestView, client: ClientChannel): void {
    const startedAtMs = Date.now()
    const started = performance.now()
    const open = OPEN_PATHS.has(request.path)
    const probe = open && READ.includes(request.method)
    const answer = (response: AdminResponse): void => {
      const { accessLog } = this.#dependencies
      if (accessLog.enabled && !probe) {
        client.onFinished(() => {
          accessLog.admin({
            startedAtMs,
            clientIp: request.clientIp,
            method: request.method,
            target: request.rawPath + request.rawQuery,
            status: response.status,
            responseBytes: client.bytesSent,
            latencyMs: performance.now() - started,
          })
        })
      }
      send(request, client, this.#withKongHeaders(response, started))
    }
    try {
      const response = this.#respond(request, open)
      if (response instanceof Promise) {
        response.then(answer, (error: unknown) => answer(this.#failed(error)))
      } else {
        answer(response)
      }
    } catch (error) {
      answer(this.#failed(error))
    }
  }

  #withKongHeaders(response: AdminResponse, started: number): AdminResponse {
    const headers = {
      ...response.headers,
      // decK reads the release from here (kong.md §4.6).
      Server: `kong/${this.#dependencies.kongVersion}`,
      'X-Kong-Admin-Latency': String(Math.round(performance.now() - started)),
    }
    return { ...response, headers }
  }

  #respond(request: RequestView, open: boolean): AdminResponse | Promise<AdminResponse> {
    if (open) {
      if (READ.includes(request.method)) return this.#openResponse(request)
      return request.path === '/status/ready' ? this.#withdraw(request) : methodNotAllowed(READ)
    }
    if (this.#surface === 'status' && !/^\/upstreams(?:\/|$)/.test(request.path)) return NOT_FOUND
    const refused = this.#access.refuse(request)
    if (refused !== undefined) return refused
    if (this.#surface === 'status' && !READ.includes(request.method)) return methodNotAllowed(READ)
    return this.#guardedResponse(request)
  }

  #withdraw(request: RequestView): AdminResponse | Promise<AdminResponse> {
    if (request.method !== 'POST') return methodNotAllowed([...READ, 'POST'])
    const { withdraw, logger } = this.#dependencies
    return (
      this.#access.refuse(request) ??
      withdrawResponse(request, () => {
        logger.warn('told to take no more traffic: readiness is off until a restart')
        withdraw()
      })
    )
  }

  #openResponse(request: RequestView): AdminResponse {
    const { state, metrics, settings, version } = this.#dependencies
    switch (request.path) {
      case '/metrics':
        return metricsResponse(metrics, request.headers.get('accept'))
      case '/v1/metrics/latency':
        return latencyResponse(metrics)
      case '/status': {
        const query = queryOf(request)
        const memoryLimitBytes = settings.memory.limitBytes
        const privileged = this.#access.refuse(request) === undefined
        return statusResponse(
          { state, metrics, version, memoryLimitBytes },
          { unit: query.get('unit'), scale: query.get('scale') },
          privileged,
        )
      }
      case '/status/ready':
        return readyResponse(state)
      default: {
        const health = {
          configured: () => state.current() !== undefined,
          draining: () => state.draining(),
          withdrawn: () => state.withdrawn(),
          storeAway: () => state.storeAway(),
        }
        return healthResponse(request.path, health) ?? NOT_FOUND
      }
    }
  }

  #guardedResponse(request: RequestView): AdminResponse | Promise<AdminResponse> {
    const { state, nodeId } = this.#dependencies
    const { method } = request
    const segments = segmentsOf(request.path)
    if (segments === undefined) return NOT_FOUND
    const [first, ...rest] = segments
    if (first === undefined) {
      return READ.includes(method)
        ? informationResponse(this.#dependencies)
        : methodNotAllowed(READ)
    }
    if (first === 'config' && rest.length === 0) return this.#configuration(request)
    if (first === 'endpoints' && rest.length === 0) {
      return READ.includes(method) ? ENDPOINTS : methodNotAllowed(READ)
    }
    if (first === 'timers' && rest.length === 0) {
      return READ.includes(method) ? TIMERS : methodNotAllowed(READ)
    }
    if (first === 'schemas') return schemaResponse(this.#dependencies, request, rest)
    if (first === 'proxy-cache') {
      return cacheResponse(state, this.#dependencies.cache, method, rest, queryOf(request))
    }
    if (first === 'limits') {
      return limitsResponse(state, this.#dependencies.limits, method, rest, queryOf(request))
    }
    const current = state.current()
    const document = current === undefined ? EMPTY : this.#wireOf(current)
    const query = queryOf(request)
    if (method === 'OPTIONS') return preflight()
    return collectionResponse({ method, segments, query, document, nodeId }) ?? NOT_FOUND
  }

  #configuration(request: RequestView): AdminResponse | Promise<AdminResponse> {
    const { state, apply, applyTimeoutMs } = this.#dependencies
    const wireOf = this.#wireOf
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return currentConfigurationResponse(state, wireOf)
      case 'POST':
        return replaceConfigurationResponse(
          { state, apply, wireOf, timeoutMs: applyTimeoutMs ?? DEFAULT_APPLY_TIMEOUT_MS },
          request,
          queryOf(request),
          this.#access.hasToken(request),
        )
      default:
        return methodNotAllowed(['GET', 'HEAD', 'POST'])
    }
  }

  #failed(error: unknown): AdminResponse {
    if (!isGatewayError(error)) {
      this.#dependencies.logger.error('an admin request failed', { error })
    }
    const { status, message: text } = toGatewayError(error)
    return message(status, text)
  }
}

const EMPTY: WireDocument = new Map()

const ENDPOINTS = json(200, {
  data: [
    '/',
    '/config',
    '/endpoints',
    '/limits',
    '/limits/{meter}',
    '/proxy-cache',
    '/proxy-cache/{cache_key}',
    '/proxy-cache/{plugin_id}/caches/{cache_key}',
    '/schemas/{entity}',
    '/schemas/plugins/{name}',
    '/tags',
    '/tags/{tags}',
    '/timers',
    ...collectionPaths(),
    ...OPEN_PATHS,
  ].toSorted(),
  next: null,
})

/** Kong's shape (kong.md §4.3); there is no nginx here whose timers could be told. */
const TIMERS = json(200, {
  worker: { id: 0, count: 1 },
  stats: {
    flamegraph: { running: '', elapsed_time: '', pending: '' },
    sys: { total: 0, runs: 0, running: 0, pending: 0, waiting: 0 },
    timers: {},
  },
})

/** No CORS fields, unlike Kong: a page of another site has no business here (S37). */
function preflight(): AdminResponse {
  return { status: 204, headers: { Allow: 'GET, HEAD, OPTIONS' } }
}

function queryOf(request: RequestView): URLSearchParams {
  return new URLSearchParams(request.rawQuery)
}

/** Decoded path segments; `undefined` when one is not decodable. */
function segmentsOf(path: string): readonly string[] | undefined {
  try {
    return path
      .split('/')
      .filter((segment) => segment !== '')
      .map((segment) => decodeURIComponent(segment))
  } catch {
    return undefined
  }
}
