import { HeaderList, lowerCaseName } from '../http/index.ts'
import type { PinnedExchange } from './snapshot.ts'

/**
 * Fields of the client's request that are never forwarded as they came: hop-by-hop (RFC 9110 §7.6.1), framing and `Host`
 * (the upstream client writes its own), and those we write anew.
 */
const REPLACED = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy',
  'transfer-encoding',
  'content-length',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-path',
  'x-forwarded-prefix',
  'x-real-ip',
  'via',
  'x-kong-request-id',
])

/** Credentials of the caller that a service with its own provider credential must never pass on (S18). */
const CALLER_CREDENTIALS = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'apikey',
  'x-goog-api-key',
  'cookie',
])

/** The headers of the upstream request before plugins edit them (kong.md §2.8). */
export function upstreamHeaders(exchange: PinnedExchange): HeaderList {
  const { request, bound, snapshot } = exchange
  const { context } = snapshot
  const credentialHeaders = bound?.service?.credentialHeaders
  const named = namedByConnection(request.headers.all('connection'))
  const flat: string[] = []
  const headers = new HeaderList(flat)
  const incoming = request.headers.flat
  for (let i = 0; i < incoming.length; i += 2) {
    const name = incoming[i] ?? ''
    const value = incoming[i + 1] ?? ''
    const lower = lowerCaseName(name)
    if (REPLACED.has(lower) || named?.has(lower) === true) continue
    if (credentialHeaders !== undefined && CALLER_CREDENTIALS.has(lower)) continue
    if (lower === 'accept-encoding' && bound?.service?.service.aiFormat !== undefined) continue
    flat.push(name, value)
  }
  // Usage is read from the answer as it passes; an encoded one would have to be decoded first (architecture §3).
  if (bound?.service?.service.aiFormat !== undefined) flat.push('accept-encoding', 'identity')
  pushForwarded(exchange, flat)
  if (context.headerTokens.upstreamRequestId) flat.push('X-Kong-Request-Id', exchange.id)
  if (request.headers.get('te')?.includes('trailers') === true) flat.push('TE', 'trailers')
  if (credentialHeaders !== undefined) {
    for (const [name, value] of credentialHeaders()) headers.set(name, value)
  }
  return headers
}

function pushForwarded(exchange: PinnedExchange, flat: string[]): void {
  const { request, bound, snapshot } = exchange
  const believed = (name: string): string | undefined =>
    request.peerTrusted ? request.headers.get(name) : undefined
  const forwardedFor = request.headers.all('x-forwarded-for')
  flat.push(
    'X-Forwarded-For',
    forwardedFor.length === 0 ? request.clientIp : `${forwardedFor.join(', ')}, ${request.peerIp}`,
  )
  flat.push('X-Forwarded-Proto', believed('x-forwarded-proto') ?? request.scheme)
  flat.push('X-Forwarded-Host', believed('x-forwarded-host') ?? hostWithoutPort(request.host))
  flat.push('X-Forwarded-Port', believed('x-forwarded-port') ?? String(request.port))
  flat.push('X-Forwarded-Path', believed('x-forwarded-path') ?? request.rawPath)
  const prefix =
    believed('x-forwarded-prefix') ??
    (bound?.route.stripPath === true && exchange.matchedPath !== '/'
      ? exchange.matchedPath
      : undefined)
  if (prefix !== undefined) flat.push('X-Forwarded-Prefix', prefix)
  flat.push('X-Real-IP', request.clientIp)
  const via = request.headers.all('via')
  const ours = `${request.httpVersion} ${snapshot.context.viaToken}`
  flat.push('Via', via.length === 0 ? ours : `${via.join(', ')}, ${ours}`)
}

function hostWithoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  const bare = colon > 0 && !host.endsWith(']') ? host.slice(0, colon) : host
  return bare.toLowerCase()
}

/** Field names that the client's `Connection` declares hop-by-hop (S19: ours are added after they are removed). */
function namedByConnection(values: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (const value of values) {
    if (value === 'keep-alive' || value === 'close') continue
    for (const token of value.split(',')) {
      const name = token.trim().toLowerCase()
      if (name !== '' && name !== 'keep-alive' && name !== 'close') (named ??= new Set()).add(name)
    }
  }
  return named
}
