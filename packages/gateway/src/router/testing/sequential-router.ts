import type { MatchInput, Router, RouterEntry } from '../index.ts'
import { comparePriority, splitRoute, type VirtualRoute } from '../virtual-route.ts'

/**
 * The meaning of matching, written as plainly as possible: every route in Kong's order, one after the other, over the
 * platform's own regexes (kong.md §2.2–2.4). The indexed router is held against it, in results by tests and in speed by
 * the benchmark. Understands only patterns that mean the same to both regex engines.
 */
export function createSequentialRouter<T>(entries: readonly RouterEntry<T>[]): Router<T> {
  const ordered = entries
    .flatMap(({ route, value }) => splitRoute(route).map((virtual) => ({ virtual, value })))
    .toSorted((a, b) => comparePriority(a.virtual, b.virtual))
    .map(({ virtual, value }) => ({ virtual, value, paths: virtual.paths.map(compilePath) }))
  return {
    match(input) {
      for (const { virtual, value, paths } of ordered) {
        if (!acceptsRequest(virtual, input)) continue
        const { route } = virtual
        if (paths.length === 0) return { route, value, matchedPath: undefined, captures: undefined }
        for (const findPath of paths) {
          const found = findPath(input.path)
          if (found === undefined) continue
          const [matchedPath = '', ...groups] = found
          const named = Object.assign(Object.create(null), found.groups)
          const captures = groups.length > 0 ? { numbered: [...found], named } : undefined
          return { route, value, matchedPath, captures }
        }
      }
      return undefined
    },
  }
}

interface Found extends ReadonlyArray<string | undefined> {
  readonly groups?: Readonly<Record<string, string>> | undefined
}

function compilePath(path: string): (requestPath: string) => Found | undefined {
  if (!path.startsWith('~')) {
    return (requestPath) => (requestPath.startsWith(path) ? [path] : undefined)
  }
  const pattern = new RegExp(`^(?:${path.slice(1).replaceAll('?P<', '?<')})`, 'u')
  return (requestPath) => pattern.exec(requestPath) ?? undefined
}

function acceptsRequest({ route }: VirtualRoute, input: MatchInput): boolean {
  const { methods, hosts, headers, snis } = route
  if (methods.length > 0 && !methods.includes(input.method)) return false
  if (hosts.length > 0 && !hosts.some((host) => hostMatches(host, input))) return false
  if (snis.length > 0 && input.scheme === 'https' && !snis.includes(input.sni ?? '')) return false
  for (const [name, values] of headers) {
    const given = [
      ...new Set([...input.headers.all(name), ...input.headers.all(name.replaceAll('-', '_'))]),
    ].map((value) => value.toLowerCase())
    if (!values.some((value) => given.some((candidate) => headerMatches(value, candidate)))) {
      return false
    }
  }
  return true
}

function hostMatches(configured: string, input: MatchInput): boolean {
  const [host = '', port = ''] = splitPort(input.host)
  const [name = '', wantedPort = ''] = splitPort(configured)
  if (wantedPort !== '' && Number(wantedPort) !== Number(port === '' ? input.port : port)) {
    return false
  }
  if (name.startsWith('*')) return host.endsWith(name.slice(1))
  if (name.endsWith('*')) return host.startsWith(name.slice(0, -1))
  return host === name
}

function splitPort(host: string): readonly string[] {
  const match = /^([^:]*):([0-9]+)$/.exec(host)
  return match === null ? [host] : match.slice(1)
}

function headerMatches(configured: string, value: string): boolean {
  if (!configured.startsWith('~*')) return configured.toLowerCase() === value
  return new RegExp(configured.slice(2).toLowerCase(), 'u').test(value)
}
