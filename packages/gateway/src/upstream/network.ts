import type { Clock } from '@pratu/plugin-kit'
import type { UpstreamSettings } from '../config/index.ts'
import type { AddressPolicy } from './address-policy.ts'
import type { Resolver } from './resolver.ts'
import type { Route } from './route.ts'
import type { TlsSettings } from './tls-settings.ts'

/** What every connection of one client shares. */
export interface Network {
  readonly settings: UpstreamSettings
  readonly clock: Clock
  readonly resolver: Resolver
  readonly isAllowedAddress: AddressPolicy
  /** Trust for proxies that are reached over TLS. */
  readonly proxyTls: TlsSettings
  /** The client is being closed: nothing is kept for later. */
  readonly closing: boolean
  /** A socket is open. */
  opened(): void
  /** A socket is closed. */
  readonly lost: () => void
  /** The pool of this route has no connection left. */
  emptied(route: Route): void
  readonly onDefect: (error: Error) => void
}
