import type { RequestView } from '@pratu/plugin-kit'
import type { ClientChannel } from '../pipeline/index.ts'
import { json, methodNotAllowed, NOT_FOUND, send, type AdminResponse } from './respond.ts'

export interface HealthState {
  /** Whether a configuration is in use. */
  configured(): boolean
  /** Whether the process was told to end. */
  draining(): boolean
  /** Whether an administrator has sent load balancers elsewhere (`POST /status/ready`). */
  withdrawn(): boolean
  /** Whether a Redis is away without which this node is not to be ready. */
  storeAway(): boolean
}

/** What the proxy port answers by itself when no route claims it (architecture §4). */
export const HEALTH_PATHS: ReadonlySet<string> = new Set([
  '/health',
  '/livez',
  '/readyz',
  '/metrics',
])

const OK = json(200, { status: 'ok' })
const STARTING = json(503, { status: 'starting' }, { 'Retry-After': '1' })
const STORE_AWAY = json(503, { status: 'limit store away' }, { 'Retry-After': '1' })
const DRAINING = json(503, { status: 'draining' }, { 'Retry-After': '1' })

/** The article's pod discovery scrapes every declared port: this one must be up, and empty (mission, mistake 10). */
const EMPTY_SCRAPE: AdminResponse = {
  status: 200,
  contentType: 'text/plain; charset=UTF-8',
  body: '# The metrics are on the admin port.\n',
}

/**
 * Health of the process and of nothing else: no provider, no Redis, no limit and no refused reload can make it fail.
 * `/livez`: the process answers. `/health`: it has a configuration and was not told to end. `/readyz`: nor to send load
 * balancers elsewhere, and a Redis is there that the node was told to need (F62); `/health` says neither, because many
 * restart a process that is not healthy.
 */
export function healthResponse(path: string, state: HealthState): AdminResponse | undefined {
  switch (path) {
    case '/livez':
      return OK
    case '/health':
      if (state.draining()) return DRAINING
      return state.configured() ? OK : STARTING
    case '/readyz':
      if (state.draining() || state.withdrawn()) return DRAINING
      if (!state.configured()) return STARTING
      return state.storeAway() ? STORE_AWAY : OK
    default:
      return undefined
  }
}

/** For the proxy port: answers requests for `HEALTH_PATHS`. */
export function createHealthHandler(
  state: HealthState,
): (request: RequestView, client: ClientChannel) => void {
  return (request, client) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(request, client, methodNotAllowed(['GET', 'HEAD']))
      return
    }
    const answer = request.path === '/metrics' ? EMPTY_SCRAPE : healthResponse(request.path, state)
    send(request, client, answer ?? NOT_FOUND)
  }
}
