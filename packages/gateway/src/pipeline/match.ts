import type { Reply } from '@pratu/plugin-kit'
import { GatewayError } from '../errors/index.ts'
import { upstreamPath } from '../router/index.ts'
import type { LiveExchange } from './exchange.ts'
import { hostWithoutPort } from './forwarded-headers.ts'
import { withoutCredentials } from './provider-boundary.ts'

/**
 * Finds the exchange's route and binds it (kong.md §2.5).
 *
 * @returns a redirect to HTTPS where the route asks for one.
 * @throws {GatewayError} `no_route`, `https_required`, `body_too_large`.
 */
export function matchRoute(exchange: LiveExchange): Reply | undefined {
  const { request, snapshot } = exchange
  const match = snapshot.router.match(request)
  if (match === undefined) throw new GatewayError('no_route')
  const { route, service, bodyLimitBytes, series } = match.value
  series.routed()
  exchange.bind(
    match,
    upstreamPath({
      servicePath: service?.service.path,
      requestPath: request.path,
      matchedPath: match.matchedPath,
      stripPath: route.stripPath,
      pathHandling: 'v0',
      doubling: snapshot.compatibility === 'pratu' && service?.service.aiFormat !== undefined,
    }),
  )
  if (service?.service.provider !== undefined) exchange.query = withoutCredentials(exchange.query)
  if (!request.body.empty) request.body.limit(bodyLimitBytes)
  if (!route.protocols.includes('http') && route.protocols.includes('https')) {
    return requireHttps(exchange, route.httpsRedirectStatusCode)
  }
  return undefined
}

/** Kong answers before it has looked at the route's plugins: only the global ones see the response. */
function requireHttps(
  exchange: LiveExchange,
  status: 426 | 301 | 302 | 307 | 308,
): Reply | undefined {
  const { request } = exchange
  const forwarded = request.peerTrusted ? request.headers.get('x-forwarded-proto') : undefined
  if ((forwarded ?? request.scheme) === 'https') return undefined
  exchange.plan = exchange.snapshot.globals
  // The port is this listener's own, which does not speak TLS.
  const host =
    (request.peerTrusted ? request.headers.get('x-forwarded-host') : undefined) ??
    hostWithoutPort(request.host)
  if (status === 426 || host === '') throw new GatewayError('https_required')
  return {
    kind: 'answer',
    status,
    headers: { Location: `https://${host}${request.rawPath}${request.rawQuery}` },
    body: new Uint8Array(0),
  }
}
