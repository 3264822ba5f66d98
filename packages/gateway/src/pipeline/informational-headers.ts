import type { ResponseHead } from '@pratu/plugin-kit'
import type { PinnedExchange } from './snapshot.ts'

/** Adds what Kong's `headers` setting asks for to a proxied response (kong.md §2.8). */
export function addProxiedHeaders(
  exchange: PinnedExchange,
  { headers, status }: ResponseHead,
): void {
  const { headerTokens, serverToken, viaToken } = exchange.snapshot.context
  if (headerTokens.serverTokens) {
    const via = headers.get('via')
    headers.set('Via', via === undefined ? `1.1 ${viaToken}` : `${via}, 1.1 ${viaToken}`)
    if (!headers.has('server')) headers.append('Server', serverToken)
  }
  if (headerTokens.latencyTokens) {
    const { upstreamLatencyMs, proxyLatencyMs, requestLatencyMs } = exchange.record
    // A cached answer counts as proxied, but no upstream was asked: all of the time was ours.
    const ours = proxyLatencyMs < 0 ? requestLatencyMs : proxyLatencyMs
    headers.set('X-Kong-Upstream-Latency', String(Math.round(Math.max(0, upstreamLatencyMs))))
    headers.set('X-Kong-Proxy-Latency', String(Math.round(ours)))
  }
  if (headerTokens.upstreamStatus) headers.set('X-Kong-Upstream-Status', String(status))
  addRequestId(exchange, headers)
}

/** The same for an answer of our own. */
export function addGeneratedHeaders(exchange: PinnedExchange, { headers }: ResponseHead): void {
  const { headerTokens, serverToken } = exchange.snapshot.context
  if (headerTokens.serverTokens) headers.set('Server', serverToken)
  if (headerTokens.latencyTokens) {
    headers.set('X-Kong-Response-Latency', String(Math.round(exchange.record.requestLatencyMs)))
  }
  addRequestId(exchange, headers)
}

function addRequestId(exchange: PinnedExchange, headers: ResponseHead['headers']): void {
  if (!exchange.snapshot.context.headerTokens.requestId) return
  headers.set('X-Kong-Request-Id', exchange.id)
  if (!headers.has('x-request-id')) headers.append('x-request-id', exchange.id)
}
