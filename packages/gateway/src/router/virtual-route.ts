import { uuidV5, type Route } from '../config/index.ts'

/** A route, or the part of it whose paths share one priority (kong.md §2.3). */
export interface VirtualRoute {
  readonly route: Route
  /** The route's own id, or the id derived for a part: it decides ties. */
  readonly id: string
  /** All regexes or all plain, and then of one length; empty when the route names no path. */
  readonly paths: readonly string[]
  readonly hasRegex: boolean
  /** Compared number by number, the larger first (kong.md §2.4). */
  readonly priority: readonly number[]
}

const VIRTUAL_ROUTES = '7f145bf9-0dce-4f91-98eb-debbce4b9f6b'
const MAX_HEADER_COUNT = 255
const MAX_PREFIX_BYTES = 0x7ffff
const REGEX = -1

function isRegexPath(path: string): boolean {
  return path.startsWith('~')
}

/** One virtual route per group of paths: all regexes together, plain ones by length, in order of first appearance. */
export function splitRoute(route: Route): readonly VirtualRoute[] {
  const groups = new Map<number, string[]>()
  for (const path of route.paths) {
    const key = isRegexPath(path) ? REGEX : Buffer.byteLength(path)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [path])
    else group.push(path)
  }
  if (groups.size === 0) {
    return [{ route, id: route.id, paths: [], hasRegex: false, priority: priorityOf(route, 0) }]
  }
  let ordinal = 0
  return [...groups].map(([key, paths]) => {
    ordinal += 1
    return {
      route,
      id: groups.size === 1 ? route.id : uuidV5(VIRTUAL_ROUTES, `${route.id}#${ordinal}`),
      paths,
      hasRegex: key === REGEX,
      priority: priorityOf(route, key),
    }
  })
}

/** Kong's order of evaluation, highest priority first (kong.md §2.4). */
export function comparePriority(a: VirtualRoute, b: VirtualRoute): number {
  for (let i = 0; i < a.priority.length; i += 1) {
    const difference = (b.priority[i] ?? 0) - (a.priority[i] ?? 0)
    if (difference !== 0) return difference
  }
  return compareIds(b.id.toLowerCase(), a.id.toLowerCase())
}

function compareIds(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** @param pathBytes length of the plain paths in bytes of UTF-8, 0 without paths, `REGEX` for regexes. */
function priorityOf(route: Route, pathBytes: number): readonly number[] {
  const { methods, hosts, headers, paths, snis } = route
  const categories = [methods.length, hosts.length, headers.size, paths.length, snis.length]
  const plainHostsOnly = hosts.length > 0 && !hosts.some((host) => host.includes('*'))
  return [
    categories.filter((size) => size > 0).length,
    Number(plainHostsOnly),
    Math.min(headers.size, MAX_HEADER_COUNT),
    Number(pathBytes === REGEX),
    pathBytes === REGEX ? route.regexPriority : 0,
    pathBytes === REGEX ? 0 : Math.min(pathBytes, MAX_PREFIX_BYTES),
  ]
}
