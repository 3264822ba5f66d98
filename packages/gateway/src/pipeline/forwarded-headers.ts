import { HeaderList, lowerCaseName } from '../http/index.ts'
import { isCallerCredential } from './provider-boundary.ts'
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

/**
 * The headers of the upstream request before plugins edit them (kong.md §2.8). Where a provider's credential replaces
 * the caller's, nothing tells the provider who the caller is either (S18).
 */
export function upstreamHeaders(exchange: PinnedExchange): HeaderList {
  const { request, bound, snapshot } = exchange
  const service = bound?.service?.service
  const isAi = service?.aiFormat !== undefined
  const hasProvider = service?.provider !== undefined
  const named = namedByConnection(request.headers.all('connection'))
  const flat: string[] = []
  const incoming = request.headers.flat
  for (let i = 0; i < incoming.length; i += 2) {
    const name = incoming[i] ?? ''
    const lower = lowerCaseName(name)
    if (REPLACED.has(lower) || named?.has(lower) === true) continue
    if (hasProvider && isCallerCredential(lower)) continue
    if (isAi && lower === 'accept-encoding') continue
    flat.push(name, incoming[i + 1] ?? '')
  }
  // Usage is read from the answer as it passes; an encoded one would have to be decoded first (architecture §3).
  if (isAi) flat.push('accept-encoding', 'identity')
  if (!hasProvider) pushForwarded(exchange, flat)
  pushVia(exchange, flat, hasProvider)
  if (!hasProvider && snapshot.context.headerTokens.upstreamRequestId) {
    flat.push('X-Kong-Request-Id', exchange.id)
  }
  if (wantsTrailers(request.headers.all('te'))) flat.push('TE', 'trailers')
  return new HeaderList(flat)
}

function pushForwarded(exchange: PinnedExchange, flat: string[]): void {
  const { request, bound } = exchange
  const believed = (name: string): string | undefined =>
    request.peerTrusted ? request.headers.get(name) : undefined
  const forwardedFor = request.headers.all('x-forwarded-for')
  flat.push(
    'X-Forwarded-For',
    forwardedFor.length === 0 ? request.clientIp : `${forwardedFor.join(', ')}, ${request.peerIp}`,
  )
  flat.push('X-Forwarded-Proto', believed('x-forwarded-proto') ?? request.scheme)
  const host = believed('x-forwarded-host') ?? hostWithoutPort(request.host)
  // An HTTP/1.0 request may name no host.
  if (host !== '') flat.push('X-Forwarded-Host', host)
  flat.push('X-Forwarded-Port', believed('x-forwarded-port') ?? String(request.port))
  flat.push('X-Forwarded-Path', believed('x-forwarded-path') ?? request.rawPath)
  const prefix =
    believed('x-forwarded-prefix') ??
    (bound?.route.stripPath === true && exchange.matchedPath !== '/'
      ? exchange.matchedPath
      : undefined)
  if (prefix !== undefined) flat.push('X-Forwarded-Prefix', prefix)
  flat.push('X-Real-IP', request.clientIp)
}

/** The proxies in front of us are no business of a provider. */
function pushVia(exchange: PinnedExchange, flat: string[], oursOnly: boolean): void {
  const { request, snapshot } = exchange
  const ours = `${request.httpVersion} ${snapshot.context.viaToken}`
  const via = oursOnly ? [] : request.headers.all('via')
  flat.push('Via', via.length === 0 ? ours : `${via.join(', ')}, ${ours}`)
}

/** nginx's `$host`: lower-case, without the port. */
export function hostWithoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  const bare = colon > 0 && !host.endsWith(']') ? host.slice(0, colon) : host
  return bare.toLowerCase()
}

/** `trailers` as a member of the list, with or without a weight; nothing else of `TE` is forwarded. */
function wantsTrailers(values: readonly string[]): boolean {
  for (const value of values) {
    for (const coding of value.split(',')) {
      if (coding.split(';', 1)[0]?.trim().toLowerCase() === 'trailers') return true
    }
  }
  return false
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
