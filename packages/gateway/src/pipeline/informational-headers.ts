import type { ResponseHead } from '@pratu/plugin-kit'
import type { PinnedExchange } from './snapshot.ts'

/** Adds what Kong's `headers` setting asks for to a proxied response (kong.md §2.8); a cached one counts as proxied. */
export function addProxiedHeaders(
  exchange: PinnedExchange,
  { headers, status }: ResponseHead,
): void {
  const { headerTokens, serverToken, viaToken } = exchange.snapshot.context
  if (headerTokens.serverTokens) {
    const via = headers.all('via')
    const ours = `1.1 ${viaToken}`
    headers.set('Via', via.length === 0 ? ours : `${via.join(', ')}, ${ours}`)
    if (!headers.has('server')) headers.append('Server', serverToken)
  }
  if (headerTokens.latencyTokens) {
    const { upstreamLatencyMs, proxyLatencyMs, requestLatencyMs } = exchange.record
    // A cached answer asked no upstream: all of the time was ours.
    const waitedMs = Math.max(0, upstreamLatencyMs)
    const ours = proxyLatencyMs < 0 ? requestLatencyMs : proxyLatencyMs
    headers.set('X-Kong-Upstream-Latency', String(Math.round(waitedMs)))
    headers.set('X-Kong-Proxy-Latency', String(Math.round(ours)))
    addServerTiming(exchange, headers, requestLatencyMs - waitedMs)
  }
  if (headerTokens.upstreamStatus) headers.set('X-Kong-Upstream-Status', String(status))
  addRequestId(exchange, headers)
  if (headerTokens.debug) addDebugHeaders(exchange, headers)
}

/** The same for an answer of our own. */
export function addGeneratedHeaders(exchange: PinnedExchange, { headers }: ResponseHead): void {
  const { headerTokens, serverToken } = exchange.snapshot.context
  if (headerTokens.serverTokens) headers.set('Server', serverToken)
  if (headerTokens.latencyTokens) {
    const { requestLatencyMs } = exchange.record
    headers.set('X-Kong-Response-Latency', String(Math.round(requestLatencyMs)))
    addServerTiming(exchange, headers, requestLatencyMs)
  }
  addRequestId(exchange, headers)
  if (headerTokens.debug) addDebugHeaders(exchange, headers)
}

/** What the gateway itself took until the response's head, beside what the upstream says of its own time. */
function addServerTiming(
  exchange: PinnedExchange,
  headers: ResponseHead['headers'],
  gatewayMs: number,
): void {
  if (exchange.snapshot.compatibility === 'kong') return
  headers.append('Server-Timing', `gateway;dur=${Math.round(gatewayMs * 100) / 100}`)
}

function addRequestId(exchange: PinnedExchange, headers: ResponseHead['headers']): void {
  if (!exchange.snapshot.context.headerTokens.requestId) return
  headers.set('X-Kong-Request-Id', exchange.id)
  if (!headers.has('x-request-id')) headers.append('x-request-id', exchange.id)
}

/** Which route and service it was, for a request that asks (kong.md §2.6). */
function addDebugHeaders(
  { request, route, service }: PinnedExchange,
  headers: ResponseHead['headers'],
): void {
  if (!request.headers.has('kong-debug')) return
  const told = [
    ['Kong-Route-Id', route?.id],
    ['Kong-Route-Name', route?.name],
    ['Kong-Service-Id', service?.id],
    ['Kong-Service-Name', service?.name],
  ] as const
  for (const [name, value] of told) if (value !== undefined) headers.set(name, value)
}
