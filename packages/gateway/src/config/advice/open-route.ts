import type { Problem } from '../diagnostics.ts'
import type { Route, Service } from '../entities.ts'
import { providerFix } from './provider-fix.ts'
import { AUTHENTICATION, consumerName, listed, routeName, type Subject } from './subject.ts'
import { indented, yamlScalar } from './yaml-text.ts'

/** Consumers have credentials, but some routes ask nobody for one. */
export function openRoute(subject: Subject): readonly Problem[] {
  const { credentials, consumers } = subject.entities
  const kind = [...AUTHENTICATION.keys()].find((one) =>
    credentials.some((credential) => credential.kind === one),
  )
  const plugin = kind === undefined ? undefined : AUTHENTICATION.get(kind)
  const open = subject.routes.filter((route) => !subject.isGuarded(route))
  const [first] = open
  if (plugin === undefined || first === undefined) return []
  const holders = new Set(
    credentials.filter((one) => one.kind === kind).map((one) => one.consumerId),
  )
  const names = consumers.filter(({ id }) => holders.has(id)).map(consumerName)
  return [
    {
      severity: 'warning',
      code: 'open-route',
      path: subject.place(first),
      message: `anybody can call route ${listed(open.map(routeName))}: ${listed(names)} ${names.length === 1 ? 'has' : 'have'} credentials, but nothing asks for them`,
      hint: hintFor(subject, plugin, open),
      fix: fixFor(subject, plugin, open),
    },
  ]
}

function hintFor(subject: Subject, plugin: string, open: readonly Route[]): string {
  const loaded = subject.settings.plugins !== 'bundled' && subject.settings.plugins.includes(plugin)
  return [
    loaded && !subject.hasPlugin(plugin)
      ? `naming ${plugin} in KONG_PLUGINS only loads it; it runs where a 'plugins' entry says so.`
      : `switch ${plugin} on where a caller should be known.`,
    unprovided(subject, open).length > 0
      ? "Add the provider lines together with it: the caller's key is also the only key that the provider gets, so a gateway that takes it away gets 401 from the provider"
      : '',
  ]
    .join(' ')
    .trimEnd()
}

function fixFor(subject: Subject, plugin: string, open: readonly Route[]): string {
  const services = unprovided(subject, open)
  const guard = open.length === subject.routes.length ? everywhere(plugin) : onRoutes(plugin, open)
  return [...guard, ...(services.length > 0 ? providerFix(services) : [])].join('\n')
}

function everywhere(plugin: string): string[] {
  return ['plugins:', `- name: ${plugin}   # at the top level: on every route`]
}

function onRoutes(plugin: string, open: readonly Route[]): string[] {
  return [
    'routes:',
    ...open
      .slice(0, 3)
      .flatMap((route) => [
        `- name: ${yamlScalar(route.name ?? route.id)}`,
        ...indented(1, ['plugins:', `- name: ${plugin}   # add these lines to the route`]),
      ]),
  ]
}

/** AI services behind the routes that have no credential of their own. */
function unprovided(subject: Subject, open: readonly Route[]): readonly Service[] {
  const ids = new Set(open.map(({ serviceId }) => serviceId))
  return subject.aiServices().filter(({ id, provider }) => ids.has(id) && provider === undefined)
}
