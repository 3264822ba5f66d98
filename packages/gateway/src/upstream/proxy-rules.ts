import { BlockList, isIP, isIPv6 } from 'node:net'
import { Secret, type UpstreamSettings } from '../config/index.ts'

/** An HTTP proxy between this node and its upstreams. */
export interface ForwardProxy {
  /** Whether the connection to the proxy itself is TLS. */
  readonly secure: boolean
  /** Without brackets. */
  readonly host: string
  readonly port: number
  /** The value of `Proxy-Authorization`. */
  readonly authorization: Secret | undefined
}

export interface ProxyRules {
  /** @param host without brackets. @returns the proxy to go through, `undefined` to connect directly. */
  proxyFor(scheme: 'http' | 'https', host: string, port: number): ForwardProxy | undefined
}

/**
 * `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, read as curl and Go read them. Loopback never goes through a proxy.
 *
 * @throws {Error} naming the variable, never its value, when a proxy's URL cannot be used.
 */
export function createProxyRules(
  settings: Pick<UpstreamSettings, 'httpProxy' | 'httpsProxy' | 'noProxy'>,
): ProxyRules {
  const http = parseProxy('HTTP_PROXY', settings.httpProxy)
  const https = parseProxy('HTTPS_PROXY', settings.httpsProxy)
  const exceptions = parseExceptions(settings.noProxy)
  return {
    proxyFor(scheme, host, port) {
      const proxy = scheme === 'https' ? https : http
      if (proxy === undefined || isLoopback(host) || exceptions(host.toLowerCase(), port))
        return undefined
      return proxy
    },
  }
}

function parseProxy(variable: string, text: string | undefined): ForwardProxy | undefined {
  if (text === undefined || text === '') return undefined
  const address = text.includes('://') ? text : `http://${text}`
  if (!URL.canParse(address)) {
    throw new Error(`${variable} is not a URL: write http://host:port or https://host:port`)
  }
  const url = new URL(address)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error(
      `${variable} names a ${url.protocol.slice(0, -1)} proxy: only http and https proxies are supported`,
    )
  }
  const secure = url.protocol === 'https:'
  return {
    secure,
    host: withoutBrackets(url.hostname),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authorization: credentialsOf(variable, url),
  }
}

function credentialsOf(variable: string, url: URL): Secret | undefined {
  if (url.username === '' && url.password === '') return undefined
  try {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    return new Secret(`Basic ${Buffer.from(pair).toString('base64')}`)
  } catch (cause) {
    throw new Error(`${variable} holds credentials that are not percent-encoded correctly`, {
      cause,
    })
  }
}

export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** Entries: `*`, a name (itself and everything below it, with or without a leading dot), an address, a CIDR; `:port` optional. */
function parseExceptions(entries: readonly string[]): (host: string, port: number) => boolean {
  const networks = new BlockList()
  const names: { readonly name: string; readonly port: number | undefined }[] = []
  let everything = false
  for (const raw of entries) {
    const entry = raw.trim().toLowerCase()
    if (entry === '*') everything = true
    else if (entry !== '' && !addNetwork(networks, entry)) names.push(toNameRule(entry))
  }
  return (host, port) => {
    if (everything) return true
    if (isIP(host) !== 0 && networks.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')) return true
    return names.some(
      (rule) =>
        (rule.port === undefined || rule.port === port) &&
        (host === rule.name || host.endsWith(`.${rule.name}`)),
    )
  }
}

function addNetwork(networks: BlockList, entry: string): boolean {
  const [address = '', prefix, ...rest] = entry.split('/')
  const bare = withoutBrackets(address)
  const family = isIP(bare)
  if (family === 0 || rest.length > 0) return false
  const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix)
  if (!Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32)) return false
  networks.addSubnet(bare, bits, family === 6 ? 'ipv6' : 'ipv4')
  return true
}

function toNameRule(entry: string): { name: string; port: number | undefined } {
  const colon = entry.lastIndexOf(':')
  const hasPort = colon !== -1 && /^\d+$/.test(entry.slice(colon + 1))
  const host = withoutBrackets(hasPort ? entry.slice(0, colon) : entry)
  return {
    name: host.replace(/^\*?\./, ''),
    port: hasPort ? Number(entry.slice(colon + 1)) : undefined,
  }
}
