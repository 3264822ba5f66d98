import type { Problem } from '../diagnostics.ts'
import type { Route, Service } from '../entities.ts'
import { routeName, serviceName, type Subject } from './subject.ts'
import { yamlScalar } from './yaml-text.ts'

/** A service whose URL already holds the route's path, which `strip_path: false` puts behind it once more. */
export function doubledPath(subject: Subject): readonly Problem[] {
  return subject.routes.flatMap((route) => {
    const service = subject.serviceOf(route)
    if (service === undefined || route.stripPath) return []
    const doubling = doublingOf(route, service)
    return doubling === undefined ? [] : [problemFor(subject, route, service, doubling)]
  })
}

interface Doubling {
  /** What a caller of the route most likely asks for. */
  readonly requested: string
  /** Whether the whole of the route's path is in the URL, and not the other way round. */
  readonly urlHasAll: boolean
}

function doublingOf(route: Route, service: Service): Doubling | undefined {
  const own = withoutTrailingSlash(service.path ?? '')
  if (own === '') return undefined
  for (const path of route.paths) {
    const asked = withoutTrailingSlash(path)
    if (asked === '') continue
    if (own === asked || own.startsWith(`${asked}/`)) return { requested: own, urlHasAll: true }
    if (asked.startsWith(`${own}/`)) return { requested: asked, urlHasAll: false }
  }
  return undefined
}

function problemFor(
  subject: Subject,
  route: Route,
  service: Service,
  { requested, urlHasAll }: Doubling,
): Problem {
  const own = withoutTrailingSlash(service.path ?? '')
  const doubled = `${own}${requested}`
  const mended = subject.entities.compatibility === 'pratu' && service.aiFormat !== undefined
  return {
    severity: mended ? 'advice' : 'warning',
    code: 'doubled-path',
    path: subject.place(route, 'strip_path'),
    message: `the path is written twice: the URL of service ${serviceName(service)} ends in ${own}, and route ${routeName(route)} keeps the request's path behind it (strip_path: false)`,
    hint: mended
      ? `for ${requested} Kong would call ${doubled}; Pratu notices and calls ${requested}. To say what you mean everywhere:`
      : `for ${requested} the upstream is asked for ${doubled}. To reach ${requested}:`,
    fix: (urlHasAll ? replacePath(route, own) : shortenUrl(service)).join('\n'),
  }
}

/** The URL stays as it is: its path is what tells that the service carries AI traffic. */
function replacePath(route: Route, own: string): string[] {
  return [
    'routes:',
    `- name: ${yamlScalar(route.name ?? route.id)}`,
    '  paths:',
    `  - ${yamlScalar(own)}   # the whole path of the service`,
    "  strip_path: true   # the service's path takes its place",
  ]
}

function shortenUrl(service: Service): string[] {
  return [
    'services:',
    `- name: ${yamlScalar(service.name ?? service.host)}`,
    `  url: ${yamlScalar(originOf(service))}   # the request's path comes behind it`,
  ]
}

function originOf({ protocol, host, port }: Service): string {
  return `${protocol}://${host}${port === (protocol === 'https' ? 443 : 80) ? '' : `:${port}`}`
}

function withoutTrailingSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
