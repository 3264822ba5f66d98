import type { Path } from '../diagnostics.ts'
import type { RawRecord } from '../document.ts'
import type { Consumer, Entities, PluginEntity, Route, Service } from '../entities.ts'
import { valueAt } from '../issues.ts'
import type { NodeSettings } from '../node-settings.ts'

/** Where entities are written, and what is written there. */
export interface Written {
  /** References are not resolved in it. */
  readonly root: RawRecord
  pathOf(entityId: string): Path | undefined
}

/** Plugins that find out who is calling, by the collection of credentials that they know. */
export const AUTHENTICATION: ReadonlyMap<string, string> = new Map([
  ['keyauth_credentials', 'key-auth'],
  ['basicauth_credentials', 'basic-auth'],
  ['jwt_secrets', 'jwt'],
  ['hmacauth_credentials', 'hmac-auth'],
])

const AUTHENTICATION_PLUGINS: ReadonlySet<string> = new Set([
  ...AUTHENTICATION.values(),
  'oauth2',
  'ldap-auth',
  'session',
  'openid-connect',
])

/** Plugins that count requests and keep them below a limit. */
export const LIMITERS: ReadonlySet<string> = new Set([
  'rate-limiting',
  'response-ratelimiting',
  'ai-limits',
])

/** A configuration as advice looks at it: what runs where, beside what its author wrote. */
export class Subject {
  readonly entities: Entities
  readonly settings: NodeSettings
  readonly root: RawRecord
  /** Routes that requests can reach. */
  readonly routes: readonly Route[]
  /** Plugin entries that are switched on. */
  readonly plugins: readonly PluginEntity[]
  private readonly written: Written
  private readonly services: ReadonlyMap<string, Service>
  private readonly routesById: ReadonlyMap<string, Route>
  private readonly routesByService: ReadonlyMap<string | undefined, readonly Route[]>
  private readonly pluginsByScope: ReadonlyMap<string, readonly PluginEntity[]>

  constructor(entities: Entities, settings: NodeSettings, written: Written) {
    this.entities = entities
    this.settings = settings
    this.root = written.root
    this.written = written
    this.services = new Map(entities.services.map((service) => [service.id, service]))
    this.routes = entities.routes.filter((route) => this.isServed(route))
    this.routesById = new Map(this.routes.map((route) => [route.id, route]))
    this.routesByService = grouped(this.routes, ({ serviceId }) => serviceId)
    this.plugins = entities.plugins.filter(({ enabled }) => enabled)
    this.pluginsByScope = grouped(this.plugins, scopeOf)
  }

  private isServed({ protocols, serviceId }: Route): boolean {
    if (!protocols.some((protocol) => protocol === 'http' || protocol === 'https')) return false
    return serviceId === undefined || this.services.get(serviceId)?.enabled === true
  }

  serviceOf(route: Route): Service | undefined {
    return route.serviceId === undefined ? undefined : this.services.get(route.serviceId)
  }

  routesOf(service: Service): readonly Route[] {
    return this.routesByService.get(service.id) ?? []
  }

  /** Services that carry AI traffic and can be reached. */
  aiServices(): readonly Service[] {
    const reached = new Set(this.routes.map(({ serviceId }) => serviceId))
    return this.entities.services.filter(
      ({ id, aiFormat }) => aiFormat !== undefined && reached.has(id),
    )
  }

  /** Entries that run on every request of the route, whoever calls. */
  pluginsOn(route: Route): readonly PluginEntity[] {
    const { id, serviceId = '' } = route
    const scopes = new Set([' ', `${id} `, ` ${serviceId}`, `${id} ${serviceId}`])
    return [...scopes].flatMap((scope) => this.pluginsByScope.get(scope) ?? [])
  }

  /** Whether the route asks who is calling, or answers without asking anybody. */
  isGuarded(route: Route): boolean {
    return this.pluginsOn(route).some(
      ({ name }) => AUTHENTICATION_PLUGINS.has(name) || name === 'request-termination',
    )
  }

  hasPlugin(name: string): boolean {
    return this.plugins.some((plugin) => plugin.name === name)
  }

  /** Routes that an entry runs on, for some or all callers. */
  routesUnder({ routeId, serviceId }: PluginEntity): readonly Route[] {
    const route = routeId === undefined ? undefined : this.routesById.get(routeId)
    if (routeId !== undefined) {
      return route === undefined || !isOf(route, serviceId) ? [] : [route]
    }
    return serviceId === undefined ? this.routes : (this.routesByService.get(serviceId) ?? [])
  }

  /** Services that an entry runs on, for some or all callers. */
  servicesUnder(plugin: PluginEntity): readonly Service[] {
    const services = this.routesUnder(plugin).map((route) => this.serviceOf(route))
    return [...new Set(services)].filter((service) => service !== undefined)
  }

  /** What a plugin entry is attached to, in words. */
  scopeName({ routeId, serviceId }: PluginEntity): string {
    const route = routeId === undefined ? undefined : this.routesById.get(routeId)
    if (route !== undefined) return `on route ${routeName(route)}`
    const service = serviceId === undefined ? undefined : this.services.get(serviceId)
    return service === undefined ? 'on every route' : `on service ${serviceName(service)}`
  }

  /** Where an entity, or a member of it, is written. */
  place(entity: { readonly id: string }, ...member: Path): Path {
    return [...(this.written.pathOf(entity.id) ?? []), ...member]
  }

  /** An entity, or a member of it, as it is written; `undefined` when it is not. */
  writtenAs(entity: { readonly id: string }, ...member: Path): unknown {
    const path = this.written.pathOf(entity.id)
    return path === undefined ? undefined : valueAt(this.root, [...path, ...member])
  }
}

function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

function isOf(route: Route, serviceId: string | undefined): boolean {
  return serviceId === undefined || route.serviceId === serviceId
}

/** Entries for one consumer only get a scope that no route asks for. */
function scopeOf({ routeId = '', serviceId = '', consumerId }: PluginEntity): string {
  return consumerId === undefined ? `${routeId} ${serviceId}` : `of ${consumerId}`
}

export function routeName(route: Route): string {
  return `'${route.name ?? route.paths[0] ?? route.hosts[0] ?? route.id}'`
}

export function serviceName(service: Service): string {
  return `'${service.name ?? service.host}'`
}

export function consumerName(consumer: Consumer): string {
  return `'${consumer.username ?? consumer.customId ?? consumer.id}'`
}

const LISTED = 3

/** `'a', 'b', 'c' and 2 more`. */
export function listed(names: readonly string[]): string {
  const rest = names.length - LISTED
  if (rest > 0) return `${names.slice(0, LISTED).join(', ')} and ${rest} more`
  const last = names.at(-1) ?? ''
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${last}` : last
}
