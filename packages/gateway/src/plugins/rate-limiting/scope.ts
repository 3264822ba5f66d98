import type { Exchange } from '@pratu/plugin-kit'
import type { RateLimitingConfig } from './config.ts'

/**
 * Whom a request is counted for (kong.md §3.3). Where there is no such thing on the request, its client's address, as it
 * is behind trusted proxies (S34).
 */
export function createScope(config: RateLimitingConfig): (exchange: Exchange) => string {
  const { headerName, path } = config
  switch (config.limitBy) {
    case 'consumer':
      return ({ consumer, credential, request }) =>
        consumer?.id ?? credential?.id ?? request.clientIp
    case 'credential':
      return ({ credential, request }) => credential?.id ?? request.clientIp
    case 'service':
      return ({ service, request }) => service?.id ?? request.clientIp
    case 'header':
      return ({ request }) =>
        (headerName === undefined ? undefined : request.headers.get(headerName)) ?? request.clientIp
    case 'path':
      return ({ request }) => (request.path === path ? request.path : request.clientIp)
    case 'ip':
      return ({ request }) => request.clientIp
  }
}
