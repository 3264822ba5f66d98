import { escapePath } from '../http/index.ts'

export interface UpstreamPathInput {
  /** `undefined` counts as `/`. */
  readonly servicePath: string | undefined
  /** As `normalisePath` gave it. */
  readonly requestPath: string
  /** As the match gave it. */
  readonly matchedPath: string | undefined
  readonly stripPath: boolean
  /** `v1` is honoured here; Kong does so only in its `traditional` flavour, so the caller decides. */
  readonly pathHandling: 'v0' | 'v1'
  /** Whether Pratu's rule against doubled paths applies: an AI service, and no `compatibility: kong`. */
  readonly doubling: boolean
}

/**
 * The path to ask of the upstream, percent-encoded, without query (kong.md §2.7).
 *
 * With `doubling` and without `stripPath`, a request that already names the service's path, or a part of the way to it,
 * gets that path once and not twice (architecture §4).
 */
export function upstreamPath(input: UpstreamPathInput): string {
  return escapePath(joinPaths(input))
}

function joinPaths(input: UpstreamPathInput): string {
  const { requestPath, matchedPath, stripPath, pathHandling } = input
  const base = input.servicePath ?? '/'
  if (!stripPath) {
    if (input.doubling) {
      const single = withoutDoubling(base, requestPath)
      if (single !== undefined) return single
    }
    return pathHandling === 'v0' ? append(base, requestPath) : base + requestPath.slice(1)
  }
  const rest = withoutDotPrefix(requestPath.slice(matchedPath?.length ?? 1))
  return pathHandling === 'v0' ? replace(base, rest, requestPath) : joinTouching(base, rest)
}

/** Kong cuts one leading dot segment off what remains after stripping, so that it cannot climb. */
function withoutDotPrefix(rest: string): string {
  if (rest === '.' || rest === '..') return ''
  if (rest.startsWith('./')) return rest.slice(2)
  if (rest.startsWith('../')) return rest.slice(3)
  return rest
}

function append(base: string, requestPath: string): string {
  if (base.endsWith('/')) return base + requestPath.slice(1)
  return requestPath === '/' ? base : base + requestPath
}

function replace(base: string, rest: string, requestPath: string): string {
  const asksForFolder = requestPath.length > 1 && requestPath.endsWith('/')
  if (base.endsWith('/')) {
    if (rest !== '') return rest.startsWith('/') ? base.slice(0, -1) + rest : base + rest
    return base === '/' || requestPath.endsWith('/') ? base : base.slice(0, -1)
  }
  if (rest === '') return asksForFolder ? `${base}/` : base
  return rest.startsWith('/') ? base + rest : `${base}/${rest}`
}

function joinTouching(base: string, rest: string): string {
  return base.endsWith('/') && rest.startsWith('/') ? base + rest.slice(1) : base + rest
}

/** The one path that was meant, or `undefined` where service and request have nothing in common. */
function withoutDoubling(base: string, requestPath: string): string | undefined {
  const service = withoutTrailingSlash(base)
  const request = withoutTrailingSlash(requestPath)
  if (request === service || request.startsWith(`${service}/`)) return requestPath
  return service.startsWith(`${request}/`) ? base : undefined
}

function withoutTrailingSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
