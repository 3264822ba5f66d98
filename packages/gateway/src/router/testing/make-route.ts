import type { Route } from '../../config/index.ts'

/** A route with the defaults of the declarative format (kong.md §1.6). */
export function makeRoute(id: string, fields: Partial<Route> = {}): Route {
  return {
    id,
    name: undefined,
    serviceId: undefined,
    protocols: ['http', 'https'],
    hosts: [],
    paths: [],
    methods: [],
    headers: new Map(),
    snis: [],
    regexPriority: 0,
    stripPath: true,
    pathHandling: 'v0',
    preserveHost: false,
    requestBuffering: true,
    responseBuffering: true,
    httpsRedirectStatusCode: 426,
    createdAt: undefined,
    tags: [],
    ...fields,
  }
}

/** A valid id that sorts by `order`. */
export function routeId(order: number): string {
  return `00000000-0000-4000-8000-${order.toString(16).padStart(12, '0')}`
}
