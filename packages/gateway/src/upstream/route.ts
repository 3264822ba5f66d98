import { isIP } from 'node:net'
import type { UpstreamTarget } from './contract.ts'
import { withoutBrackets, type ForwardProxy, type ProxyRules } from './proxy-rules.ts'
import type { TlsSettings } from './tls-settings.ts'

/** Where the connections of one pool go, and how. */
export interface Route {
  /** Connections of routes with equal keys may serve each other's requests. */
  readonly key: string
  /** The target or its override; host without brackets. */
  readonly destination: Endpoint
  /** Connected to in place of the destination. An https request tunnels through it, an http request is sent to it. */
  readonly proxy: ForwardProxy | undefined
  /** Written before the path: the origin, when a proxy receives the request itself. */
  readonly pathPrefix: string
  /** TLS with the destination. */
  readonly tls: RouteTls | undefined
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface RouteTls {
  readonly settings: TlsSettings
  /** The host sent, without port and brackets. */
  readonly identity: string
  readonly isName: boolean
}

export interface RouteRules {
  readonly overrides: ReadonlyMap<string, string>
  readonly proxies: ProxyRules
}

/**
 * @param tls used when the connection ends up as https, by the target's scheme or by an override.
 * @param hostSent the `Host` of the request: it decides SNI, so a preserved host has connections of its own.
 */
export function createRoute(
  rules: RouteRules,
  scheme: 'http' | 'https',
  target: UpstreamTarget,
  hostSent: string,
  tls: TlsSettings,
): Route {
  const place = overridden(rules.overrides, scheme, target)
  const { host, port } = place
  const proxy = rules.proxies.proxyFor(place.scheme, host, port)
  const secure = place.scheme === 'https'
  const identity = hostOf(hostSent)
  return {
    key: [
      `${place.scheme}://${authority(host, port)}`,
      secure ? `${identity} ${tls.digest}` : '',
      proxy === undefined
        ? ''
        : `${proxy.secure ? 'https' : 'http'}://${authority(proxy.host, proxy.port)}`,
    ].join('|'),
    destination: { host, port },
    proxy,
    pathPrefix: proxy !== undefined && !secure ? `http://${authority(host, port)}` : '',
    tls: secure ? { settings: tls, identity, isName: isIP(identity) === 0 } : undefined,
  }
}

interface Place extends Endpoint {
  readonly scheme: 'http' | 'https'
}

function overridden(
  overrides: ReadonlyMap<string, string>,
  scheme: 'http' | 'https',
  target: UpstreamTarget,
): Place {
  const host = withoutBrackets(target.host)
  const place: Place = { scheme, host, port: target.port }
  if (overrides.size === 0) return place
  const origin = toOrigin(`${scheme}://${authority(host, target.port)}`)
  const replacement = origin === undefined ? undefined : overrides.get(origin)
  return replacement === undefined ? place : toPlace(replacement)
}

/** @param origin as `toOrigin` returned it. */
function toPlace(origin: string): Place {
  const url = new URL(origin)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  return {
    scheme,
    host: withoutBrackets(url.hostname),
    port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port),
  }
}

/**
 * The overrides with both sides in canonical form.
 *
 * @throws {Error} naming the entry, when a side is not an http or https origin.
 */
export function parseOverrides(
  overrides: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const parsed = new Map<string, string>()
  for (const [from, to] of overrides) {
    const source = toOrigin(from)
    const replacement = toOrigin(to)
    if (source === undefined || replacement === undefined) {
      throw new Error(
        `upstream override ${from}=${to}: both sides must be origins such as https://api.example.com or http://127.0.0.1:9001`,
      )
    }
    parsed.set(source, replacement)
  }
  return parsed
}

/** Lower case and without the scheme's default port; `undefined` when it has more than scheme, host and port. */
function toOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const bare = url.pathname === '/' && url.search === '' && url.hash === ''
  const plain = url.username === '' && url.password === ''
  const http = url.protocol === 'http:' || url.protocol === 'https:'
  return bare && plain && http ? url.origin : undefined
}

/** `host:port`, an IPv6 address in brackets. */
export function authority(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** A `Host` value without its port and brackets. */
function hostOf(host: string): string {
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']'))
  const colon = host.indexOf(':')
  return colon === -1 ? host : host.slice(0, colon)
}
